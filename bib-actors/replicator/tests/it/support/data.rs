//! Versions with content that nobody else has.

use bib_chunks::{ChunkStore, Content, IngestOptions, Manifest, SignedManifest, StoreOptions, VersionWriter};
use bib_domain::ChunkHash;
use ed25519_dalek::SigningKey;
use std::collections::HashMap;
use std::sync::Arc;

/// A signed version and its chunks.
#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) signed: Arc<SignedManifest>,
    pub(crate) chunks: Arc<HashMap<ChunkHash, Vec<u8>>>,
}

/// Small chunks, so that few bytes make many of them.
pub(crate) fn ingest() -> IngestOptions {
    IngestOptions {
        chunk_min: 16 << 10,
        chunk_avg: 32 << 10,
        chunk_max: 64 << 10,
        pack_below: 16 << 10,
        ..IngestOptions::default()
    }
}

/// Bytes that do not repeat, other ones for each seed.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(length);
    out
}

/// Keeps a file of such bytes in a store.
pub(crate) fn store_file(store: &ChunkStore, seed: u64, length: usize) -> Content {
    let mut writer = VersionWriter::new(store.clone(), ingest());
    writer.file("data.bin", 0o644, &mut &bytes(seed, length)[..]).unwrap();
    writer.finish().unwrap()
}

/// A manifest over stored content.
pub(crate) fn manifest(dataset: &str, number: u64, content: Content) -> Manifest {
    Manifest {
        dataset: dataset.to_owned(),
        number,
        created_ms: 1_700_000_000_000 + i64::try_from(number).unwrap(),
        message: format!("version {number}"),
        parents: Vec::new(),
        publisher: [0; 32],
        chunks: content.chunks,
        entries: content.entries,
    }
}

/// Keeps so many small files with long names in a store: the manifest is long.
pub(crate) fn store_wide(store: &ChunkStore, files: usize) -> Content {
    let mut writer = VersionWriter::new(store.clone(), ingest());
    for file in 0..files {
        writer.file(&format!("{file:0>200}"), 0o644, &mut &file.to_le_bytes()[..]).unwrap();
    }
    writer.finish().unwrap()
}

/// A version of one file of `length` bytes, signed by the key of `signer`.
pub(crate) fn version(dataset: &str, number: u64, length: usize, signer: u8) -> Version {
    let seed = dataset.bytes().fold(number, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    signed(dataset, number, signer, |store| store_file(store, seed, length))
}

/// A version whose manifest has more than 200 bytes for each of so many files.
pub(crate) fn wide(dataset: &str, number: u64, files: usize, signer: u8) -> Version {
    signed(dataset, number, signer, |store| store_wide(store, files))
}

fn signed(dataset: &str, number: u64, signer: u8, content: impl FnOnce(&ChunkStore) -> Content) -> Version {
    let dir = tempfile::tempdir().unwrap();
    let store = ChunkStore::open(&dir.path().join("blobs"), StoreOptions::default()).unwrap();
    let content = content(&store);
    let chunks = content.chunks.iter().map(|chunk| (chunk.hash, store.read(&chunk.hash).unwrap().to_vec())).collect();
    let signed =
        SignedManifest::sign(manifest(dataset, number, content), &SigningKey::from_bytes(&[signer; 32])).unwrap();
    Version { signed: Arc::new(signed), chunks: Arc::new(chunks) }
}
