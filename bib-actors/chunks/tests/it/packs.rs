//! Many small files are few chunks, and an edit of one costs little.

use crate::common::{TestStore, ingest, noise, read, sign};
use bib_chunks::{IngestOptions, VersionWriter, verify_version};

fn files(count: u64) -> Vec<(String, Vec<u8>)> {
    (0..count).map(|n| (format!("data/{:03}/{n:06}.bin", n / 100), noise(4096, n))).collect()
}

fn borrowed(files: &[(String, Vec<u8>)]) -> impl Iterator<Item = (&str, &[u8])> {
    files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
}

#[test]
fn ten_thousand_small_files_are_few_chunks_and_an_edit_is_cheap() {
    let test = TestStore::new();
    let options = IngestOptions::default();
    let mut all = files(10_000);
    let first = ingest(&test.store, &options, borrowed(&all));
    assert!((40..200).contains(&first.chunks.len()), "{} chunks", first.chunks.len());
    assert_eq!(first.entries.len(), 10_000);
    let same = ingest(&test.store, &options, borrowed(&all));
    assert_eq!((same.new_chunks, &same.chunks), (0, &first.chunks));

    for (edited, at) in [(1, 17_u64), (2, 5_000), (3, 9_999)] {
        all[at as usize].1 = noise(4000, 1_000_000 + at);
        let next = ingest(&test.store, &options, borrowed(&all));
        assert!(next.new_chunks <= 3 && next.new_bytes <= 5 << 20, "edit {edited}: {} bytes", next.new_bytes);
    }
    let version = sign(&first);
    assert!(verify_version(&test.store, &version, |_| {}).is_sound());
    assert_eq!(read(&test.store, version.manifest(), "data/050/005000.bin"), noise(4096, 5_000));
}

#[test]
fn a_file_can_be_kept_from_an_earlier_version_without_reading_it() {
    let test = TestStore::new();
    let options = IngestOptions::default();
    let all = files(300);
    let first = sign(&ingest(&test.store, &options, borrowed(&all)));
    let mut writer = VersionWriter::new(test.store.clone(), options);
    for (path, _) in &all[..299] {
        writer.keep_file(first.manifest(), path, 0o640).unwrap();
    }
    writer.file("new", 0o600, &mut b"added".as_slice()).unwrap();
    assert!(writer.keep_file(first.manifest(), "nowhere", 0o644).is_err(), "and the writer goes on");
    let content = writer.finish().unwrap();
    assert_eq!((content.new_chunks, content.new_bytes), (1, 5));
    let second = sign(&content);
    for (path, bytes) in &all[..299] {
        assert_eq!(&read(&test.store, second.manifest(), path), bytes);
        assert_eq!(first.manifest().entry(path).unwrap().size(), second.manifest().entry(path).unwrap().size());
    }
    assert!(verify_version(&test.store, &second, |_| {}).is_sound());

    let TestStore { store, dir: _dir } = TestStore::new();
    let mut writer = VersionWriter::new(store, IngestOptions::default());
    let error = writer.keep_file(first.manifest(), &all[0].0, 0o644).unwrap_err();
    assert!(matches!(error, bib_chunks::ChunkError::Missing { .. }), "{error}");
    writer.file(&all[0].0, 0o644, &mut all[0].1.as_slice()).unwrap();
    assert_eq!(writer.finish().unwrap().entries.len(), 1, "its bytes can be given instead");
}

/// Looking for chunks that are not here must not make anybody believe that they are.
#[test]
fn what_was_missing_is_kept_when_it_comes_as_bytes() {
    let big = noise(5 << 20, 5);
    let there = TestStore::new();
    let first = sign(&ingest(&there.store, &IngestOptions::default(), [("big", big.as_slice())]));
    let here = TestStore::new();
    let mut writer = VersionWriter::new(here.store.clone(), IngestOptions::default());
    writer.keep_file(first.manifest(), "big", 0o644).unwrap_err();
    writer.file("big", 0o644, &mut big.as_slice()).unwrap();
    let content = writer.finish().unwrap();
    assert_eq!(content.new_bytes, 5 << 20);
    let second = sign(&content);
    assert!(verify_version(&here.store, &second, |_| {}).is_sound());
    assert_eq!(read(&here.store, second.manifest(), "big"), big);
}
