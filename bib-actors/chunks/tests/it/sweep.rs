//! Chunks that nobody needs go, and no others: also while versions that share them are written and published.

use crate::common::{self, TestStore, noise, tiny};
use bib_chunks::{ChunkRef, ChunkStore, Content, VersionWriter};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// After every file that a test writes.
const FUTURE: i64 = i64::MAX;

fn put(store: &ChunkStore, seed: u64) -> Content {
    let mut writer = VersionWriter::new(store.clone(), tiny());
    writer.file("a", 0o644, &mut noise(5000, seed).as_slice()).unwrap();
    writer.file("b", 0o644, &mut noise(90, seed + 100).as_slice()).unwrap();
    writer.finish().unwrap()
}

/// Sweeps the whole store; `named` is read after each collection.
fn sweep(store: &ChunkStore, before_ms: i64, most: usize, named: impl Fn() -> Vec<ChunkRef>) -> u64 {
    let mut sweep = store.sweep(before_ms, most).unwrap();
    let mut removed = 0;
    while sweep.collect().unwrap() > 0 {
        sweep.keep(&named());
        removed += sweep.remove().unwrap().chunks;
    }
    removed
}

fn all_here(store: &ChunkStore, chunks: &[ChunkRef]) -> bool {
    chunks.iter().all(|chunk| store.read(&chunk.hash).is_ok())
}

#[test]
fn orphans_go_and_what_is_named_held_or_young_stays() {
    let test = TestStore::quick();
    let (named, held, orphan) = (put(&test.store, 1), put(&test.store, 2), put(&test.store, 3));
    let chunks = [&named, &held, &orphan].map(|content| content.chunks.clone());
    drop((named, orphan));
    let young = 1_000_000_000_000;
    assert_eq!(sweep(&test.store, young, 1000, Vec::new), 0, "everything is younger than 2001");
    for most in [1, 1000] {
        let removed = sweep(&test.store, FUTURE, most, || chunks[0].clone());
        assert_eq!(removed, if most == 1 { chunks[2].len() as u64 } else { 0 });
    }
    assert!(all_here(&test.store, &chunks[0]) && all_here(&test.store, &chunks[1]));
    assert!(chunks[2].iter().all(|chunk| !test.store.contains(&chunk.hash)));
    drop(held);
    assert_eq!(sweep(&test.store, FUTURE, 1000, || chunks[0].clone()), chunks[1].len() as u64);
    assert!(all_here(&test.store, &chunks[0]));
}

#[test]
fn a_dropped_sweep_removes_nothing_and_lets_the_next_begin() {
    let test = TestStore::quick();
    let chunks = put(&test.store, 1).chunks;
    let mut first = test.store.sweep(FUTURE, 1000).unwrap();
    assert_eq!(first.collect().unwrap(), chunks.len());
    assert!(test.store.sweep(FUTURE, 1000).is_none(), "one at a time");
    drop(first);
    assert!(all_here(&test.store, &chunks));
    assert_eq!(sweep(&test.store, FUTURE, 1000, Vec::new), chunks.len() as u64);
}

#[test]
fn a_sweep_that_nobody_waits_for_ends_soon_and_removes_no_more() {
    const CHUNKS: u64 = 600;
    let test = TestStore::quick();
    for n in 0..CHUNKS {
        common::put(&test.store, &noise(40, n));
    }
    let mut sweep = test.store.sweep(FUTURE, 1).unwrap();
    let owner = sweep.owner();
    assert!(sweep.collect().unwrap() > 0);
    sweep.remove().unwrap();
    drop(owner);
    assert_eq!((sweep.collect().unwrap(), sweep.left()), (0, 0), "it does not look into one folder more");
    drop(sweep);

    let here = test.chunk_files().len();
    let mut sweep = test.store.sweep(FUTURE, usize::MAX).unwrap();
    let owner = sweep.owner();
    assert_eq!(sweep.collect().unwrap(), here);
    drop(owner);
    assert_eq!(sweep.remove().unwrap().chunks, 0);
    assert_eq!(test.chunk_files().len(), here);
}

#[test]
fn a_hold_that_comes_and_goes_between_reading_and_removing_saves_its_chunks() {
    let test = TestStore::quick();
    let chunks = put(&test.store, 1).chunks;
    let mut sweep = test.store.sweep(FUTURE, 1000).unwrap();
    sweep.collect().unwrap();
    sweep.keep(&[]);
    // the versions are read: an upload finds all chunks here, is published, and lets go
    let again = put(&test.store, 1);
    assert_eq!(again.new_chunks, 0);
    drop(again);
    assert_eq!(sweep.remove().unwrap().chunks, 0);
    assert!(all_here(&test.store, &chunks));
}

/// Few contents, so that uploads, orphans and sweeps meet all the time.
#[test]
fn uploads_that_share_chunks_with_orphans_are_never_swept() {
    const UPLOADS: u64 = 150;
    const CONTENTS: u64 = 3;
    let test = TestStore::quick();
    let store = &test.store;
    let published: Mutex<Vec<(u64, Vec<ChunkRef>)>> = Mutex::default();
    let (done, removed, reused) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let sweeper = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let named = || published.lock().unwrap().iter().flat_map(|(_, chunks)| chunks.clone()).collect();
                removed.fetch_add(sweep(store, FUTURE, 7, named), Ordering::SeqCst);
            }
        });
        let uploaders: Vec<_> = (0..3_u64)
            .map(|uploader| {
                let (published, reused) = (&published, &reused);
                scope.spawn(move || {
                    for n in 0..UPLOADS {
                        let content = put(store, (n + uploader) % CONTENTS);
                        reused.fetch_add(u64::from(content.new_chunks == 0), Ordering::SeqCst);
                        if n % 3 != uploader {
                            continue; // given up: its chunks are orphans unless another publishes them
                        }
                        let id = n * 10 + uploader;
                        published.lock().unwrap().push((id, content.chunks.clone()));
                        let chunks = content.chunks.clone();
                        drop(content);
                        assert!(all_here(store, &chunks), "a published version lost a chunk");
                        // the catalogue forgets it, so that its chunks can become orphans again
                        published.lock().unwrap().retain(|(other, _)| *other != id);
                    }
                })
            })
            .collect();
        let ended: Vec<_> = uploaders.into_iter().map(|uploader| uploader.join()).collect();
        done.store(true, Ordering::SeqCst);
        sweeper.join().unwrap();
        ended.into_iter().for_each(|ended| ended.unwrap());
    });
    let (removed, reused) = (removed.into_inner(), reused.into_inner());
    assert!(removed > 0 && reused > 0, "nothing met: {removed} removed, {reused} uploads found everything here");
    sweep(store, FUTURE, 1000, Vec::new);
    assert_eq!(test.chunk_files().len(), 0);
}
