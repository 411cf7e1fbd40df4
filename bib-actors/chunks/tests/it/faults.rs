//! Every file operation fails once, and the process dies at every one: what was acknowledged is always there, and
//! what has a name is always what the name says.

use crate::common::{chunk_files, noise, quick_dir, tiny, until};
use crate::disk::{Disk, Failing};
use bib_chunks::{Batch, Buffers, ChunkError, ChunkStore, Content, IngestOptions, StoreOptions, VersionWriter};
use bib_domain::ChunkHash;
use std::path::Path;
use std::sync::Arc;

/// Batches of three chunks, so that a version takes several.
fn options() -> StoreOptions {
    StoreOptions {
        max_chunk_bytes: 8192,
        batch_chunks: 3,
        batch_bytes: 8192,
        sync_threads: 2,
        ..StoreOptions::default()
    }
}

/// A file of several chunks, and small ones that share some.
fn put(store: &ChunkStore) -> Result<Content, ChunkError> {
    let mut writer = VersionWriter::new(store.clone(), tiny());
    writer.file("large", 0o644, &mut noise(9000, 1).as_slice())?;
    for n in 0_u64..12 {
        writer.file(&format!("small/{n:02}"), 0o644, &mut noise(100, 50 + n).as_slice())?;
    }
    writer.finish()
}

/// Opens the store on the real disk: all that `content` needs is there, and no file lies about its name.
fn check(root: &Path, content: Option<&Content>, when: &str) {
    if !root.exists() {
        assert!(content.is_none(), "{when}: the store is gone");
        return;
    }
    let store = ChunkStore::open(root, options()).unwrap();
    for (name, _) in chunk_files(root) {
        let hash: ChunkHash = name.parse().unwrap();
        store.read(&hash).unwrap_or_else(|error| panic!("{when}: {error}"));
    }
    for chunk in content.iter().flat_map(|content| &content.chunks) {
        assert!(store.contains(&chunk.hash), "{when}: acknowledged chunk {} is missing", chunk.hash);
    }
    assert_eq!(std::fs::read_dir(root.join("tmp")).unwrap().count(), 0, "{when}: leftovers");
}

/// Runs `scenario` with a failure at the first operation, the second, and so on until none is left to fail.
fn sweep(failing: fn(u64) -> Failing, scenario: impl Fn(&Arc<Disk>, &Path, &str)) {
    for n in 1..10_000 {
        let dir = quick_dir();
        let root = dir.path().join("blobs");
        let disk = Disk::new(failing(n));
        scenario(&disk, &root, &format!("{:?}", failing(n)));
        if !disk.has_failed() {
            assert!(n > 40, "the sweep ended after {n} operations");
            return;
        }
    }
    panic!("the sweep found no end");
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    for seed in [0, 11, 0xdead_beef_0000_0001] {
        sweep(Failing::From, |disk, root, when| {
            let acknowledged = ChunkStore::open_with(root, options(), disk.clone()).and_then(|store| put(&store)).ok();
            disk.cut_power(seed);
            check(root, acknowledged.as_ref(), when);
        });
    }
}

#[test]
fn an_error_at_any_operation_is_never_an_acknowledgement() {
    sweep(Failing::Once, |disk, root, when| {
        let store = ChunkStore::open_with(root, options(), disk.clone());
        let first = store.as_ref().ok().and_then(|store| put(store).ok());
        disk.cut_power(0);
        drop(store);
        check(root, first.as_ref(), when);
    });
}

#[test]
fn the_same_version_goes_in_after_any_error() {
    sweep(Failing::Once, |disk, root, when| {
        let Ok(store) = ChunkStore::open_with(root, options(), disk.clone()) else { return };
        let first = put(&store);
        disk.set(Failing::Never);
        let again = put(&store).unwrap_or_else(|error| panic!("{when}: the second attempt failed: {error}"));
        if let Ok(first) = first {
            assert_eq!(first.chunks, again.chunks);
            assert_eq!(again.new_chunks, 0, "{when}: known chunks were written again");
        }
        disk.cut_power(0);
        drop(store);
        check(root, Some(&again), when);
    });
}

#[test]
fn what_a_killed_process_left_is_made_durable_before_it_is_believed() {
    for seed in [0, 5] {
        sweep(Failing::From, |disk, root, when| {
            let _ = ChunkStore::open_with(root, options(), disk.clone()).and_then(|store| put(&store));
            // The process is gone, the system runs on: the next process sees names that may not be on the disk.
            disk.set(Failing::Never);
            let acknowledged = ChunkStore::open_with(root, options(), disk.clone()).and_then(|store| put(&store));
            disk.cut_power(seed);
            check(root, Some(&acknowledged.unwrap()), when);
        });
    }
}

