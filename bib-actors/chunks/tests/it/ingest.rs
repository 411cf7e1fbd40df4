//! What a writer promises beside giving the bytes back: dedupe, order of calls, refusals, failing sources.

use crate::common::{TestStore, ingest, noise, read, sign, tiny};
use bib_chunks::{ChunkError, EntryKind, FileReader, IngestOptions, ManifestError, ManifestLimits, VersionWriter};
use bib_domain::PathProblem;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

fn writer(test: &TestStore) -> VersionWriter {
    VersionWriter::new(test.store.clone(), tiny())
}

#[test]
fn an_insertion_at_the_front_of_a_large_file_costs_little() {
    let test = TestStore::quick();
    let data = noise(1 << 20, 1);
    let first = ingest(&test.store, &tiny(), [("a", data.as_slice())]);
    let edited = [noise(4096, 2), data.clone()].concat();
    let second = ingest(&test.store, &tiny(), [("a", edited.as_slice())]);
    assert!(second.new_bytes < 20_000, "{} new bytes", second.new_bytes);
    let renamed = ingest(&test.store, &tiny(), [("b/c", data.as_slice()), ("d", edited.as_slice())]);
    assert_eq!(renamed.new_chunks, 0, "a name is no content");
    assert_eq!(read(&test.store, sign(&renamed).manifest(), "b/c"), data);
    assert!(first.chunks.len() > 500);
}

#[test]
fn an_empty_version_and_empty_files_need_no_chunks() {
    let test = TestStore::quick();
    let empty = writer(&test).finish().unwrap();
    assert!(empty.entries.is_empty() && empty.chunks.is_empty());
    assert!(!test.root().join("ab").exists());
    let content = ingest(&test.store, &tiny(), [("empty", b"".as_slice())]);
    assert!(content.chunks.is_empty());
    let EntryKind::File { content: hash, size: 0, .. } = content.entries[0].kind else { panic!() };
    assert!(hash.to_hex().starts_with("e3b0c44298fc1c14"));
    let options = IngestOptions { pack_below: 0, ..tiny() };
    let large = ingest(&test.store, &options, [("empty", b"".as_slice()), ("one", b"1".as_slice())]);
    assert_eq!(large.entries[0].kind, content.entries[0].kind, "the same without shared chunks");
    assert_eq!(large.chunks.len(), 1);
}

#[test]
fn entries_are_sorted_however_they_came() {
    let test = TestStore::quick();
    let data: Vec<_> = (0..5).map(|n| noise(3_000 + n, n as u64)).collect();
    let mut writer = writer(&test);
    for (n, path) in ["z", "a/b", "a.b", "m", "B"].iter().enumerate() {
        writer.file(path, 0o600, &mut data[n].as_slice()).unwrap();
    }
    writer.directory("a", 0o755).unwrap();
    let content = writer.finish().unwrap();
    let paths: Vec<_> = content.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["B", "a", "a.b", "a/b", "m", "z"]);
    assert_eq!(content.entries[0].segments()[0].chunk, 0, "chunks are numbered in the order of their use");
    assert_eq!(read(&test.store, sign(&content).manifest(), "a.b"), data[2]);
}

#[test]
fn what_cannot_be_kept_is_refused_and_the_writer_goes_on() {
    let test = TestStore::quick();
    let mut writer = writer(&test);
    for path in ["", "/a", "a/../b", "a\nb", "a//b"] {
        assert!(matches!(writer.begin_file(path, 0o644), Err(ChunkError::Path(_))), "{path:?}");
        assert!(matches!(writer.directory(path, 0o755), Err(ChunkError::Path(_))), "{path:?}");
    }
    for target in ["/etc/passwd", "../../outside", "a/../../b", ""] {
        assert!(matches!(writer.symlink("d/link", target), Err(ChunkError::Path(_))), "{target:?}");
    }
    writer.file("fine", 0o644, &mut b"x".as_slice()).unwrap();
    assert_eq!(writer.finish().unwrap().entries.len(), 1);
}

