//! The manifest's bytes are pinned, its decoder is strict, and its signature binds.

use crate::common::{key, noise};
use bib_chunks::{
    ChunkRef, Column, ColumnType, Entry, EntryKind, Manifest, ManifestError, ManifestLimits, Segment, SignedManifest,
    TableSchema,
};
use bib_domain::{ChunkHash, ContentHash, VersionId};
use proptest::prelude::*;

/// One of everything.
fn sample() -> Manifest {
    let chunk = |n: u8, len| ChunkRef { hash: ChunkHash::from_bytes([n; 32]), len };
    let file = |path: &str, segments: Vec<Segment>, media_type: &str, schema| Entry {
        path: path.to_owned(),
        mode: 0o644,
        kind: EntryKind::File {
            size: segments.iter().map(|segment| u64::from(segment.len)).sum(),
            content: ContentHash::from_bytes([0xcc; 32]),
            segments,
            media_type: media_type.to_owned(),
            schema,
        },
    };
    let column = |name: &str, data_type, nullable| Column { name: name.to_owned(), data_type, nullable };
    let table = TableSchema {
        columns: vec![column("carrier", ColumnType::String, false), column("dep_delay", ColumnType::Double, true)],
        rows: Some(336_776),
    };
    let segment = |chunk, offset, len| Segment { chunk, offset, len };
    Manifest {
        dataset: "flights/2013".to_owned(),
        number: 3,
        created_ms: 1_700_000_000_123,
        message: "New York, all of it".to_owned(),
        parents: vec![VersionId::from_bytes([0x11; 32])],
        publisher: key().verifying_key().to_bytes(),
        chunks: vec![chunk(1, 1 << 20), chunk(2, 70_000), chunk(3, 5)],
        entries: vec![
            Entry { path: "data".to_owned(), mode: 0o755, kind: EntryKind::Directory },
            file("data/flights.csv", vec![segment(0, 0, 1 << 20), segment(1, 0, 70_000)], "text/csv", Some(table)),
            file("empty", vec![], "", None),
            Entry {
                path: "latest".to_owned(),
                mode: 0o777,
                kind: EntryKind::Symlink { target: "data/flights.csv".to_owned() },
            },
            file("note", vec![segment(2, 1, 4)], "text/plain", Some(TableSchema { columns: vec![], rows: None })),
        ],
    }
}

