//! Bytes on the disk go bad: they are never served, always found, and set apart.

use crate::common::{TestStore, ingest, noise, sign, tiny};
use bib_chunks::{ChunkError, DamageKind, FileReader, SignedManifest, verify_version};
use bib_domain::ChunkHash;
use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::Path;

/// Ways in which a file goes bad. Each changes it for certain.
const WAYS: [fn(&Path, &Path); 6] = [
    |path, _| change(path, |bytes| *bytes.last_mut().unwrap() ^= 0x10),
    |path, _| change(path, |bytes| bytes.truncate(bytes.len() - 1)),
    |path, _| change(path, Vec::clear),
    |path, other| fs::write(path, fs::read(other).unwrap()).unwrap(),
    |path, _| change(path, |bytes| bytes.fill(0)),
    |path, _| change(path, |bytes| bytes.push(0)),
];

fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    how(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn filled(files: usize) -> (TestStore, SignedManifest) {
    let test = TestStore::quick();
    let names: Vec<_> = (0..files).map(|n| (format!("f{n:04}"), noise(300 + 97 * (n % 50), n as u64))).collect();
    let content = ingest(&test.store, &tiny(), names.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    let version = sign(&content);
    (test, version)
}

#[test]
fn every_way_of_damage_is_found_and_nothing_else() {
    let (test, version) = filled(400);
    let report = verify_version(&test.store, &version, |_| {});
    assert!(report.is_sound(), "{:?}", report.damage);
    assert_eq!(report.chunks as usize, version.manifest().chunks.len());
    assert_eq!(report.files, 400);

    let chunks = test.chunk_files();
    let victims: Vec<_> = (0..60).map(|n| n * 7).collect();
    for &n in &victims {
        WAYS[n % WAYS.len()](&chunks[n].1, &chunks[n + 1].1);
    }
    let hurt: HashSet<ChunkHash> = victims.iter().map(|&n| chunks[n].0.parse().unwrap()).collect();
    let report = verify_version(&test.store, &version, |_| {});
    assert!(!report.is_sound());
    let found: HashSet<ChunkHash> = report.damage.iter().filter_map(|damage| damage.chunk).collect();
    assert_eq!(found, hurt);
    assert!(report.damage.iter().all(|damage| damage.kind == DamageKind::Corrupt), "{:?}", report.damage);
    assert_eq!(fs::read_dir(test.root().join("quarantine")).unwrap().count(), victims.len());

    let manifest = version.manifest();
    let hurt_files: HashSet<&str> = report.damage.iter().map(|damage| damage.path.as_str()).collect();
    for entry in &manifest.entries {
        let mut reader = FileReader::open(&test.store, manifest, &entry.path).unwrap();
        let read = reader.read_to_end(&mut Vec::new());
        assert_eq!(read.is_err(), hurt_files.contains(entry.path.as_str()), "{}", entry.path);
    }
    let missing: HashSet<_> = test.store.missing(&version).unwrap().into_iter().map(|chunk| chunk.hash).collect();
    assert_eq!(missing, hurt, "what is in quarantine is to be fetched again");
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
        assert!(matches!(test.store.read(&hash), Err(ChunkError::Missing { .. })));
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
    let (test, version) = filled(30);
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