#[test]
fn a_path_names_one_thing() {
    let test = TestStore::quick();
    let problem = |paths: &[&str]| {
        let mut writer = writer(&test);
        paths.iter().for_each(|path| writer.file(path, 0o644, &mut b"x".as_slice()).unwrap());
        match writer.finish() {
            Err(ChunkError::Path(error)) => error.problem,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(problem(&["a", "b", "a"]), PathProblem::Duplicate);
    assert_eq!(problem(&["a/b", "a"]), PathProblem::NotADirectory { below: "a/b".into() });
    let mut writer = writer(&test);
    writer.symlink("d", "e").unwrap();
    writer.file("d/f", 0o644, &mut b"x".as_slice()).unwrap();
    assert!(matches!(writer.finish(), Err(ChunkError::Path(_))), "nothing lies below a link");
    let differ = ingest(&test.store, &tiny(), [("Data", b"1".as_slice()), ("data", b"2".as_slice())]);
    assert_eq!(differ.entries.len(), 2, "case makes another name");
}

#[test]
fn calls_out_of_order_are_mistakes() {
    let test = TestStore::quick();
    let mut first = writer(&test);
    assert!(matches!(first.write(b"x"), Err(ChunkError::Order { .. })));
    assert!(matches!(first.end_file(), Err(ChunkError::Order { .. })));
    first.begin_file("a", 0o644).unwrap();
    assert!(matches!(first.begin_file("b", 0o644), Err(ChunkError::Order { .. })));
    assert!(matches!(first.directory("d", 0o755), Err(ChunkError::Order { .. })));
    assert!(matches!(first.finish(), Err(ChunkError::Order { .. })), "an open file is no version");
    assert_eq!(std::fs::read_dir(test.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn limits_hold() {
    let test = TestStore::quick();
    let limited = |limits| VersionWriter::new(test.store.clone(), IngestOptions { limits, ..tiny() });
    let mut few = limited(ManifestLimits { entries: 2, ..ManifestLimits::default() });
    few.directory("a", 0o755).unwrap();
    few.directory("b", 0o755).unwrap();
    assert!(matches!(few.directory("c", 0o755), Err(ChunkError::Limit { what: "entries", limit: 2 })));
    let mut pieces = limited(ManifestLimits { segments: 3, ..ManifestLimits::default() });
    let mut large = noise(100_000, 1);
    large.truncate(90_001);
    let error = pieces.file("a", 0o644, &mut large.as_slice()).unwrap_err();
    assert!(matches!(error, ChunkError::Limit { what: "segments", .. }), "{error}");
    assert!(matches!(pieces.directory("d", 0o755), Err(ChunkError::WriterFailed)));
}

#[test]
fn options_that_do_not_fit_are_refused_at_the_first_file() {
    let test = TestStore::quick();
    for options in [
        IngestOptions { chunk_min: 0, ..tiny() },
        IngestOptions { chunk_avg: 8192, ..tiny() },
        IngestOptions { chunk_min: 255, ..tiny() },
        IngestOptions { chunk_max: 1 << 30, ..tiny() },
        IngestOptions { blocks: 1, ..tiny() },
        IngestOptions { pack_min: 4096, ..tiny() },
    ] {
        let mut writer = VersionWriter::new(test.store.clone(), options);
        let error = writer.file("a", 0o644, &mut b"x".as_slice()).unwrap_err();
        assert!(matches!(error, ChunkError::Options { .. }), "{error}");
    }
}

/// Gives some bytes, then fails.
struct Broken(usize);

impl Read for Broken {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        let n = out.len().min(self.0);
        self.0 -= n;
        out[..n].fill(b'x');
        Ok(n)
    }
}

#[test]
fn a_source_that_fails_fails_the_version() {
    let test = TestStore::quick();
    for len in [0, 100, 30_000] {
        let mut writer = writer(&test);
        let error = writer.file("a", 0o644, &mut Broken(len)).unwrap_err();
        assert!(matches!(error, ChunkError::Source { .. }), "{error}");
        assert!(writer.finish().is_err());
    }
}

#[test]
fn a_version_given_up_leaves_nothing_half_and_is_not_written_twice() {
    let test = TestStore::quick();
    let data = noise(20 << 20, 3);
    let options = IngestOptions { chunk_min: 16 << 10, chunk_avg: 64 << 10, chunk_max: 256 << 10, ..tiny() };
    let mut writer = VersionWriter::new(test.store.clone(), options.clone());
    writer.begin_file("a", 0o644).unwrap();
    writer.write(&data[..15 << 20]).unwrap();
    drop(writer);
    assert_eq!(std::fs::read_dir(test.root().join("tmp")).unwrap().count(), 0);
    let content = ingest(&test.store, &options, [("a", data.as_slice())]);
    assert!(content.new_bytes < 12 << 20, "{} bytes were written twice", content.new_bytes);
    assert_eq!(read(&test.store, sign(&content).manifest(), "a"), data);
}

#[test]
fn a_reader_reads_lines_and_seeks() {
    let test = TestStore::quick();
    let text: String = (0..2_000).map(|n| format!("line {n}\n")).collect();
    let content = ingest(&test.store, &tiny(), [("t", text.as_bytes())]);
    assert!(content.chunks.len() > 3);
    let mut reader = FileReader::new(&test.store, &content.chunks, &content.entries[0]).unwrap();
    let lines: Vec<String> = reader.by_ref().lines().collect::<Result<_, _>>().unwrap();
    assert_eq!((lines.len(), lines[1_999].as_str()), (2_000, "line 1999"));
    assert_eq!(reader.seek(SeekFrom::End(-10)).unwrap(), text.len() as u64 - 10);
    let mut end = String::new();
    reader.read_to_string(&mut end).unwrap();
    assert_eq!(end, "line 1999\n");
    assert!(reader.seek(SeekFrom::Current(-1 << 40)).is_err());
    reader.seek(SeekFrom::Start(0)).unwrap();
    let mut whole = Vec::new();
    while let Some(bytes) = reader.next_bytes().unwrap() {
        whole.extend_from_slice(&bytes);
    }
    assert_eq!(whole, text.as_bytes());
    let missing = FileReader::open(&test.store, sign(&content).manifest(), "nope").unwrap_err();
    assert!(missing.to_string().contains("nope"), "{missing}");
    assert!(matches!(ChunkError::from(ManifestError::Signature), ChunkError::Manifest(_)));
}
