//! The few file operations on which durability depends, behind a trait so that tests can make each of them fail.
//!
//! Reading needs no such care: a read that fails or lies is caught by the hash.

use crate::direct;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// File operations of the store.
///
/// The store calls `sync` once for a written file and never again after it failed: the kernel may have dropped the
/// bytes, and a second call would say that all is well.
pub trait Fs: fmt::Debug + Send + Sync + 'static {
    /// Makes one folder.
    ///
    /// # Errors
    /// The system's; `AlreadyExists` when it is there.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes a new, empty file for writing and reading.
    ///
    /// # Errors
    /// The system's; `AlreadyExists` when it is there.
    fn create(&self, path: &Path) -> io::Result<File>;

    /// Writes all of `bytes` at the end of `file`.
    ///
    /// # Errors
    /// The system's.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()>;

    /// Writes all of `bytes` to the new, empty `file`, past the page cache. False when that cannot be done: then nothing
    /// was written.
    ///
    /// # Errors
    /// The system's.
    fn write_direct(&self, file: &mut File, bytes: &[u8]) -> io::Result<bool>;

    /// Asks the system to begin to write the file's bytes to the disk, without waiting. Only a hint.
    fn start_writeback(&self, file: &File);

    /// Returns when the file's bytes and size are on the disk.
    ///
    /// # Errors
    /// The system's: then nothing is known about what is on the disk.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Gives a file its final name, in place of whatever had it.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Returns when the names in a folder are on the disk.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Returns when everything on the file system of `path` is on the disk.
    ///
    /// # Errors
    /// The system's.
    fn sync_file_system(&self, path: &Path) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFs;

impl Fs for RealFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        // what is in the store is given out by the node alone, whatever the umask
        DirBuilder::new().mode(0o700).create(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn write_direct(&self, file: &mut File, bytes: &[u8]) -> io::Result<bool> {
        direct::write(file, bytes)
    }

    fn start_writeback(&self, file: &File) {
        // Linux answers this advice by starting to write dirty pages at once, and keeps them cached while it does.
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_file_system(&self, path: &Path) -> io::Result<()> {
        rustix::fs::syncfs(File::open(path)?).map_err(io::Error::from)
    }
}
