//! Putting, reading, counting, and who may open a store.

use crate::common::{TestStore, noise, put, until};
use bib_chunks::{ChunkError, ChunkStore, StoreOptions};
use bib_domain::ChunkHash;
use tempfile::TempDir;

#[test]
fn what_was_put_comes_back() {
    let test = TestStore::new();
    let bytes = noise(10_000, 1);
    let hash = put(&test.store, &bytes);
    assert_eq!(test.store.read(&hash).unwrap(), bytes);
    assert_eq!(test.store.read_range(&hash, 100, 50).unwrap(), bytes[100..150]);
    assert_eq!(test.store.read_range(&hash, 9_990, 10).unwrap(), bytes[9_990..]);
    assert_eq!(test.store.read_range(&hash, 10_000, 0).unwrap().len(), 0);
    assert_eq!(test.store.size(&hash).unwrap(), Some(10_000));
    let (name, path) = test.chunk_files().pop().unwrap();
    assert_eq!(name, hash.to_hex());
    assert!(path.ends_with(format!("{}/{}/{name}", &name[..2], &name[2..4])));
}

#[test]
fn a_range_outside_the_chunk_is_refused() {
    let test = TestStore::new();
    let hash = put(&test.store, b"0123456789");
    for (offset, len) in [(0, 11), (11, 0), (10, 1), (u64::MAX, 1), (1, u64::MAX)] {
        for _ in 0..2 {
            let error = test.store.read_range(&hash, offset, len).unwrap_err();
            assert!(matches!(error, ChunkError::Range { size: 10, .. }), "{error}");
        }
    }
}

#[test]
fn a_batch_shows_nothing_before_its_commit_and_leaves_nothing_when_dropped() {
    let test = TestStore::new();
    let mut batch = test.store.batch();
    let first = batch.put_bytes(b"first").unwrap();
    assert!(first.new && batch.len() == 1);
    assert!(!batch.put_bytes(b"first").unwrap().new, "the batch has it already");
    assert!(matches!(test.store.read(&first.hash), Err(ChunkError::Missing { .. })));
    drop(batch);
    assert!(!test.store.contains(&first.hash));
    assert_eq!(std::fs::read_dir(test.root().join("tmp")).unwrap().count(), 0);
    let report = test.store.batch().commit().unwrap();
    assert_eq!((report.new_chunks, report.new_bytes), (0, 0));
}

#[test]
fn bytes_under_a_wrong_name_are_not_kept() {
    let test = TestStore::new();
    let right = put(&test.store, b"right");
    let mut batch = test.store.batch();
    let error = batch.put(right, b"wrong").unwrap_err();
    assert!(matches!(error, ChunkError::WrongHash { expected, .. } if expected == right), "{error}");
    assert!(batch.is_empty());
    assert!(!batch.put(right, b"right").unwrap().new);
    assert!(matches!(batch.put_bytes(b""), Err(ChunkError::ChunkSize { len: 0, .. })));
}

#[test]
fn a_batch_is_bounded() {
    let dir = TempDir::new().unwrap();
    let options = StoreOptions { batch_chunks: 2, batch_bytes: 100, max_chunk_bytes: 60, ..StoreOptions::default() };
    let store = ChunkStore::open(&dir.path().join("blobs"), options).unwrap();
    let mut batch = store.batch();
    batch.put_bytes(&[1; 60]).unwrap();
    assert!(matches!(batch.put_bytes(&[2; 60]), Err(ChunkError::BatchFull { chunks: 1, bytes: 60 })));
    batch.put_bytes(&[3; 40]).unwrap();
    assert!(!batch.has_room(1));
    assert!(matches!(batch.put_bytes(&[4; 61]), Err(ChunkError::ChunkSize { len: 61, max: 60 })));
    assert_eq!(batch.commit().unwrap().new_chunks, 2);
}

#[test]
fn only_one_process_opens_a_store_and_leftovers_are_cleared() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("blobs");
    let store = ChunkStore::open(&root, StoreOptions::default()).unwrap();
    let error = ChunkStore::open(&root, StoreOptions::default()).unwrap_err();
    assert!(matches!(error, ChunkError::InUse { .. }), "{error}");
    let hash = put(&store, b"kept");
    drop(store);
    std::fs::create_dir_all(root.join("tmp/123-0")).unwrap();
    std::fs::write(root.join("tmp/123-0/7"), b"half a chu").unwrap();
    std::fs::write(root.join("tmp/stray"), b"").unwrap();
    let store = ChunkStore::open(&root, StoreOptions::default()).unwrap();
    assert_eq!(std::fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    assert_eq!(store.read(&hash).unwrap(), b"kept".as_slice());
}

#[test]
fn options_that_contradict_are_refused() {
    let dir = TempDir::new().unwrap();
    let options = StoreOptions { batch_bytes: 10, ..StoreOptions::default() };
    let error = ChunkStore::open(&dir.path().join("blobs"), options).unwrap_err();
    assert!(error.to_string().contains("at least one chunk"), "{error}");
}

/// Waits for the background count.
fn counted(store: &ChunkStore) -> (u64, u64) {
    until("the count ends", || store.stats().counted);
    let stats = store.stats();
    (stats.chunks, stats.bytes)
}

#[test]
fn the_count_is_exact_whenever_chunks_come_and_go() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("blobs");
    let store = ChunkStore::open(&root, StoreOptions::default()).unwrap();
    let hashes: Vec<_> = (0..100).map(|n| put(&store, &noise(100, n))).collect();
    assert_eq!(counted(&store), (100, 10_000));
    drop(store);
    let store = ChunkStore::open(&root, StoreOptions::default()).unwrap();
    let more: Vec<_> = (100..150).map(|n| put(&store, &noise(100, n))).collect();
    put(&store, &noise(100, 3));
    assert_eq!(counted(&store), (150, 15_000), "while the count runs");
    std::fs::write(test_path(&root, &hashes[0]), b"damaged").unwrap();
    assert!(store.read(&hashes[0]).is_err());
    assert!(more.iter().all(|hash| store.contains(hash)));
    assert_eq!(counted(&store).0, 149, "a chunk in quarantine does not count");
}

fn test_path(root: &std::path::Path, hash: &ChunkHash) -> std::path::PathBuf {
    let name = hash.to_hex();
    root.join(&name[..2]).join(&name[2..4]).join(name)
}
