//! The few file operations of the write path, as a trait, so that a test can make any of them fail.

use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// An open file of the log.
pub trait AuditFile: Send {
    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// When not all bytes were taken; how many were is not known then.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Sees to it that the `bytes` from `offset` on can be written without looking for room. A shorter file becomes longer
    /// by zeros: a sync of what is written there later has no new length to make durable. False where the file system
    /// cannot promise that.
    ///
    /// # Errors
    /// When there is no room.
    fn reserve(&mut self, _offset: u64, _bytes: u64) -> io::Result<bool> {
        Ok(false)
    }

    /// Cuts the file to `len` bytes, durably.
    ///
    /// # Errors
    /// When the file could not be cut.
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Returns when everything written is durable.
    ///
    /// # Errors
    /// When it may not be. What was written before is in an unknown state then, and a second sync proves nothing.
    fn sync(&mut self) -> io::Result<()>;
}

/// The directory operations of the log.
pub trait AuditFs: Send + Sync + 'static {
    /// Creates a file, or empties the one there.
    ///
    /// # Errors
    /// When the file cannot be opened for writing.
    fn create(&self, path: &Path) -> io::Result<Box<dyn AuditFile>>;

    /// Opens a file for writing.
    ///
    /// # Errors
    /// When there is none, or it cannot be written.
    fn open(&self, path: &Path) -> io::Result<Box<dyn AuditFile>>;

    /// Gives a file another name, replacing what has it.
    ///
    /// # Errors
    /// When the name could not be changed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When it could not be removed.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns when the names in a directory are durable.
    ///
    /// # Errors
    /// When they may not be.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// The real file system. Files are readable by their owner only.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFs;

impl AuditFile for File {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn reserve(&mut self, offset: u64, bytes: u64) -> io::Result<bool> {
        match fallocate(&*self, FallocateFlags::empty(), offset, bytes) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)?;
        self.sync_all()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl AuditFs for DiskFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn AuditFile>> {
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn AuditFile>> {
        Ok(Box::new(OpenOptions::new().write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}
