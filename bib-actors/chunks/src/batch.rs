//! A group of chunks that get on the disk together: many temporary files, one round of syncs, then their names.
//!
//! Nothing of a batch can be read from the store before [`Batch::commit`]; a batch that is dropped leaves nothing. Where
//! chunks are kept in memory alone, they are there as soon as they are put.
//!
//! A batch holds its chunks while it lives. Afterwards a sweep may remove what no version names: record the version that
//! needs the chunks before, or hold them beyond the commit with [`ChunkStore::hold`].

use crate::ChunkError;
use crate::commit::{Placed, Staged};
use crate::hold::Hold;
use crate::store::{ChunkStore, Inner, name_of};
use crate::temp::TempFolder;
use bib_domain::ChunkHash;
use std::collections::HashSet;

/// Whether a chunk had to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutOutcome {
    /// The chunk's name.
    pub hash: ChunkHash,
    /// False when the store has these very bytes already, or this batch does.
    pub new: bool,
}

/// What a commit added to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchReport {
    /// Chunks that were not in the store before.
    pub new_chunks: u64,
    /// Bytes in them.
    pub new_bytes: u64,
}

/// A group of chunks on their way into the store.
#[derive(Debug)]
pub struct Batch {
    store: ChunkStore,
    folder: Option<TempFolder>,
    staged: Vec<Staged>,
    seen: HashSet<ChunkHash>,
    bytes: u64,
    hold: Hold,
    /// Whether chunks go past the page cache.
    direct: bool,
    /// What went into memory, where that is all there is.
    shelved: BatchReport,
}

impl Batch {
    pub(crate) fn new(store: ChunkStore) -> Self {
        let hold = store.new_hold();
        Self {
            store,
            folder: None,
            staged: Vec::new(),
            seen: HashSet::new(),
            bytes: 0,
            hold,
            direct: false,
            shelved: BatchReport::default(),
        }
    }

    /// Chunks go to the disk past the system's page cache from here on, where the file system can do that: for much data
    /// that is not read soon. They are to begin where a page does, as in [`crate::Buffers`]; others go as usual.
    #[must_use]
    pub fn past_page_cache(mut self) -> Self {
        self.direct = true;
        self
    }

    /// Adds a chunk whose name is known. The bytes are hashed; they are kept only if the name is theirs.
    ///
    /// # Errors
    /// [`ChunkError::WrongHash`], [`ChunkError::ChunkSize`], [`ChunkError::BatchFull`], or what the file system says.
    /// The batch may be used on after the first two.
    pub fn put(&mut self, hash: ChunkHash, bytes: &[u8]) -> Result<PutOutcome, ChunkError> {
        let found = name_of(bytes);
        if found == hash { self.add(hash, bytes) } else { Err(ChunkError::WrongHash { expected: hash, found }) }
    }

    /// Adds a chunk and tells its name.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_bytes(&mut self, bytes: &[u8]) -> Result<PutOutcome, ChunkError> {
        self.add(name_of(bytes), bytes)
    }

    fn add(&mut self, hash: ChunkHash, bytes: &[u8]) -> Result<PutOutcome, ChunkError> {
        let inner = &*self.store.inner;
        inner.check_size(bytes)?;
        self.hold.add(hash);
        if self.seen.contains(&hash) || inner.has(&hash, bytes)? {
            return Ok(PutOutcome { hash, new: false });
        }
        if let Some(shelf) = &inner.shelf {
            let new = shelf.put(hash, bytes);
            self.seen.insert(hash);
            self.shelved.new_chunks += u64::from(new);
            self.shelved.new_bytes += if new { bytes.len() as u64 } else { 0 };
            return Ok(PutOutcome { hash, new });
        }
        if !self.has_room(bytes.len()) {
            return Err(ChunkError::BatchFull { chunks: self.staged.len(), bytes: self.bytes });
        }
        let folder = match self.folder.take() {
            Some(folder) => folder,
            None => TempFolder::new(&*inner.fs, &inner.layout.tmp())?,
        };
        let staged = inner.stage(self.folder.insert(folder), hash, bytes, self.direct)?;
        self.seen.insert(hash);
        self.bytes += bytes.len() as u64;
        self.staged.push(staged);
        Ok(PutOutcome { hash, new: true })
    }

    /// Whether a chunk of `len` bytes fits into the bounds of the store's options.
    #[must_use]
    pub fn has_room(&self, len: usize) -> bool {
        let options = &self.store.inner.options;
        self.staged.len() < options.batch_chunks && self.bytes + len as u64 <= options.batch_bytes
    }

    /// Chunks that a commit would write.
    #[must_use]
    pub fn len(&self) -> usize {
        self.staged.len()
    }

    /// Whether a commit has nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.staged.is_empty()
    }

    /// Gives the chunks their names. When this returns they are on the disk, whatever happens next.
    ///
    /// # Errors
    /// What the file system says. Then no chunk of the batch is acknowledged; some may be there all the same.
    pub fn commit(self) -> Result<BatchReport, ChunkError> {
        let inner = &*self.store.inner;
        if inner.shelf.is_some() {
            return Ok(self.shelved);
        }
        let Some(folder) = &self.folder else { return Ok(BatchReport::default()) };
        let mut placed = Placed::default();
        placed.place(inner, folder, &self.staged)?;
        placed.acknowledge(inner, folder)
    }
}

impl Inner {
    pub(crate) fn check_size(&self, bytes: &[u8]) -> Result<(), ChunkError> {
        let (len, max) = (bytes.len() as u64, u64::from(self.options.max_chunk_bytes));
        if (1..=max).contains(&len) { Ok(()) } else { Err(ChunkError::ChunkSize { len, max }) }
    }

    /// Writes a chunk to a temporary file, and lets the disk begin with it.
    pub(crate) fn stage(
        &self,
        folder: &TempFolder,
        hash: ChunkHash,
        bytes: &[u8],
        direct: bool,
    ) -> Result<Staged, ChunkError> {
        let path = folder.next();
        let mut file = self.fs.create(&path).map_err(ChunkError::io("make the temporary file", &path))?;
        let failed = |error| ChunkError::io("write the temporary file", &path)(error);
        let cached = !direct || !self.fs.write_direct(&mut file, bytes).map_err(failed)?;
        if cached {
            self.fs.write(&mut file, bytes).map_err(failed)?;
            self.fs.start_writeback(&file);
        }
        Ok(Staged { hash, len: bytes.len() as u64, path, file, cached })
    }
}
