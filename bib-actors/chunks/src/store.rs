//! The content-addressed store: chunks by their SHA-256 names, verified when they are read.
//!
//! Owns the folder `<root>`; no other program may write there. Never serves bytes that do not match their name, and
//! never counts a chunk as held before its bytes and its name are on the disk.

use crate::batch::Batch;
use crate::fs::{Fs, RealFs};
use crate::hold::{Hold, Holds};
use crate::hurt::Hurt;
use crate::layout::Layout;
use crate::manifest::ChunkRef;
use crate::shelf::Shelf;
use crate::stats::{Counter, StoreStats};
use crate::verified::{Stamp, Verified};
use crate::warm::Warm;
use crate::{ChunkError, StoreOptions};
use bib_domain::ChunkHash;
use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::{File, Permissions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often a lock that is held is tried again. A program that this process starts holds copies of its files from fork
/// to exec, so that a lock may outlive its owner for a moment; a real owner does not go away.
const LOCK_TRIES: u32 = 50;
/// The pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Takes from others what an earlier version, or a umask, gave them: what is below cannot be reached then.
fn close_to_others(root: &Path) -> Result<(), ChunkError> {
    let about = root.metadata().map_err(ChunkError::io("look at the folder", root))?;
    if about.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    match std::fs::set_permissions(root, Permissions::from_mode(0o700)) {
        // the root of a file system that belongs to somebody else, or that knows no modes: what is new in it is closed
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
            tracing::warn!(folder = %root.display(), %error, "the folder of the chunks stays open to others");
            Ok(())
        }
        done => done.map_err(ChunkError::io("close the folder", root)),
    }
}

/// A chunk store. Cheap to clone; all clones are the same store.
#[derive(Debug, Clone)]
pub struct ChunkStore {
    pub(crate) inner: Arc<Inner>,
}

/// What is shared by the clones.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) layout: Layout,
    pub(crate) options: StoreOptions,
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) placing: Arc<Mutex<Placing>>,
    pub(crate) counter: Arc<Counter>,
    pub(crate) verified: Verified,
    /// The same for what was hashed when it was written, and not read since.
    pub(crate) written: Verified,
    pub(crate) warm: Warm,
    /// Where chunks go that are kept in memory alone.
    pub(crate) shelf: Option<Shelf>,
    hurt: Hurt,
    _lock: File,
}

/// Names that were given and may not be on the disk yet. Whoever gives or takes names holds its lock.
#[derive(Debug, Default)]
pub(crate) struct Placing {
    /// Chunks that have their name, but whose folder was not synced since.
    pub(crate) chunks: HashSet<ChunkHash>,
    /// Leaf folders that were made, but whose parents were not synced since.
    pub(crate) leaves: HashSet<u32>,
    /// Chunks that somebody works with.
    pub(crate) holds: Holds,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.counter.stop();
    }
}

/// The SHA-256 name of `bytes`.
#[must_use]
pub fn name_of(bytes: &[u8]) -> ChunkHash {
    ChunkHash::from_bytes(Sha256::digest(bytes).into())
}

impl ChunkStore {
    /// Opens the store in the folder `root`, and makes it if it is not there. The folder above must exist.
    ///
    /// What a crash left behind is cleared away. Chunks are counted in the background: see [`Self::stats`].
    ///
    /// # Errors
    /// [`ChunkError::InUse`] when another process has it open, or what the file system says.
    pub fn open(root: &Path, options: StoreOptions) -> Result<Self, ChunkError> {
        Self::open_with(root, options, Arc::new(RealFs))
    }

