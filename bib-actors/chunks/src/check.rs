//! Hashes a chunk on the disk without keeping its bytes.

use crate::{ChunkError, ChunkStore};
use bib_domain::ChunkHash;
use rustix::fs::{Advice, fadvise};
use sha2::{Digest, Sha256};
use std::io::Read;

/// Bytes that are read at once: they are still in the processor's cache when they are hashed.
const BLOCK: usize = 128 << 10;

/// Hashes one chunk after another. Holds one block, whatever the size of the chunks.
pub(crate) struct Checker {
    store: ChunkStore,
    block: Vec<u8>,
}

impl Checker {
    pub(crate) fn new(store: ChunkStore) -> Self {
        Self { store, block: vec![0; BLOCK] }
    }

    /// Reads a chunk, checks it against its name, and answers how many bytes it has.
    ///
    /// # Errors
    /// As [`ChunkStore::read`].
    pub(crate) fn check(&mut self, hash: &ChunkHash) -> Result<u64, ChunkError> {
        let inner = &self.store.inner;
        if let Some(size) = inner.shelf.as_ref().and_then(|shelf| shelf.size(hash)) {
            return Ok(size);
        }
        let (file, stamp, size) = inner.open(hash)?;
        inner.refuse_large(hash, stamp, size)?;
        inner.warm.add_cold(&inner.layout, &file, *hash, size);
        // a file that grows meanwhile has another hash anyway
        let mut file = file.take(u64::from(inner.options.max_chunk_bytes) + 1);
        let (mut hasher, mut bytes) = (Sha256::new(), 0);
        loop {
            let read = match file.read(&mut self.block) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(ChunkError::io("read", inner.layout.chunk(hash))(error)),
            };
            hasher.update(&self.block[..read]);
            bytes += read as u64;
        }
        let found = ChunkHash::from_bytes(hasher.finalize().into());
        inner.compare(hash, found, bytes, stamp)?;
        Ok(bytes)
    }
}

impl ChunkStore {
    /// Lets the system read a chunk into its memory while others are hashed. Whatever is wrong with it shows later.
    pub(crate) fn read_soon(&self, hash: &ChunkHash) {
        if let Ok((file, _, size)) = self.inner.open(hash) {
            self.inner.warm.add_cold(&self.inner.layout, &file, *hash, size);
            let _ = fadvise(&file, 0, None, Advice::WillNeed);
        }
    }
}
