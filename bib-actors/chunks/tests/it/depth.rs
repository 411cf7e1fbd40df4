//! Hashing chunks alone finds the same damage as hashing files besides, but for what a publisher signed wrongly.

use crate::common::{TestStore, ingest, noise, sign, tiny};
use bib_chunks::{
    ChunkStore, DamageKind, EntryKind, Progress, SignedManifest, VerifyOptions, VerifyReport, verify_version_with,
};
use bib_domain::ChunkHash;
use bib_domain::agreement::Depth;
use std::fs;
use std::path::Path;

const BOTH: [Depth; 2] = [Depth::Contents, Depth::Chunks];

fn verify(store: &ChunkStore, version: &SignedManifest, depth: Depth) -> VerifyReport {
    verify_version_with(store, version, depth, &VerifyOptions::default(), |_| {})
}

/// Files of which some share chunks that do not lie beside each other.
fn filled() -> (TestStore, SignedManifest) {
    let test = TestStore::quick();
    let (shared, other) = (noise(6_000, 1), noise(3_000, 2));
    let mixed = [other.as_slice(), &shared, &other].concat();
    let zeros = vec![0; 20_000];
    let files: Vec<(String, Vec<u8>)> = (0..40)
        .map(|n| (format!("f{n:02}"), noise(900 + 40 * n, 100 + n as u64)))
        .chain([("g", &shared), ("h", &other), ("i", &shared), ("j", &mixed), ("k", &zeros)].map(own))
        .collect();
    let version =
        sign(&ingest(&test.store, &tiny(), files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))));
    (test, version)
}

fn own((name, bytes): (&str, &Vec<u8>)) -> (String, Vec<u8>) {
    (name.to_owned(), bytes.clone())
}

/// Flipped bits, files that were cut short, swapped or removed: one chunk in five.
fn damage(root: &Path) {
    let chunks: Vec<_> = crate::common::chunk_files(root).into_iter().map(|(_, path)| path).collect();
    let hurt: Vec<_> = chunks.iter().step_by(5).collect();
    assert!(hurt.len() > 8, "{} chunks", chunks.len());
    for (n, path) in hurt.iter().enumerate() {
        let mut bytes = fs::read(path).unwrap();
        let last = bytes.len() - 1;
        match n % 4 {
            0 => bytes[last / 2] ^= 4,
            1 => bytes.truncate(last),
            2 => bytes = fs::read(hurt[(n + 1) % hurt.len()]).unwrap(),
            _ => {
                fs::remove_file(path).unwrap();
                continue;
            }
        }
        fs::write(path, bytes).unwrap();
    }
}

fn findings(report: &VerifyReport) -> Vec<(String, Option<ChunkHash>, DamageKind)> {
    report.damage.iter().map(|damage| (damage.path.clone(), damage.chunk, damage.kind)).collect()
}

#[test]
fn both_depths_find_the_same_damage_in_the_same_order() {
    let reports = BOTH.map(|depth| {
        let (test, version) = filled();
        let sound = verify(&test.store, &version, depth);
        assert!(sound.is_sound() && sound.depth == depth, "{sound:?}");
        assert_eq!((sound.chunks as usize, sound.files), (version.manifest().chunks.len(), 45));
        damage(&test.root());
        let mut seen: Vec<Progress> = Vec::new();
        let report = verify_version_with(&test.store, &version, depth, &VerifyOptions::default(), |now| seen.push(now));
        assert!(seen.windows(2).all(|pair| pair[0].bytes <= pair[1].bytes));
        assert_eq!(seen.last().unwrap().bytes, version.manifest().file_bytes());
        assert!(report.damage.iter().all(|damage| !damage.detail.is_empty()), "{report:?}");
        report
    });
    let [contents, chunks] = &reports;
    assert!(!contents.is_sound() && !chunks.is_sound());
    assert_eq!(findings(contents), findings(chunks));
    assert_eq!((contents.files, contents.chunks, contents.bytes), (chunks.files, chunks.chunks, chunks.bytes));
    let kinds: Vec<_> = chunks.damage.iter().map(|damage| damage.kind).collect();
    assert!(kinds.contains(&DamageKind::Missing) && kinds.contains(&DamageKind::Corrupt));
}

#[test]
fn findings_beyond_the_bound_are_counted_at_both_depths() {
    let counts = BOTH.map(|depth| {
        let (test, version) = filled();
        damage(&test.root());
        let options = VerifyOptions { findings: 2, threads: 1, ahead: 1 };
        let report = verify_version_with(&test.store, &version, depth, &options, |_| {});
        assert_eq!(report.damage.len(), 2);
        assert!(report.more_damage > 0);
        (report.more_damage, findings(&report))
    });
    assert_eq!(counts[0], counts[1]);
    let (test, version) = filled();
    damage(&test.root());
    let none = VerifyOptions { findings: 0, ..VerifyOptions::default() };
    assert!(!verify_version_with(&test.store, &version, Depth::Chunks, &none, |_| {}).is_sound());
}

#[test]
fn only_hashing_contents_finds_what_was_signed_wrongly() {
    let test = TestStore::quick();
    let mut content = ingest(&test.store, &tiny(), [("a", noise(9_000, 1).as_slice()), ("b", b"fine".as_slice())]);
    if let EntryKind::File { content, .. } = &mut content.entries[0].kind {
        *content = bib_domain::ContentHash::from_bytes([1; 32]);
    }
    let version = sign(&content);
    let report = verify(&test.store, &version, Depth::Contents);
    assert_eq!((report.is_sound(), report.mismatches, report.files), (false, 1, 1));
    assert_eq!(findings(&report), [("a".to_owned(), None, DamageKind::ContentMismatch)]);
    // why a version is verified so only after it was seen to agree
    assert!(verify(&test.store, &version, Depth::Chunks).is_sound());
}
