//! Random folders go in and come out as they were, whatever the sizes and however the bytes arrive.

use crate::common::{TestStore, manifest_of, noise, read, sign, tiny};
use bib_chunks::{Content, EntryKind, FileReader, Manifest, SignedManifest, VersionWriter, verify_version};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

/// What a folder holds.
#[derive(Debug, Clone)]
enum Thing {
    File { len: usize, seed: u64, step: usize },
    Directory,
    Symlink(String),
}

fn thing() -> impl Strategy<Value = Thing> {
    let len = prop_oneof![0..20_usize, 200..300_usize, 0..3_000_usize, 3_000..40_000_usize];
    prop_oneof![
        // few seeds and lengths collide often, so that content is shared
        8 => (len, 0_u64..6, 1_usize..5_000).prop_map(|(len, seed, step)| Thing::File { len, seed, step }),
        1 => Just(Thing::Directory),
        1 => "[a-z]{1,3}(/[a-z]{1,3})?".prop_map(Thing::Symlink),
    ]
}

/// Names cannot clash: a part of one letter is a folder, a longer one is not.
fn folder() -> impl Strategy<Value = BTreeMap<String, Thing>> {
    prop::collection::btree_map("([a-c]/){0,2}[a-zäß ._\\\\-]{2,6}", thing(), 0..25)
        .prop_map(|things| things.into_iter().filter(|(path, _)| !path.ends_with("..")).collect())
}

fn put(test: &TestStore, folder: &BTreeMap<String, Thing>) -> Content {
    let mut writer = VersionWriter::new(test.store.clone(), tiny());
    for (path, thing) in folder {
        match thing {
            Thing::Directory => writer.directory(path, 0o750).unwrap(),
            Thing::Symlink(target) => writer.symlink(path, target).unwrap(),
            Thing::File { len, seed, step } => {
                writer.begin_file(path, 0o100_640).unwrap();
                noise(*len, *seed).chunks(*step).for_each(|part| writer.write(part).unwrap());
                writer.end_file().unwrap();
            }
        }
    }
    writer.finish().unwrap()
}

fn check(test: &TestStore, manifest: &Manifest, folder: &BTreeMap<String, Thing>) {
    assert_eq!(manifest.entries.len(), folder.len());
    for (path, thing) in folder {
        let entry = manifest.entry(path).unwrap();
        match (thing, &entry.kind) {
            (Thing::Directory, EntryKind::Directory) => assert_eq!(entry.mode, 0o750),
            (Thing::Symlink(wanted), EntryKind::Symlink { target }) => assert_eq!(wanted, target),
            (Thing::File { len, seed, .. }, EntryKind::File { content, size, .. }) => {
                let expected = noise(*len, *seed);
                assert_eq!(read(&test.store, manifest, path), expected, "{path}");
                assert_eq!(*size, *len as u64);
                assert_eq!(content.as_bytes(), Sha256::digest(&expected).as_slice(), "{path}");
                assert_eq!(entry.mode, 0o640, "only permission bits are kept");
            }
            other => panic!("{path}: {other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn folders_come_back_and_versions_share(before in folder(), extra in folder()) {
        let test = TestStore::quick();
        let first = put(&test, &before);
        let version = sign(&first);
        check(&test, version.manifest(), &before);
        let report = verify_version(&test.store, &version, |_| {});
        prop_assert!(report.is_sound());
        prop_assert_eq!(first.new_chunks as usize, first.chunks.len());

        let again = put(&test, &before);
        prop_assert_eq!((again.new_chunks, again.new_bytes), (0, 0));
        prop_assert_eq!(&again.entries, &first.entries);

        let mut after = before;
        after.extend(extra);
        let second = put(&test, &after);
        let signed = sign(&second);
        check(&test, signed.manifest(), &after);
        prop_assert_eq!(SignedManifest::from_bytes(&signed.to_bytes()).unwrap(), signed);
        let elsewhere = put(&TestStore::quick(), &after);
        prop_assert_eq!(&elsewhere.entries, &second.entries, "what was in the store before makes no difference");
        prop_assert_eq!(&elsewhere.chunks, &second.chunks);
    }

    #[test]
    fn reading_from_anywhere_gives_the_bytes_there(
        files in prop::collection::vec((0_usize..9_000, any::<u64>()), 1..6),
        reads in prop::collection::vec((any::<prop::sample::Index>(), 0_u64..10_000, 0_usize..5_000), 1..20),
    ) {
        let test = TestStore::quick();
        let mut writer = VersionWriter::new(test.store.clone(), tiny());
        for (n, (len, seed)) in files.iter().enumerate() {
            writer.file(&n.to_string(), 0o644, &mut noise(*len, *seed).as_slice()).unwrap();
        }
        let manifest = manifest_of(&writer.finish().unwrap());
        for (which, at, want) in reads {
            let n = which.index(files.len());
            let expected = noise(files[n].0, files[n].1);
            let mut reader = FileReader::open(&test.store, &manifest, &n.to_string()).unwrap();
            reader.seek(SeekFrom::Start(at)).unwrap();
            let mut found = Vec::new();
            reader.take(want as u64).read_to_end(&mut found).unwrap();
            let from = expected.len().min(at as usize);
            let to = expected.len().min(from + want);
            prop_assert_eq!(&found, &expected[from..to]);
        }
    }
}
