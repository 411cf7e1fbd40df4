//! Bytes that are put in again mend what decayed on the disk, whatever the file's size and times say.

use crate::common::{TestStore, ingest, noise, sign, tiny};
use bib_chunks::{BatchReport, ChunkError, ChunkStore, Content, verify_version};
use bib_domain::ChunkHash;
use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Barrier;

/// Other bytes in the same file, of the same size and with the same time of modification.
fn rot(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let before = file.metadata().unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at % before.len()).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at % before.len()).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
}

fn files() -> Vec<(String, Vec<u8>)> {
    let small = (0..60_u64).map(|n| (format!("s/{n:03}"), noise(120, 7 + n)));
    std::iter::once(("big".to_owned(), noise(60_000, 3))).chain(small).collect()
}

fn put(store: &ChunkStore) -> Content {
    let files = files();
    ingest(store, &tiny(), files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())))
}

/// Hurts seven chunks in seven ways; tells which.
fn hurt(test: &TestStore) -> HashSet<ChunkHash> {
    let chunks = test.chunk_files();
    let path = |n: usize| chunks[n * 3].1.as_path();
    rot(path(0), 0);
    rot(path(1), u64::MAX);
    let other = fs::read(path(3)).unwrap();
    fs::write(path(2), &other[..other.len() - 1]).unwrap();
    fs::write(path(3), [other.as_slice(), b"more"].concat()).unwrap();
    fs::write(path(4), b"").unwrap();
    let length = fs::metadata(path(5)).unwrap().len();
    fs::write(path(5), vec![0; length as usize]).unwrap();
    fs::remove_file(path(6)).unwrap();
    (0..7).map(|n| chunks[n * 3].0.parse().unwrap()).collect()
}

fn noted(store: &ChunkStore) -> HashSet<ChunkHash> {
    store.take_hurt(100).into_iter().map(|(hash, _)| hash).collect()
}

fn in_quarantine(test: &TestStore) -> usize {
    fs::read_dir(test.root().join("quarantine")).unwrap().count()
}

#[test]
fn the_same_upload_mends_all_that_is_hurt() {
    let test = TestStore::quick();
    let first = put(&test.store);
    let version = sign(&first);
    // what was found good before, in this very life, is not believed either
    assert!(verify_version(&test.store, &version, |_| {}).is_sound());
    let hurt = hurt(&test);
    let again = put(&test.store);
    assert_eq!((again.new_chunks, &again.chunks), (hurt.len() as u64, &first.chunks));
    assert!(verify_version(&test.store, &version, |_| {}).is_sound());
    assert_eq!(in_quarantine(&test), 6, "all but the one that was gone");
    let found = noted(&test.store);
    assert!(found.is_subset(&hurt) && found.len() == 6, "{found:?}");
    assert_eq!(put(&test.store).new_chunks, 0);
}

#[test]
fn what_is_good_is_left_alone() {
    let test = TestStore::quick();
    put(&test.store);
    let state = || -> Vec<_> {
        let about = test.chunk_files().into_iter().map(|(_, path)| fs::metadata(path).unwrap());
        about.map(|file| (file.ino(), file.ctime(), file.ctime_nsec())).collect()
    };
    let before = state();
    let again = put(&test.store);
    assert_eq!((again.new_chunks, again.new_bytes, state()), (0, 0, before));
    assert_eq!((in_quarantine(&test), noted(&test.store).len()), (0, 0));
}

#[test]
fn a_batch_mends_too() {
    let test = TestStore::quick();
    let bytes = noise(200_000, 5);
    let put = || {
        let mut batch = test.store.batch();
        let put = batch.put_bytes(&bytes).unwrap();
        (put.new, batch.commit().unwrap(), put.hash)
    };
    let (_, _, hash) = put();
    let path = test.chunk_files().swap_remove(0).1;
    // one byte in each of the pieces that are compared, and the last one
    for at in [0, 65_535, 65_536, 131_072, 199_999] {
        assert!(!put().0, "it is good");
        rot(&path, at);
        let (new, report, _) = put();
        assert_eq!((new, report), (true, BatchReport { new_chunks: 1, new_bytes: 200_000 }), "byte {at}");
        assert_eq!(test.store.read(&hash).unwrap(), bytes);
        let why = test.store.take_hurt(9);
        assert!(why.len() == 1 && why[0].1.contains(&format!("its byte {at} is not")), "{why:?}");
    }
}

