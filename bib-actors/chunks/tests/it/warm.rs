//! What the store brings into the system's page cache leaves it again, and what others brought there stays.

use crate::common::{chunk_files, noise, put, until};
use bib_chunks::{Buffers, ChunkStore, StoreOptions};
use bib_domain::ChunkHash;
use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const CHUNK: usize = 64 << 10;

/// The file of a chunk.
fn file(root: &Path, hash: &ChunkHash) -> File {
    File::open(path(root, hash)).unwrap()
}

/// Whether anything of a file is in the page cache. `fincore` looks without bringing it there.
fn is_warm(path: &Path) -> bool {
    let pages = Command::new("fincore").args(["--noheadings", "--output", "PAGES"]).arg(path).output().unwrap();
    assert!(pages.status.success(), "{pages:?}");
    String::from_utf8_lossy(&pages.stdout).trim() != "0"
}

fn warm(root: &Path, hashes: &[ChunkHash]) -> Vec<bool> {
    hashes.iter().map(|hash| is_warm(&path(root, hash))).collect()
}

/// The path of a chunk's file.
fn path(root: &Path, hash: &ChunkHash) -> PathBuf {
    chunk_files(root).into_iter().find(|(name, _)| *name == hash.to_hex()).expect("the chunk's file").1
}

/// Takes a chunk out of the page cache. The system leaves pages there that somebody holds for a moment, such as those that
/// were written just now, so it is told until it has done it.
fn forget(root: &Path, hash: &ChunkHash) {
    let path = path(root, hash);
    until("the chunk leaves the page cache", || {
        fadvise(File::open(&path).unwrap(), 0, None, Advice::DontNeed).unwrap();
        !is_warm(&path)
    });
}

/// A store on a disk, in whose cache two chunks stay.
fn store() -> (TempDir, ChunkStore) {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let options = StoreOptions { page_cache_bytes: 2 * CHUNK as u64, ..StoreOptions::default() };
    let store = ChunkStore::open(&dir.path().join("blobs"), options).unwrap();
    (dir, store)
}

#[test]
fn what_goes_past_it_pushes_nothing_out() {
    let (dir, store) = store();
    let root = dir.path().join("blobs");
    let stay: Vec<_> = (0..2).map(|n| put(&store, &noise(CHUNK, n))).collect();
    let buffers = Buffers::new(1);
    let mut batch = store.batch().past_page_cache();
    let pass: Vec<_> = (2..6)
        .map(|n| {
            let mut buffer = buffers.take(CHUNK + 1);
            buffer.as_mut_slice().copy_from_slice(&noise(CHUNK + 1, n));
            batch.put_bytes(buffer.as_slice()).unwrap().hash
        })
        .collect();
    batch.commit().unwrap();
    assert_eq!((warm(&root, &stay), warm(&root, &pass)), (vec![true; 2], vec![false; 4]));
    for (hash, n) in pass.iter().zip(2..) {
        assert_eq!(store.read(hash).unwrap()[..], noise(CHUNK + 1, n)[..]);
    }
}

#[test]
fn what_was_written_first_leaves_first() {
    let (dir, store) = store();
    let root = dir.path().join("blobs");
    let hashes: Vec<_> = (0..4).map(|n| put(&store, &noise(CHUNK, n))).collect();
    assert_eq!(warm(&root, &hashes), [false, false, true, true]);
    // all of them are there all the same
    for (hash, n) in hashes.iter().zip(0..) {
        assert_eq!(store.read(hash).unwrap(), noise(CHUNK, n));
    }
}

#[test]
fn what_was_cold_leaves_after_it_was_read_and_what_was_warm_stays() {
    let (dir, store) = store();
    let root = dir.path().join("blobs");
    let hashes: Vec<_> = (0..5).map(|n| put(&store, &noise(CHUNK, n))).collect();
    let seen = || {
        hashes.iter().for_each(|hash| forget(&root, hash));
        // somebody else reads it, a query for instance
        let other = std::io::copy(&mut file(&root, &hashes[0]), &mut std::io::sink()).unwrap();
        assert_eq!(other, CHUNK as u64);
        for hash in &hashes {
            store.read(hash).unwrap();
        }
        warm(&root, &hashes)
    };
    // the store asks by a read that does not wait: where the disk answers during the asking, a cold chunk looks warm
    assert!((0..3).any(|_| seen() == [true, false, false, true, true]));
}

#[test]
fn what_a_query_reads_stays() {
    let (dir, store) = store();
    let root = dir.path().join("blobs");
    let mut hashes: Vec<_> = (0..4).map(|n| put(&store, &noise(CHUNK, n))).collect();
    store.read_range(&hashes[0], 0, CHUNK as u64).unwrap();
    hashes.extend((4..6).map(|n| put(&store, &noise(CHUNK, n))));
    assert_eq!(warm(&root, &hashes), [true, false, false, false, true, true]);
}