/// These bytes are in other people's stores: a change here is a new format, not a fix.
#[test]
fn the_format_is_pinned() {
    let signed = SignedManifest::sign(sample(), &key()).unwrap();
    let bytes: Vec<String> = signed.bytes().chunks(40).map(hex).collect();
    assert_eq!(bytes, BYTES);
    assert_eq!(signed.id().to_hex(), ID);
    assert_eq!(hex(signed.signature()), SIGNATURE);
    assert_eq!(hex(&signed.to_bytes()[..28]), WRAPPING);
    let read = SignedManifest::from_bytes(&signed.to_bytes()).unwrap();
    assert_eq!(read.manifest(), &sample());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const BYTES: &[&str] = &[
    "896e6269622d6d616e69666573742f316c666c69676874732f32303133031b0000018bcfe5687b73",
    "4e657720596f726b2c20616c6c206f66206974815820111111111111111111111111111111111111",
    "11111111111111111111111111115820ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92",
    "421eea691446d22c8382582001010101010101010101010101010101010101010101010101010101",
    "010101011a0010000082582002020202020202020202020202020202020202020202020202020202",
    "020202021a0001117082582003030303030303030303030303030303030303030303030303030303",
    "030303030585830164646174611901ed880070646174612f666c69676874732e6373761901a41a00",
    "1111705820cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc828300",
    "001a001000008301001a0001117068746578742f637376828283676361727269657203f483696465",
    "705f64656c617902f51a00052388880065656d7074791901a4005820cccccccccccccccccccccccc",
    "cccccccccccccccccccccccccccccccccccccccc8060f68402666c61746573741901ff7064617461",
    "2f666c69676874732e6373768800646e6f74651901a4045820cccccccccccccccccccccccccccccc",
    "cccccccccccccccccccccccccccccccccc81830201046a746578742f706c61696e8280f6",
];
const ID: &str = "137a49c1c474f3f3ffe96f6eb1ae703dd0d2cf79e02f56ad20c996fa4ddec7c2";
const SIGNATURE: &str = "ed9a33a2edd6447aacad5e6e4c35abc42e6889dd20d0ae4b60dde9b4b8ceb8e97b669f8f95218f949fa7d7d7108dc2c5662b00b64811167e6509a492c74d6004";
const WRAPPING: &str = "83756269622d7369676e65642d6d616e69666573742f31590204896e";

#[test]
fn the_signature_binds_every_byte_and_the_publisher() {
    let signed = SignedManifest::sign(sample(), &key()).unwrap();
    assert_eq!(signed.publisher(), &key().verifying_key().to_bytes());
    let wire = signed.to_bytes();
    for at in (0..wire.len()).step_by(3) {
        let mut bad = wire.clone();
        bad[at] ^= 1;
        assert!(SignedManifest::from_bytes(&bad).is_err(), "byte {at} is not bound");
    }
    let other = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
    let foreign = SignedManifest::sign(sample(), &other).unwrap();
    assert_eq!(
        SignedManifest::from_parts(signed.bytes().to_vec(), *foreign.signature()),
        Err(ManifestError::Signature)
    );
    assert!(SignedManifest::from_bytes(&[wire.as_slice(), &[0]].concat()).is_err(), "nothing may follow");
    assert!(signed.verify());
}

#[test]
fn a_signature_for_something_else_is_worth_nothing() {
    use ed25519_dalek::Signer;
    let bytes = sample().encode();
    for text in [bytes.clone(), sample().id().as_bytes().to_vec()] {
        let signature = key().sign(&text).to_bytes();
        assert_eq!(SignedManifest::from_parts(bytes.clone(), signature), Err(ManifestError::Signature));
    }
}

/// Changes the sample, and says what its decoder must say.
fn refused(change: impl FnOnce(&mut Manifest)) -> ManifestError {
    let mut manifest = sample();
    change(&mut manifest);
    let signed = SignedManifest::sign(manifest.clone(), &key()).unwrap_err();
    let decoded = Manifest::decode(&manifest.encode()).unwrap_err();
    assert_eq!(signed, decoded, "the writer is as strict as the reader");
    decoded
}

fn segments(manifest: &mut Manifest, entry: usize) -> &mut Vec<Segment> {
    match &mut manifest.entries[entry].kind {
        EntryKind::File { segments, .. } => segments,
        _ => panic!("entry {entry} is no file"),
    }
}

#[test]
fn contradictions_are_refused() {
    let contents = |error: ManifestError, text: &str| {
        assert!(matches!(&error, ManifestError::Contents { detail, .. } if detail.contains(text)), "{error}");
    };
    contents(refused(|m| segments(m, 1)[0].chunk = 9), "chunk 9 of 3");
    contents(refused(|m| segments(m, 1)[1].len += 1), "no piece");
    contents(refused(|m| segments(m, 4)[0].offset = u32::MAX), "no piece");
    contents(refused(|m| segments(m, 4)[0].len = 0), "no piece");
    contents(refused(|m| segments(m, 1).rotate_left(1)), "order of their use");
    contents(refused(|m| segments(m, 1).truncate(1)), "its pieces have");
    contents(refused(|m| m.chunks.push(ChunkRef { hash: ChunkHash::from_bytes([9; 32]), len: 1 })), "no file");
    contents(refused(|m| m.chunks[2].hash = m.chunks[0].hash), "there twice");
    contents(refused(|m| m.chunks[2].len = 0), "is empty");
    contents(refused(|m| m.entries[0].mode = 0o4755), "permission bits");
    contents(refused(|m| m.dataset = "Flights".to_owned()), "does not name a dataset");
    contents(
        refused(|m| {
            if let EntryKind::File { size, .. } = &mut m.entries[2].kind {
                *size = 1;
            }
        }),
        "its size is 1",
    );
}

#[test]
fn names_and_order_are_checked() {
    assert_eq!(refused(|m| m.entries.swap(1, 2)), ManifestError::Unsorted);
    let path = |error: ManifestError| assert!(matches!(error, ManifestError::Path(_)), "{error}");
    path(refused(|m| m.entries[2].path = "../empty".to_owned()));
    path(refused(|m| m.entries[2].path = "/empty".to_owned()));
    path(refused(|m| m.entries[2].path = "data/flights.csv".to_owned()));
    path(refused(|m| m.entries[2].path = "data/flights.csv/below".to_owned()));
    path(refused(|m| m.entries[3].kind = EntryKind::Symlink { target: "../../etc/passwd".to_owned() }));
}

#[test]
fn numbers_that_nobody_could_go_on_from_and_odd_messages_are_refused() {
    let wrong = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = sample();
        change(&mut manifest);
        assert!(Manifest::decode(&manifest.encode()).is_ok(), "what is kept already stays readable");
        let said = SignedManifest::sign(manifest.clone(), &key()).unwrap_err();
        assert_eq!(manifest.check_new(), Err(said.clone()));
        said
    };
    for number in [0, (1 << 53) + 1, u64::MAX] {
        let said = wrong(&|manifest| manifest.number = number);
        assert!(matches!(&said, ManifestError::Contents { path, .. } if path == "number"), "{number}: {said:?}");
    }
    for message in ["a\0b", "\u{1b}[2J", "a\tb", "\u{9b}1m"] {
        let said = wrong(&|manifest| message.clone_into(&mut manifest.message));
        assert!(matches!(&said, ManifestError::Contents { path, .. } if path == "message"), "{message:?}: {said:?}");
    }
    for (number, message) in [(1, ""), (1 << 53, "two\nlines")] {
        let manifest = Manifest { number, message: message.to_owned(), ..sample() };
        SignedManifest::sign(manifest, &key()).unwrap();
    }
}

