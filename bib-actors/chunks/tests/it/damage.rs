//! Bytes on the disk go bad: they are never served, always found, and set apart.

use crate::common::{TestStore, ingest, noise, sign, tiny};
use bib_chunks::{ChunkError, DamageKind, FileReader, SignedManifest, verify_version};
use bib_domain::ChunkHash;
use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    how(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// A version of many small chunks, and the bytes of its files.
fn filled(files: usize) -> (TestStore, SignedManifest, Vec<(String, Vec<u8>)>) {
    let test = TestStore::quick();
    let files: Vec<_> = (0..files).map(|n| (format!("f{n:05}"), noise(258 + n % 30, n as u64))).collect();
    let content = ingest(&test.store, &tiny(), files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    (test, sign(&content), files)
}

fn flip(bytes: &mut [u8], n: usize) {
    let at = n % bytes.len();
    bytes[at] ^= 1 << (n % 8);
}

/// Damages 1,300 chunk files of 10,000: 1,000 flipped bits, 100 cut short, 100 swapped, 100 overwritten with zeros.
fn damage(chunks: &[(String, PathBuf)]) -> HashSet<ChunkHash> {
    let victim = |n: usize| &chunks[n * 7].1;
    (0..1_000).for_each(|n| change(victim(n), |bytes| flip(bytes, n)));
    (1_000..1_100).for_each(|n| change(victim(n), |bytes| bytes.truncate(n % bytes.len())));
    for n in (1_100..1_200).step_by(2) {
        let (one, other) = (fs::read(victim(n)).unwrap(), fs::read(victim(n + 1)).unwrap());
        fs::write(victim(n), other).unwrap();
        fs::write(victim(n + 1), one).unwrap();
    }
    (1_200..1_300).for_each(|n| change(victim(n), |bytes| bytes.fill(0)));
    (0..1_300).map(|n| chunks[n * 7].0.parse().unwrap()).collect()
}

#[test]
fn all_damage_is_found_nothing_else_is_and_all_can_be_repaired() {
    let (test, version, files) = filled(10_000);
    let manifest = version.manifest();
    let chunks = test.chunk_files();
    assert_eq!(chunks.len(), manifest.chunks.len());
    assert!(verify_version(&test.store, &version, |_| {}).is_sound());

    let hurt = damage(&chunks);
    let report = verify_version(&test.store, &version, |_| {});
    let found: HashSet<ChunkHash> = report.damage.iter().filter_map(|damage| damage.chunk).collect();
    assert_eq!(found, hurt);
    assert!(report.damage.iter().all(|damage| damage.kind == DamageKind::Corrupt));
    assert_eq!(report.chunks as usize, chunks.len() - hurt.len());
    assert_eq!(fs::read_dir(test.root().join("quarantine")).unwrap().count(), hurt.len());
    let hurt_files: HashSet<&str> = report.damage.iter().map(|damage| damage.path.as_str()).collect();
    for (path, bytes) in &files {
        let mut found = Vec::new();
        match FileReader::open(&test.store, manifest, path).unwrap().read_to_end(&mut found) {
            Ok(_) => assert!(!hurt_files.contains(path.as_str()) && found == *bytes, "{path}"),
            Err(_) => assert!(hurt_files.contains(path.as_str()), "{path}"),
        }
    }

    let missing: HashSet<_> = test.store.missing(&version).unwrap().into_iter().map(|chunk| chunk.hash).collect();
    assert_eq!(missing, hurt, "what is in quarantine is to be fetched again");
    ingest(&test.store, &tiny(), files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    assert!(verify_version(&test.store, &version, |_| {}).is_sound());
    assert!(test.store.missing(&version).unwrap().is_empty());
}

#[test]
fn a_bad_chunk_is_reported_with_its_place_and_can_be_put_again() {
    let test = TestStore::quick();
    let put = || {
        let mut batch = test.store.batch();
        let outcome = batch.put_bytes(b"some bytes of a chunk").unwrap();
        batch.commit().unwrap();
        outcome
    };
    let hash = put().hash;
    for round in 0..3 {
        let path = &test.chunk_files()[0].1;
        fs::write(path, format!("other {round}")).unwrap();
        let error = test.store.read(&hash).unwrap_err();
        let ChunkError::Corrupt { quarantine: Some(place), .. } = &error else { panic!("{error}") };
        assert_eq!(place, &test.root().join("quarantine").join(format!("{}.{round}", hash.to_hex())));
        assert_eq!(fs::read(place).unwrap(), format!("other {round}").into_bytes());
        assert!(error.to_string().contains("fetch it again"), "{error}");
        for again in [test.store.read(&hash), test.store.read_range(&hash, 0, 1)] {
            let error = again.unwrap_err();
            assert!(matches!(error, ChunkError::Missing { damaged: true, .. }), "{error:?}");
            assert!(
                error.to_string().contains("is damaged on the disk"),
                "whoever comes second is told the same: {error}"
            );
        }
        assert!(put().new);
        assert!(test.store.read(&hash).is_ok());
    }
}

#[test]
fn a_range_is_not_served_from_a_file_that_changed() {
    let test = TestStore::quick();
    let mut batch = test.store.batch();
    let hash = batch.put_bytes(&noise(5_000, 1)).unwrap().hash;
    batch.commit().unwrap();
    let good = test.store.read_range(&hash, 0, 10).unwrap();
    assert_eq!(test.store.read_range(&hash, 0, 10).unwrap(), good, "from memory of the first check");
    // Damage far from the range, in place, so that only the time of change tells.
    change(&test.chunk_files()[0].1, |bytes| bytes[4_000] ^= 1);
    assert!(matches!(test.store.read_range(&hash, 0, 10), Err(ChunkError::Corrupt { .. })));
}

#[test]
fn a_chunk_of_the_wrong_size_does_not_count_as_held() {
    let test = TestStore::quick();
    let data = noise(20_000, 9);
    let first = ingest(&test.store, &tiny(), [("a", data.as_slice())]);
    let (name, path) = test.chunk_files().swap_remove(2);
    change(&path, |bytes| bytes.truncate(10));
    let version = sign(&first);
    assert_eq!(test.store.missing(&version).unwrap().len(), 1);
    let again = ingest(&test.store, &tiny(), [("a", data.as_slice())]);
    assert_eq!((again.new_chunks, &again.chunks), (1, &first.chunks), "it is written anew");
    assert!(verify_version(&test.store, &version, |_| {}).is_sound());
    assert!(test.root().join("quarantine").join(format!("{name}.0")).exists());
}

#[test]
fn a_publisher_who_signs_a_wrong_content_hash_is_found_out() {
    let test = TestStore::quick();
    let mut content = ingest(&test.store, &tiny(), [("a", noise(9_000, 1).as_slice()), ("b", b"fine".as_slice())]);
    if let bib_chunks::EntryKind::File { content, .. } = &mut content.entries[0].kind {
        *content = bib_domain::ContentHash::from_bytes([1; 32]);
    }
    let report = verify_version(&test.store, &sign(&content), |_| {});
    assert!(report.signature_ok);
    assert_eq!(report.damage.len(), 1);
    assert_eq!((report.damage[0].path.as_str(), report.damage[0].kind), ("a", DamageKind::ContentMismatch));
}

#[test]
fn a_full_quarantine_deletes_instead() {
    let dir = tempfile::TempDir::new().unwrap();
    let options = bib_chunks::StoreOptions { quarantine_chunks: 1, ..Default::default() };
    let root = dir.path().join("blobs");
    let store = bib_chunks::ChunkStore::open(&root, options).unwrap();
    for n in 0_u64..3 {
        let mut batch = store.batch();
        let hash = batch.put_bytes(&noise(100, n)).unwrap().hash;
        batch.commit().unwrap();
        change(&crate::common::chunk_files(&root)[0].1, |bytes| bytes[0] ^= 1);
        let ChunkError::Corrupt { quarantine, .. } = store.read(&hash).unwrap_err() else { panic!() };
        assert_eq!(quarantine.is_some(), n == 0);
        assert!(!store.contains(&hash));
    }
    assert_eq!(fs::read_dir(root.join("quarantine")).unwrap().count(), 1);
}

#[test]
fn missing_chunks_are_listed_by_file() {
    let (test, version, _) = filled(30);
    let chunks = test.chunk_files();
    fs::remove_file(&chunks[3].1).unwrap();
    let mut seen = Vec::new();
    let report = verify_version(&test.store, &version, |progress| seen.push(progress));
    assert!(!report.damage.is_empty() && report.damage.iter().all(|damage| damage.kind == DamageKind::Missing));
    assert!(seen.windows(2).all(|pair| pair[0].bytes <= pair[1].bytes));
    let last = seen.last().unwrap();
    assert_eq!((last.bytes, last.files), (last.total_bytes, 30));
}

#[test]
fn a_damaged_chunk_is_damaged_for_every_file_that_needs_it() {
    let test = TestStore::quick();
    let (shared, other) = (noise(3_000, 1), noise(9_000, 2));
    let files = [("a", shared.as_slice()), ("b", other.as_slice()), ("c", shared.as_slice())];
    let version = sign(&ingest(&test.store, &tiny(), files));
    let name = version.manifest().chunks[0].hash.to_hex();
    let path = test.chunk_files().into_iter().find(|(file, _)| *file == name).unwrap().1;
    change(&path, |bytes| bytes[0] ^= 1);
    let report = verify_version(&test.store, &version, |_| {});
    let found: Vec<_> = report.damage.iter().map(|damage| (damage.path.as_str(), damage.kind)).collect();
    assert_eq!(found, [("a", DamageKind::Corrupt), ("c", DamageKind::Corrupt)]);
    assert_eq!(report.files, 1);
}