    /// Opens the store on other file operations than the system's, for tests of their failure.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(root: &Path, options: StoreOptions, fs: Arc<dyn Fs>) -> Result<Self, ChunkError> {
        options.check()?;
        let layout = Layout::new(root);
        for folder in [root.to_owned(), layout.tmp(), layout.quarantine()] {
            match fs.create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(ChunkError::io("make the folder", folder)(error));
                }
                _ => {}
            }
        }
        close_to_others(root)?;
        // An earlier process may have made them without living long enough to sync them.
        let above = root.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        for folder in [above, root] {
            fs.sync_dir(folder).map_err(ChunkError::io("sync the folder", folder))?;
        }
        let lock = File::create(layout.lock()).map_err(ChunkError::io("make the lock file", layout.lock()))?;
        let mut tries = 0;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => tries += 1,
                Err(TryLockError::WouldBlock) => return Err(ChunkError::InUse { root: root.to_owned() }),
                Err(TryLockError::Error(error)) => return Err(ChunkError::io("lock", layout.lock())(error)),
            }
            std::thread::park_timeout(LOCK_PAUSE);
        }
        clear_leftovers(&layout, &*fs)?;

        let inner = Inner {
            verified: Verified::new(options.verified_chunks),
            written: Verified::new(options.verified_chunks),
            warm: Warm::new(options.page_cache_bytes),
            hurt: Hurt::new(options.hurt_chunks),
            shelf: options.memory_bytes.map(Shelf::new),
            placing: Arc::default(),
            counter: Arc::default(),
            layout,
            options,
            fs,
            _lock: lock,
        };
        let (counter, layout, placing) = (Arc::clone(&inner.counter), inner.layout.clone(), Arc::clone(&inner.placing));
        std::thread::Builder::new()
            .name("bib-chunk-count".to_owned())
            .spawn(move || counter.walk(&layout, &placing))
            .map_err(ChunkError::io("start a thread that counts", root))?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Begins a group of chunks that are synced together.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch::new(self.clone())
    }

    /// The options with which the store was opened.
    #[must_use]
    pub fn options(&self) -> &StoreOptions {
        &self.inner.options
    }

    /// Whether the chunk is here. It is not read for that.
    #[must_use]
    pub fn contains(&self, hash: &ChunkHash) -> bool {
        self.size(hash).is_ok_and(|size| size.is_some())
    }

    /// How many bytes the chunk's file has, if it is here.
    ///
    /// # Errors
    /// What the file system says.
    pub fn size(&self, hash: &ChunkHash) -> Result<Option<u64>, ChunkError> {
        self.inner.size(hash)
    }

    /// Reads a chunk and checks it against its name. If it was not in the system's page cache, it leaves that again when
    /// so many others came there as the options let stay.
    ///
    /// # Errors
    /// [`ChunkError::Missing`], [`ChunkError::Corrupt`] (the file is in quarantine then), or what the file system says.
    pub fn read(&self, hash: &ChunkHash) -> Result<Bytes, ChunkError> {
        if let Some(bytes) = self.inner.shelved(hash) {
            return Ok(bytes);
        }
        let (file, stamp, size) = self.inner.open_to_read(hash)?;
        self.inner.warm.add_cold(&self.inner.layout, &file, *hash, size);
        self.inner.read_whole(hash, file, stamp, size)
    }

    /// Keeps a sweep away from these chunks until the hold is dropped. Look for them after this, never before.
    #[must_use]
    pub fn hold(&self, chunks: &[ChunkRef]) -> Hold {
        let hold = self.new_hold();
        for chunk in chunks {
            hold.add(chunk.hash);
        }
        hold
    }

    pub(crate) fn new_hold(&self) -> Hold {
        Hold::new(&self.inner.placing)
    }

    /// Notes that a chunk which ought to be here is damaged or missing. Damage that is found by reading is noted by
    /// itself. Nothing ought to be in a memory that lets go.
    pub fn report_hurt(&self, hash: ChunkHash, why: String) {
        if self.inner.shelf.is_none() {
            self.inner.hurt.add(hash, why);
        }
    }

    /// Takes at most `most` of the chunks that were found damaged or missing, each with what was found.
    #[must_use]
    pub fn take_hurt(&self, most: usize) -> Vec<(ChunkHash, String)> {
        self.inner.hurt.take(most)
    }

    /// The chunks in quarantine of which there is no good copy here, in the order of their names.
    ///
    /// # Errors
    /// What the file system says.
    pub fn lost_to_quarantine(&self) -> Result<Vec<ChunkHash>, ChunkError> {
        let folder = self.inner.layout.quarantine();
        let files = std::fs::read_dir(&folder).map_err(ChunkError::io("list", &folder))?;
        let name = |file: &std::fs::DirEntry| file.file_name().to_str()?.split_once('.')?.0.parse().ok();
        let mut lost: Vec<ChunkHash> = files.flatten().filter_map(|file| name(&file)).collect();
        lost.sort_unstable();
        lost.dedup();
        lost.retain(|hash| !self.contains(hash));
        Ok(lost)
    }

    /// How much the store holds.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        let mut stats = self.inner.counter.read();
        if let Some(shelf) = &self.inner.shelf {
            let (chunks, bytes) = shelf.holds();
            stats.chunks += chunks;
            stats.bytes += bytes;
        }
        stats
    }
}

impl Inner {
    /// The bytes of a chunk that is in memory. They were compared with its name when they came.
    pub(crate) fn shelved(&self, hash: &ChunkHash) -> Option<Bytes> {
        self.shelf.as_ref()?.get(hash)
    }

