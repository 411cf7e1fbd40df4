//! A folder for files that have no name yet, one for each batch or version that is being written.
//!
//! Its presence at the next start says that a write was cut short: names may then be on the disk only in the
//! system's memory, so the store syncs the file system before it believes them.

use crate::ChunkError;
use crate::fs::Fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A folder of temporary files that is removed with everything in it.
#[derive(Debug)]
pub(crate) struct TempFolder {
    path: PathBuf,
    next: AtomicU64,
    /// Names were given to files of this folder, and nobody made sure that these are on the disk.
    unsettled: AtomicBool,
    /// Something failed after which nothing is sure.
    keep: AtomicBool,
}

impl TempFolder {
    pub(crate) fn new(fs: &dyn Fs, tmp: &Path) -> Result<Self, ChunkError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = tmp.join(format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        fs.create_dir(&path).map_err(ChunkError::io("make the temporary folder", &path))?;
        Ok(Self { path, next: AtomicU64::new(0), unsettled: AtomicBool::new(false), keep: AtomicBool::new(false) })
    }

    pub(crate) fn next(&self) -> PathBuf {
        self.path.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// From now on files get their names: however this ends, the folder stays as a mark until [`Self::settle`].
    pub(crate) fn unsettle(&self) {
        self.unsettled.store(true, Ordering::Relaxed);
    }

    /// All names that were given are on the disk.
    pub(crate) fn settle(&self) {
        self.unsettled.store(false, Ordering::Relaxed);
    }

    /// Leaves the folder, empty, as a mark for the next start.
    pub(crate) fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let removed = if self.keep.load(Ordering::Relaxed) || self.unsettled.load(Ordering::Relaxed) {
            let files = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
            files.map(|file| std::fs::remove_file(file.path())).find(Result::is_err).unwrap_or(Ok(()))
        } else {
            std::fs::remove_dir_all(&self.path)
        };
        if let Err(error) = removed {
            tracing::warn!(path = %self.path.display(), %error, "a temporary folder stays until the next start");
        }
    }
}
