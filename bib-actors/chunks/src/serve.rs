//! Chunks for other nodes, which hash what they are given themselves.

use crate::ChunkError;
use crate::buffers::Buffers;
use crate::store::{ChunkStore, Inner};
use crate::verified::Stamp;
use bib_domain::ChunkHash;
use bytes::Bytes;
use rustix::io::{ReadWriteFlags, preadv2};
use std::fs::File;
use std::io::IoSliceMut;

impl ChunkStore {
    /// Reads a chunk for somebody who hashes it, too. It is hashed here unless the store did that before, when it wrote or
    /// read the chunk, nobody touched the file since, and all of it is in memory still: bytes that come from the disk are
    /// hashed each time.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_to_serve(&self, hash: &ChunkHash, buffers: &Buffers) -> Result<Bytes, ChunkError> {
        match self.inner.in_memory(hash, buffers) {
            Some(bytes) => Ok(bytes),
            None => self.read(hash),
        }
    }
}

impl Inner {
    /// The bytes of a chunk that was hashed before and is in the system's memory.
    fn in_memory(&self, hash: &ChunkHash, buffers: &Buffers) -> Option<Bytes> {
        let (file, stamp, size) = self.open(hash).ok()?;
        let hashed = self.written.is_verified(hash, stamp) || self.verified.is_verified(hash, stamp);
        if !hashed || size > u64::from(self.options.max_chunk_bytes) {
            return None;
        }
        let mut bytes = buffers.take(usize::try_from(size).ok()?);
        // what is not in memory, it leaves out, and so do systems that cannot say
        let read = preadv2(&file, &mut [IoSliceMut::new(bytes.as_mut_slice())], 0, ReadWriteFlags::NOWAIT).ok()?;
        (read as u64 == size).then(|| Bytes::from_owner(bytes))
    }

    /// Remembers that what is in the file was hashed before it was written.
    pub(crate) fn remember_written(&self, hash: &ChunkHash, file: &File) {
        if let Ok(about) = file.metadata() {
            self.written.remember(hash, Stamp::of(&about));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreOptions;
    use crate::store::name_of;
    use rustix::fs::{Advice, fadvise};
    use std::fs::OpenOptions;
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    fn open(root: &Path) -> ChunkStore {
        ChunkStore::open(root, StoreOptions::default()).unwrap()
    }

    #[test]
    fn only_bytes_that_were_hashed_and_stay_in_memory_are_not_hashed_again() {
        // beside the tests' own program: a file system that says what it has in memory
        let dir = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
        let (root, bytes) = (dir.path().join("blobs"), [7; 100_001]);
        let hash = name_of(&bytes);
        let buffers = Buffers::new(1);
        let mut store = open(&root);
        let mut batch = store.batch();
        batch.put_bytes(&bytes).unwrap();
        batch.commit().unwrap();
        assert_eq!(
            store.inner.in_memory(&hash, &buffers).as_deref(),
            Some(&bytes[..]),
            "it was hashed when it was written"
        );

        let path = store.inner.layout.chunk(&hash);
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        assert_eq!(store.inner.in_memory(&hash, &buffers), None, "its bytes come from the disk");
        assert_eq!(store.read_to_serve(&hash, &buffers).unwrap()[..], bytes);
        assert!(store.inner.in_memory(&hash, &buffers).is_some(), "they are in memory again, and were hashed");

        drop(store);
        store = open(&root);
        assert_eq!(store.inner.in_memory(&hash, &buffers), None, "whether they were hashed is known in one life only");
        store.read(&hash).unwrap();
        assert!(store.inner.in_memory(&hash, &buffers).is_some());

        // a stamp has the clock's grain
        let before = Stamp::of(&file.metadata().unwrap());
        while Stamp::of(&file.metadata().unwrap()) == before {
            file.write_all_at(b"x", 99).unwrap();
        }
        assert_eq!(store.inner.in_memory(&hash, &buffers), None, "somebody wrote to the file");
        assert!(matches!(store.read_to_serve(&hash, &buffers), Err(ChunkError::Corrupt { .. })));
    }
}