    pub(crate) fn size(&self, hash: &ChunkHash) -> Result<Option<u64>, ChunkError> {
        if let Some(size) = self.shelf.as_ref().and_then(|shelf| shelf.size(hash)) {
            return Ok(Some(size));
        }
        let path = self.layout.chunk(hash);
        match std::fs::symlink_metadata(&path) {
            Ok(file) if file.is_file() => Ok(Some(file.len())),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ChunkError::io("look at", path)(error)),
        }
    }

    /// Whether the chunk is here with the right size, and both its bytes and its name are on the disk.
    pub(crate) fn is_held(&self, hash: &ChunkHash, len: u64) -> Result<bool, ChunkError> {
        Ok(self.size(hash)? == Some(len) && !self.placing.lock().chunks.contains(hash))
    }

    pub(crate) fn open(&self, hash: &ChunkHash) -> Result<(File, Stamp, u64), ChunkError> {
        let path = self.layout.chunk(hash);
        let file = File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ChunkError::Missing { hash: *hash, damaged: false },
            _ => ChunkError::io("open", &path)(error),
        })?;
        let about = file.metadata().map_err(ChunkError::io("look at", &path))?;
        if about.is_file() {
            Ok((file, Stamp::of(&about), about.len()))
        } else {
            Err(ChunkError::Missing { hash: *hash, damaged: false })
        }
    }

    pub(crate) fn read_whole(
        &self,
        hash: &ChunkHash,
        file: File,
        stamp: Stamp,
        size: u64,
    ) -> Result<Bytes, ChunkError> {
        self.refuse_large(hash, stamp, size)?;
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
        let read = file.take(u64::from(self.options.max_chunk_bytes) + 1).read_to_end(&mut bytes);
        read.map_err(ChunkError::io("read", self.layout.chunk(hash)))?;
        self.compare(hash, name_of(&bytes), bytes.len() as u64, stamp)?;
        Ok(Bytes::from(bytes))
    }

    /// A file that is larger than any chunk is not read at all.
    pub(crate) fn refuse_large(&self, hash: &ChunkHash, stamp: Stamp, size: u64) -> Result<(), ChunkError> {
        let max = u64::from(self.options.max_chunk_bytes);
        if size > max {
            return Err(self.corrupt(hash, stamp, format!("the file has {size} bytes, chunks have at most {max}")));
        }
        Ok(())
    }

    /// Compares a chunk's name with what its `bytes` bytes hash to.
    pub(crate) fn compare(
        &self,
        hash: &ChunkHash,
        found: ChunkHash,
        bytes: u64,
        stamp: Stamp,
    ) -> Result<(), ChunkError> {
        if found != *hash {
            return Err(self.corrupt(hash, stamp, format!("its {bytes} bytes hash to {found}")));
        }
        self.verified.remember(hash, stamp);
        Ok(())
    }

    /// Moves a damaged chunk out of the way, unless its file was replaced since it was read.
    pub(crate) fn corrupt(&self, hash: &ChunkHash, read: Stamp, detail: String) -> ChunkError {
        self.verified.forget(hash);
        self.written.forget(hash);
        let path = self.layout.chunk(hash);
        let _placing = self.placing.lock();
        let now = std::fs::symlink_metadata(&path).map(|file| (Stamp::of(&file), file.len()));
        let quarantine = match now {
            Ok((stamp, len)) if stamp == read => self.put_away(hash, &path, len),
            _ => None,
        };
        self.hurt.add(*hash, detail.clone());
        tracing::warn!(chunk = %hash, detail, quarantine = ?quarantine, "a chunk is damaged on the disk");
        ChunkError::Corrupt { hash: *hash, detail, quarantine }
    }

    /// Moves the file of a chunk to quarantine, or deletes it when that is full. Call under the placing lock.
    pub(crate) fn put_away(&self, hash: &ChunkHash, path: &Path, len: u64) -> Option<PathBuf> {
        let full = std::fs::read_dir(self.layout.quarantine())
            .is_ok_and(|files| files.count() >= self.options.quarantine_chunks as usize);
        let target = (0..self.options.quarantine_chunks)
            .map(|n| self.layout.quarantined(hash, n))
            .find(|target| !full && !target.exists());
        let moved = match &target {
            Some(target) => std::fs::rename(path, target),
            None => std::fs::remove_file(path),
        };
        match moved {
            Ok(()) => {
                self.counter.removed(hash, len);
                target
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "a damaged chunk could not be moved to quarantine");
                None
            }
        }
    }
}

/// Removes what an earlier process left unfinished. If there is any, names that it gave may not be on the disk yet.
fn clear_leftovers(layout: &Layout, fs: &dyn Fs) -> Result<(), ChunkError> {
    let tmp = layout.tmp();
    let left: Vec<_> = std::fs::read_dir(&tmp).map_err(ChunkError::io("list", &tmp))?.flatten().collect();
    if left.is_empty() {
        return Ok(());
    }
    fs.sync_file_system(layout.root()).map_err(ChunkError::io("sync the file system of", layout.root()))?;
    for item in &left {
        let path = item.path();
        let is_dir = item.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_dir { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.map_err(ChunkError::io("remove the leftover", path))?;
    }
    tracing::info!(leftovers = left.len(), "removed what an unfinished write left in the chunk store");
    Ok(())
}