#[test]
fn limits_are_checked_before_memory_is_given() {
    let bytes = sample().encode();
    let within = |limits: ManifestLimits| Manifest::decode_within(&bytes, &limits).unwrap_err();
    let roomy = ManifestLimits::default();
    for (limits, what) in [
        (ManifestLimits { bytes: 100, ..roomy }, "bytes"),
        (ManifestLimits { entries: 4, ..roomy }, "entries"),
        (ManifestLimits { chunks: 2, ..roomy }, "chunks"),
        (ManifestLimits { segments: 2, ..roomy }, "segments"),
        (ManifestLimits { parents: 0, ..roomy }, "parents"),
        (ManifestLimits { columns: 1, ..roomy }, "columns in one table"),
        (ManifestLimits { text: 3, ..roomy }, "bytes in its message"),
    ] {
        let error = within(limits);
        assert!(matches!(error, ManifestError::Limit { what: found, .. } if found == what), "{what}: {error}");
    }
    // an array that claims four thousand million parents in a few bytes
    let mut claims = bytes.clone();
    let at = claims.windows(3).position(|window| window == [0x81, 0x58, 0x20]).unwrap();
    claims.splice(at..=at, [0x9a, 0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(Manifest::decode(&claims), Err(ManifestError::Limit { what: "parents", .. })));
}

#[test]
fn other_spellings_of_the_same_are_refused() {
    let bytes = sample().encode();
    // the number 3 in two bytes instead of one
    let at = bytes.windows(2).position(|window| window == [0x03, 0x1b]).unwrap();
    let mut longer = bytes.clone();
    longer.splice(at..=at, [0x18, 0x03]);
    assert_eq!(Manifest::decode(&longer), Err(ManifestError::NotCanonical));
    // an array of unknown length
    let mut open = bytes.clone();
    open[0] = 0x9f;
    open.push(0xff);
    assert!(matches!(Manifest::decode(&open), Err(ManifestError::Format { .. })));
    let mut trailing = bytes;
    trailing.push(0);
    assert!(matches!(Manifest::decode(&trailing), Err(ManifestError::Format { .. })));
    let text = Manifest::decode(b"not a manifest").unwrap_err().to_string();
    assert!(text.contains("fetch it again"), "{text}");
}

proptest! {
    #[test]
    fn damaged_bytes_never_panic_and_never_pass(at in any::<prop::sample::Index>(), value: u8, cut in any::<prop::sample::Index>()) {
        let bytes = sample().encode();
        let mut bad = bytes.clone();
        bad[at.index(bytes.len())] = value;
        if let Ok(manifest) = Manifest::decode(&bad) {
            prop_assert_eq!(manifest.encode(), bad, "what is accepted is canonical");
        }
        prop_assert!(Manifest::decode(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn random_bytes_never_panic(len in 0_usize..300, seed: u64, head in any::<bool>()) {
        let mut bytes = noise(len, seed);
        if head {
            bytes = [&sample().encode()[..17.min(len)], bytes.as_slice()].concat();
        }
        prop_assert!(Manifest::decode(&bytes).is_err());
        prop_assert!(SignedManifest::from_bytes(&bytes).is_err());
    }
}
