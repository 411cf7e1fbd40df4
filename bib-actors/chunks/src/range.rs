//! Parts of chunks, for readers who need no more.

use crate::ChunkError;
use crate::shelf::part;
use crate::store::{ChunkStore, Inner};
use crate::verified::Stamp;
use bib_domain::ChunkHash;
use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;

impl Inner {
    /// Opens a chunk that ought to be here. Of one that was damaged that is said, whoever of several readers found it.
    pub(crate) fn open_to_read(&self, hash: &ChunkHash) -> Result<(File, Stamp, u64), ChunkError> {
        match self.open(hash) {
            Err(ChunkError::Missing { hash, .. }) => {
                let damaged = self.layout.quarantined(&hash, 0).exists();
                Err(ChunkError::Missing { hash, damaged })
            }
            opened => opened,
        }
    }
}

impl ChunkStore {
    /// Reads a part of a chunk. The whole chunk is checked when it is first read, whenever its file changed since, and
    /// whenever the part is not in the system's memory any more.
    ///
    /// # Errors
    /// As [`Self::read`], and [`ChunkError::Range`] when the chunk has no such part.
    pub fn read_range(&self, hash: &ChunkHash, offset: u64, len: u64) -> Result<Bytes, ChunkError> {
        if let Some(bytes) = self.inner.shelved(hash) {
            return part(hash, &bytes, offset, len);
        }
        let (file, stamp, size) = self.inner.open_to_read(hash)?;
        if !self.inner.verified.is_verified(hash, stamp) {
            return part(hash, &self.inner.read_whole(hash, file, stamp, size)?, offset, len);
        }
        let end = offset.checked_add(len).filter(|&end| end <= size);
        let (Some(_), Ok(want)) = (end, usize::try_from(len)) else {
            return Err(ChunkError::Range { hash: *hash, offset, len, size });
        };
        let mut bytes = vec![0; want];
        match read_cached(&file, &mut bytes, offset) {
            Cached::All => return Ok(Bytes::from(bytes)),
            Cached::Unknown => {
                let failed = ChunkError::io("read", self.inner.layout.chunk(hash));
                file.read_exact_at(&mut bytes, offset).map_err(failed)?;
                return Ok(Bytes::from(bytes));
            }
            // it may have decayed on the disk since
            Cached::NotAll => drop(bytes),
        }
        part(hash, &self.inner.read_whole(hash, file, stamp, size)?, offset, len)
    }
}

/// How much of a part is in the system's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cached {
    /// All of it, and it was read.
    All,
    /// Not all of it: some comes from the disk.
    NotAll,
    /// The file system cannot say.
    Unknown,
}

fn read_cached(file: &File, bytes: &mut [u8], offset: u64) -> Cached {
    let want = bytes.len();
    match preadv2(file, &mut [IoSliceMut::new(bytes)], offset, ReadWriteFlags::NOWAIT) {
        Ok(read) if read == want => Cached::All,
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Cached::Unknown,
        Ok(_) | Err(_) => Cached::NotAll,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreOptions;
    use crate::store::name_of;
    use rustix::fs::{Advice, fadvise};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_part_that_comes_from_the_disk_is_not_believed() {
        // beside the tests' own program: a file system that says what it has in memory
        let dir = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
        let store = ChunkStore::open(&dir.path().join("blobs"), StoreOptions::default()).unwrap();
        let content = [7; 100_001];
        let hash = name_of(&content);
        let mut batch = store.batch();
        batch.put_bytes(&content).unwrap();
        batch.commit().unwrap();
        assert_eq!(store.read_range(&hash, 10, 20).unwrap()[..], content[10..30]);

        let file = File::open(store.inner.layout.chunk(&hash)).unwrap();
        let mut bytes = [0; 20];
        let first = read_cached(&file, &mut bytes, 10);
        if first == Cached::Unknown {
            // a file system that cannot say: what was checked is believed there
            return;
        }
        assert_eq!(first, Cached::All);
        assert_eq!(bytes[..], content[10..30]);
        // the asking has it read, and a quick disk may be done before the asking is
        let cold = (0..20).any(|_| {
            fadvise(&file, 0, None, Advice::DontNeed).unwrap();
            read_cached(&file, &mut bytes, 10) == Cached::NotAll
        });
        assert!(cold);
        assert_eq!(store.read_range(&hash, 10, 20).unwrap()[..], content[10..30]);
        assert_eq!(read_cached(&file, &mut bytes, 10), Cached::All, "the whole chunk was read, and hashed");
        assert!(matches!(store.read_range(&hash, 100_000, 2), Err(ChunkError::Range { .. })));
    }

    #[test]
    fn nobody_else_reads_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("blobs");
        std::fs::create_dir(&root).unwrap();
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
        let store = ChunkStore::open(&root, StoreOptions::default()).unwrap();
        let mut batch = store.batch();
        batch.put_bytes(b"secret").unwrap();
        batch.commit().unwrap();
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let chunk = store.inner.layout.chunk(&name_of(b"secret"));
        assert_eq!((mode(&root), mode(chunk.parent().unwrap()), mode(&chunk)), (0o700, 0o700, 0o600));
    }
}
