//! Whether what lies under a chunk's name is what it ought to be, asked when that costs little: while good bytes are in
//! hand, or within reach.
//!
//! A name and a size are no evidence: disks decay. Bytes in hand are compared with the file, which takes a fraction of
//! the time of hashing them; without such bytes the file is hashed. What is wrong goes to quarantine and is noted, so
//! that the good bytes are written anew.

use crate::ChunkError;
use crate::manifest::{ChunkRef, SignedManifest};
use crate::store::{ChunkStore, Inner, name_of};
use crate::verified::Stamp;
use bib_domain::ChunkHash;
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

/// Bytes that are read at a time for comparing: they stay in the processor's cache.
const PIECE: usize = 64 << 10;

impl ChunkStore {
    /// The chunks of a version that are not here, in the order of the manifest. Nothing is read for that.
    ///
    /// # Errors
    /// What the file system says.
    pub fn missing(&self, version: &SignedManifest) -> Result<Vec<ChunkRef>, ChunkError> {
        let mut missing = Vec::new();
        for chunk in &version.manifest().chunks {
            if !self.inner.is_held(&chunk.hash, u64::from(chunk.len))? {
                missing.push(*chunk);
            }
        }
        Ok(missing)
    }

    /// The chunks of a version that are not here, or are damaged here.
    ///
    /// Of those that are here, the ones not known as verified since this store was opened are read and hashed, until
    /// `most` bytes were; the rest is believed for its size. Another version begins at another chunk.
    ///
    /// # Errors
    /// What the file system says.
    pub fn missing_or_hurt(&self, version: &SignedManifest, most: u64) -> Result<Vec<ChunkRef>, ChunkError> {
        let chunks = &version.manifest().chunks;
        let mut missing = self.missing(version)?;
        let absent: HashSet<ChunkHash> = missing.iter().map(|chunk| chunk.hash).collect();
        let [a, b, c, d, ..] = *version.id().as_bytes();
        let first = u32::from_be_bytes([a, b, c, d]) as usize % chunks.len().max(1);
        let (before, after) = chunks.split_at(first);
        let mut left = most;
        for chunk in after.iter().chain(before) {
            if left == 0 {
                break;
            }
            if absent.contains(&chunk.hash) || self.inner.is_known(&chunk.hash) {
                continue;
            }
            left = left.saturating_sub(u64::from(chunk.len));
            if let Err(error) = self.read(&chunk.hash) {
                tracing::debug!(chunk = %chunk.hash, %error, "a chunk of a version to be fetched is not good here");
                missing.push(*chunk);
            }
        }
        Ok(missing)
    }

    /// Whether a good copy of the chunk is here. It is hashed for that; damage is not noted, since this asks what became
    /// of damage.
    #[must_use]
    pub fn is_good(&self, hash: &ChunkHash) -> bool {
        if self.inner.shelved(hash).is_some() {
            return true;
        }
        let Ok((file, _, _)) = self.inner.open(hash) else { return false };
        let mut bytes = Vec::new();
        let read = file.take(u64::from(self.options().max_chunk_bytes) + 1).read_to_end(&mut bytes);
        read.is_ok() && name_of(&bytes) == *hash
    }
}

impl Inner {
    /// Whether exactly these bytes are here, and both they and their name are on the disk.
    ///
    /// A file that has the name and other bytes is moved out of the way and noted as damaged.
    pub(crate) fn has(&self, hash: &ChunkHash, bytes: &[u8]) -> Result<bool, ChunkError> {
        let (file, stamp, size) = match self.open(hash) {
            Err(ChunkError::Missing { .. }) => return Ok(false),
            other => other?,
        };
        // looked at after the file was opened: a file that gets the name later is not meant
        if self.placing.lock().chunks.contains(hash) {
            return Ok(false);
        }
        let Some(detail) = difference(&file, size, bytes) else {
            self.verified.remember(hash, stamp);
            return Ok(true);
        };
        let error = self.corrupt(hash, stamp, detail);
        // one that cannot be moved would be taken for the good one when that gets its name
        let stays = std::fs::symlink_metadata(self.layout.chunk(hash)).is_ok_and(|file| Stamp::of(&file) == stamp);
        if stays { Err(error) } else { Ok(false) }
    }

    /// Whether the chunk's file was found good in this life of the store, and was not touched since.
    fn is_known(&self, hash: &ChunkHash) -> bool {
        std::fs::symlink_metadata(self.layout.chunk(hash))
            .is_ok_and(|file| self.verified.is_verified(hash, Stamp::of(&file)))
    }
}

/// In what a file differs from the bytes that it ought to have.
fn difference(file: &File, size: u64, bytes: &[u8]) -> Option<String> {
    if size != bytes.len() as u64 {
        return Some(format!("the file has {size} bytes, the chunk has {}", bytes.len()));
    }
    let mut buffer = vec![0; PIECE.min(bytes.len())];
    for (at, piece) in (0..).step_by(PIECE).zip(bytes.chunks(PIECE)) {
        let found = &mut buffer[..piece.len()];
        match file.read_exact_at(found, at) {
            Ok(()) if found == piece => {}
            Ok(()) => {
                let offset = found.iter().zip(piece).take_while(|(found, right)| found == right).count() as u64;
                return Some(format!("its byte {} is not the chunk's", at + offset));
            }
            // what cannot be read is as good as lost; the bytes in hand are not
            Err(error) => return Some(format!("it cannot be read: {error}")),
        }
    }
    None
}
