//! The hot parts of the chunk store: cutting and hashing on the way in, reading and verifying, manifests.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use bib_chunks::bench::cut;
use bib_chunks::{
    ChunkRef, ChunkStore, Entry, EntryKind, IngestOptions, Manifest, Segment, SignedManifest, StoreOptions,
    VersionWriter, verify_version,
};
use bib_domain::{ChunkHash, ContentHash};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};

const LARGE: usize = 32 << 20;

fn main() {
    divan::main();
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn store() -> (tempfile::TempDir, ChunkStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = ChunkStore::open(&dir.path().join("blobs"), StoreOptions::default()).unwrap();
    (dir, store)
}

fn ingest(store: &ChunkStore, bytes: &[u8]) -> bib_chunks::Content {
    let mut writer = VersionWriter::new(store.clone(), IngestOptions::default());
    writer.file("large.bin", 0o644, &mut &*bytes).unwrap();
    writer.finish().unwrap()
}

/// The limit of everything else here: one pass of SHA-256 by one thread.
#[divan::bench]
fn sha256(bencher: Bencher) {
    let bytes = noise(LARGE, 1);
    bencher.counter(BytesCount::new(LARGE)).bench(|| Sha256::digest(&bytes));
}

/// Looking for the places where a file is cut, and nothing else.
#[divan::bench]
fn cutter(bencher: Bencher) {
    let (bytes, options) = (noise(LARGE, 2), IngestOptions::default());
    bencher.counter(BytesCount::new(LARGE)).bench(|| cut(divan::black_box(&bytes), &options));
}

/// A file that is new: cut, hashed, written and synced.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn ingest_new(bencher: Bencher) {
    let (_dir, store) = store();
    let mut seed = 10;
    let make = move || {
        seed += 1;
        noise(LARGE, seed * 7919)
    };
    bencher.counter(BytesCount::new(LARGE)).with_inputs(make).bench_local_values(|bytes| ingest(&store, &bytes));
}

/// The same file again: cut and hashed, nothing written.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn ingest_known(bencher: Bencher) {
    let (_dir, store) = store();
    let bytes = noise(LARGE, 3);
    ingest(&store, &bytes);
    bencher.counter(BytesCount::new(LARGE)).bench_local(|| ingest(&store, &bytes));
}

/// Every chunk and file of a version hashed again.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn verify(bencher: Bencher) {
    let (_dir, store) = store();
    let content = ingest(&store, &noise(LARGE, 4));
    let manifest = Manifest { chunks: content.chunks, entries: content.entries, ..manifest(0) };
    let signed = SignedManifest::sign(manifest, &SigningKey::from_bytes(&[7; 32])).unwrap();
    bencher.counter(BytesCount::new(LARGE)).bench_local(|| verify_version(&store, &signed, |_| ()));
}

fn manifest(files: u32) -> Manifest {
    let hash = |n: u32| -> [u8; 32] { Sha256::digest(n.to_le_bytes()).into() };
    let entry = |n: u32| Entry {
        path: format!("folder/{n:08}.bin"),
        mode: 0o644,
        kind: EntryKind::File {
            size: 4096,
            content: ContentHash::from_bytes(hash(n)),
            segments: vec![Segment { chunk: n / 128, offset: n % 128 * 4096, len: 4096 }],
            media_type: "application/octet-stream".to_owned(),
            schema: None,
        },
    };
    let chunk = |n: u32| ChunkRef { hash: ChunkHash::from_bytes(hash(n ^ 0x8000_0000)), len: 128 * 4096 };
    Manifest {
        dataset: "bench/many".to_owned(),
        number: 1,
        created_ms: 0,
        message: String::new(),
        parents: Vec::new(),
        publisher: [0; 32],
        chunks: (0..files.div_ceil(128)).map(chunk).collect(),
        entries: (0..files).map(entry).collect(),
    }
}

/// The canonical encoding of a version of many small files.
#[divan::bench(args = [1_000, 20_000])]
fn manifest_encode(bencher: Bencher, files: u32) {
    let manifest = manifest(files);
    bencher.counter(ItemsCount::new(files)).bench(|| manifest.encode());
}

/// Decoding it again, with every check.
#[divan::bench(args = [1_000, 20_000])]
fn manifest_decode(bencher: Bencher, files: u32) {
    let bytes = manifest(files).encode();
    bencher.counter(ItemsCount::new(files)).bench(|| Manifest::decode(&bytes).unwrap());
}