#[test]
fn damage_that_cannot_be_moved_away_is_no_acknowledgement() {
    let test = TestStore::quick();
    put(&test.store);
    let (name, path) = test.chunk_files().swap_remove(3);
    rot(&path, 9);
    let quarantine = test.root().join("quarantine");
    fs::remove_dir(&quarantine).unwrap();
    fs::write(&quarantine, b"in the way").unwrap();
    let mut writer = bib_chunks::VersionWriter::new(test.store.clone(), tiny());
    let written = files().iter().try_for_each(|(path, bytes)| writer.file(path, 0o644, &mut bytes.as_slice()));
    let error = written.and_then(|()| writer.finish()).unwrap_err();
    assert!(matches!(&error, ChunkError::Corrupt { hash, .. } if hash.to_hex() == name), "{error}");
    fs::remove_file(&quarantine).unwrap();
    fs::create_dir(&quarantine).unwrap();
    let version = sign(&put(&test.store));
    assert!(verify_version(&test.store, &version, |_| {}).is_sound());
}

#[test]
fn many_who_find_the_damage_at_once_mend_it_once() {
    let test = TestStore::quick();
    let version = sign(&put(&test.store));
    for _ in 0..5 {
        let hurt = hurt(&test);
        let start = Barrier::new(8);
        let new: u64 = std::thread::scope(|scope| {
            let writer = || {
                start.wait();
                put(&test.store).new_chunks
            };
            let writers: Vec<_> = (0..8).map(|_| scope.spawn(writer)).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).sum()
        });
        assert_eq!(new, hurt.len() as u64);
        assert!(verify_version(&test.store, &version, |_| {}).is_sound());
    }
}

#[test]
fn what_is_here_is_checked_before_it_is_believed() {
    let test = TestStore::quick();
    let content = put(&test.store);
    let version = sign(&content);
    let lacking = |most| -> HashSet<ChunkHash> {
        let lacking = test.store.missing_or_hurt(&version, most).unwrap();
        assert_eq!(lacking.iter().map(|chunk| chunk.hash).collect::<HashSet<_>>().len(), lacking.len());
        lacking.into_iter().map(|chunk| chunk.hash).collect()
    };
    assert!(lacking(u64::MAX).is_empty());
    let hurt = hurt(&test);
    assert_eq!(lacking(u64::MAX), hurt);
    assert_eq!(in_quarantine(&test), 3, "those whose size tells are left for whoever brings good bytes");
    assert!(hurt.iter().all(|hash| !test.store.is_good(hash)));
    put(&test.store);
    assert!(content.chunks.iter().all(|chunk| test.store.is_good(&chunk.hash)));
}

#[test]
fn a_check_reads_no_more_than_it_may_and_nothing_twice() {
    let test = TestStore::quick();
    let version = sign(&put(&test.store));
    let store = test.store.clone();
    let chunks = test.chunk_files();
    chunks.iter().for_each(|(_, path)| rot(path, 1));
    assert!(store.missing_or_hurt(&version, 0).unwrap().is_empty(), "nothing is read");
    assert_eq!(in_quarantine(&test), 0);
    // the first chunk is read in any case, the next one only while there is something left
    assert_eq!(store.missing_or_hurt(&version, 1).unwrap().len(), 1);
    assert_eq!(in_quarantine(&test), 1);
    put(&store);
    put(&store);
    // what was just compared is known; what is touched afterwards is not
    let (name, path) = &chunks[4];
    rot(path, 7);
    let found = store.missing_or_hurt(&version, 1).unwrap();
    assert_eq!(found.iter().map(|chunk| chunk.hash.to_hex()).collect::<Vec<_>>(), [name.as_str()]);
}
