//! A store that keeps chunks in memory alone: it reads as any other, writes nothing, and lets go of what has no room.

use crate::common::{noise, tiny};
use bib_chunks::{ChunkError, ChunkStore, StoreOptions, VersionWriter};
use tempfile::TempDir;

const CHUNK: usize = 1 << 20;

fn store(dir: &TempDir, chunks: u64) -> ChunkStore {
    let memory_bytes = Some(chunks * (CHUNK as u64 + 256));
    let options = StoreOptions { memory_bytes, max_chunk_bytes: 1 << 20, ..StoreOptions::default() };
    ChunkStore::open(&dir.path().join("blobs"), options).unwrap()
}

fn files(dir: &TempDir) -> usize {
    let mut folders = vec![dir.path().join("blobs")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder).unwrap().flatten() {
            match item.file_type().unwrap().is_dir() {
                true => folders.push(item.path()),
                false => files += usize::from(item.file_name() != "lock"),
            }
        }
    }
    files
}

#[test]
fn chunks_in_memory_read_as_those_on_the_disk_and_write_nothing() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, 4);
    let bytes = noise(CHUNK, 1);
    let mut batch = store.batch();
    let put = batch.put_bytes(&bytes).unwrap();
    let wrong = batch.put(put.hash, b"other bytes").unwrap_err();
    assert!(matches!(wrong, ChunkError::WrongHash { .. }), "{wrong}");
    let report = batch.commit().unwrap();
    assert_eq!((put.new, report.new_chunks, report.new_bytes), (true, 1, CHUNK as u64));

    assert_eq!(store.read(&put.hash).unwrap(), bytes);
    assert_eq!(store.read_range(&put.hash, 7, 9).unwrap(), bytes[7..16]);
    let error = store.read_range(&put.hash, CHUNK as u64, 1).unwrap_err();
    assert!(matches!(error, ChunkError::Range { .. }), "{error}");
    assert!(store.contains(&put.hash) && store.is_good(&put.hash));
    assert_eq!((store.stats().chunks, store.stats().bytes), (1, CHUNK as u64));
    assert!(!store.batch().put_bytes(&bytes).unwrap().new);
    assert_eq!(files(&dir), 0);
}

#[test]
fn what_has_no_room_is_gone_and_no_damage() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, 2);
    let mut batch = store.batch();
    let hashes = [1, 2, 3].map(|seed| batch.put_bytes(&noise(CHUNK, seed)).unwrap().hash);
    batch.commit().unwrap();
    assert!(matches!(store.read(&hashes[0]), Err(ChunkError::Missing { .. })));
    assert!(store.contains(&hashes[1]) && store.contains(&hashes[2]));
    store.report_hurt(hashes[0], "it is not here".to_owned());
    assert!(store.take_hurt(10).is_empty(), "nothing is fetched again on its own");
}

#[test]
fn nothing_originates_in_memory() {
    let dir = TempDir::new().unwrap();
    let mut writer = VersionWriter::new(store(&dir, 4), tiny());
    let written = writer.file("a", 0o644, &mut b"abc".as_slice()).and_then(|_| writer.finish().map(drop));
    assert!(matches!(written, Err(ChunkError::Options { .. })));
    assert_eq!(files(&dir), 0);
}

#[test]
fn a_memory_that_holds_no_two_chunks_is_refused() {
    let dir = TempDir::new().unwrap();
    let options = StoreOptions { memory_bytes: Some(1), ..StoreOptions::default() };
    let error = ChunkStore::open(&dir.path().join("blobs"), options).unwrap_err();
    assert!(error.to_string().contains("two chunks"), "{error}");
}