/// A version that is given up between the names of one batch and those of the next.
#[test]
fn names_that_nobody_acknowledged_leave_a_mark_for_the_next_start() {
    let dir = quick_dir();
    let root = dir.path().join("blobs");
    let disk = Disk::new(Failing::Never);
    let store = ChunkStore::open_with(&root, options(), disk.clone()).unwrap();
    // every small file is a chunk
    let mut writer = VersionWriter::new(store.clone(), IngestOptions { pack_min: 1, pack_max: 1, ..tiny() });
    for n in 0..3 {
        writer.file(&format!("{n}"), 0o644, &mut noise(100, n).as_slice()).unwrap();
    }
    until("the first batch has its names", || disk.named() == 3);
    disk.set(Failing::From(1));
    writer.file("3", 0o644, &mut noise(100, 3).as_slice()).unwrap();
    until("the next chunk failed", || disk.has_failed());
    drop((writer, store));

    disk.set(Failing::Never);
    let store = ChunkStore::open_with(&root, options(), disk.clone()).unwrap();
    let mut again = store.batch();
    let hashes = [0, 1, 2].map(|n| again.put_bytes(&noise(100, n)).unwrap().hash);
    again.commit().unwrap();
    disk.cut_power(0);
    for hash in hashes {
        assert!(store.contains(&hash), "acknowledged chunk {hash} is missing");
    }
}

#[test]
fn a_batch_is_all_or_an_error() {
    batches_are_all_or_an_error(ChunkStore::batch);
}

#[test]
fn so_is_one_that_goes_past_the_page_cache() {
    batches_are_all_or_an_error(|store| store.batch().past_page_cache());
}

fn batches_are_all_or_an_error(begin: impl Fn(&ChunkStore) -> Batch) {
    let buffers = Buffers::new(1);
    sweep(Failing::Once, |disk, root, when| {
        let options = StoreOptions { batch_bytes: 16_384, ..options() };
        let Ok(store) = ChunkStore::open_with(root, options.clone(), disk.clone()) else { return };
        let mut hashes = Vec::new();
        let mut fill = || -> Result<(), ChunkError> {
            for round in 0..4 {
                let mut batch = begin(&store);
                let mut round_hashes = Vec::new();
                for n in 0..3 {
                    let mut buffer = buffers.take(5000);
                    buffer.as_mut_slice().copy_from_slice(&noise(5000, 10 * round + n));
                    round_hashes.push(batch.put_bytes(buffer.as_slice())?.hash);
                }
                assert!(round_hashes.iter().all(|hash| !store.contains(hash)), "visible before the commit");
                batch.commit()?;
                hashes.extend(round_hashes);
            }
            Ok(())
        };
        let filled = fill();
        assert!(filled.is_ok() || disk.has_failed(), "{filled:?}");
        disk.cut_power(0);
        drop(store);
        let store = ChunkStore::open(root, options).unwrap();
        assert!(hashes.iter().all(|hash| store.read(hash).is_ok()), "{when}: {:?}", disk.log());
    });
}

#[test]
fn what_is_mended_is_as_durable_as_what_is_new() {
    for (failing, seed) in [(Failing::Once as fn(u64) -> Failing, 0), (Failing::From, 0), (Failing::From, 11)] {
        sweep(failing, |disk, root, when| {
            let failing = disk.failing();
            disk.set(Failing::Never);
            let store = ChunkStore::open_with(root, options(), disk.clone()).unwrap();
            put(&store).unwrap();
            for (_, path) in chunk_files(root) {
                let mut bytes = std::fs::read(&path).unwrap();
                bytes[0] ^= 1;
                std::fs::write(&path, bytes).unwrap();
            }
            disk.set(failing);
            let acknowledged = put(&store).ok();
            disk.cut_power(seed);
            drop(store);
            let store = ChunkStore::open(root, options()).unwrap();
            for chunk in acknowledged.iter().flat_map(|content| &content.chunks) {
                store.read(&chunk.hash).unwrap_or_else(|error| panic!("{when}: {error}"));
            }
        });
    }
}

#[test]
fn names_come_after_bytes_and_folders_after_names() {
    let dir = quick_dir();
    let root = dir.path().join("blobs");
    let disk = Disk::new(Failing::Never);
    let store = ChunkStore::open_with(&root, options(), disk.clone()).unwrap();
    let mut batch = store.batch();
    let hash = batch.put_bytes(b"one chunk").unwrap().hash;
    let before = disk.log().len();
    batch.commit().unwrap();
    let steps: Vec<String> =
        disk.log()[before..].iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
    let expected = ["sync", "rename", "create_dir", "create_dir", "rename", "sync_dir", "sync_dir", "sync_dir"];
    assert_eq!(steps, expected, "the first rename finds no folder");
    assert!(store.contains(&hash));
}
