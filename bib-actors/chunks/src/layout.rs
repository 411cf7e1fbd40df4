//! Where things lie below the store's folder. Pure paths; nothing here touches the disk.

use bib_domain::ChunkHash;
use std::path::{Path, PathBuf};

/// The folders of a chunk store: `ab/cd/<hash>`, `tmp`, `quarantine`.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Chunks lie in this many folders.
    pub(crate) const LEAVES: u32 = 1 << 16;

    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The file of a chunk.
    pub(crate) fn chunk(&self, hash: &ChunkHash) -> PathBuf {
        self.leaf(Self::leaf_of(hash)).join(hash.to_hex())
    }

    /// Which of the folders a chunk lies in.
    pub(crate) fn leaf_of(hash: &ChunkHash) -> u32 {
        let bytes = hash.as_bytes();
        u32::from(bytes[0]) << 8 | u32::from(bytes[1])
    }

    /// The folder with a number below [`Self::LEAVES`].
    pub(crate) fn leaf(&self, leaf: u32) -> PathBuf {
        self.branch(leaf).join(format!("{:02x}", leaf & 0xff))
    }

    /// The folder above a leaf.
    pub(crate) fn branch(&self, leaf: u32) -> PathBuf {
        self.root.join(format!("{:02x}", leaf >> 8 & 0xff))
    }

    /// The name of a damaged chunk in quarantine.
    pub(crate) fn quarantined(&self, hash: &ChunkHash, n: u32) -> PathBuf {
        self.quarantine().join(format!("{}.{n}", hash.to_hex()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_lie_two_folders_deep() {
        let layout = Layout::new(Path::new("/data/blobs"));
        let hash = ChunkHash::from_bytes([0xab; 32]);
        let name = "ab".repeat(32);
        assert_eq!(layout.chunk(&hash), PathBuf::from(format!("/data/blobs/ab/ab/{name}")));
        assert_eq!(Layout::leaf_of(&hash), 0xabab);
        assert_eq!(layout.leaf(0x01fe), PathBuf::from("/data/blobs/01/fe"));
        assert_eq!(layout.quarantined(&hash, 2), PathBuf::from(format!("/data/blobs/quarantine/{name}.2")));
    }
}
