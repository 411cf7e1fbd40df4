//! The node's folder: made private, locked by one daemon at a time, marked with its layout.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The layout of the folder that this version writes and reads.
const LAYOUT: &str = "bib-data/1\n";

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another daemon uses it.
    #[error("the data folder {path} is in use by another bibd: stop that one, or give this one another folder")]
    InUse {
        /// Which folder.
        path: PathBuf,
    },
    /// It was written by another version.
    #[error(
        "the data folder {path} has the layout {found:?}, and this bibd knows {LAYOUT:?}: use the bibd that wrote it"
    )]
    Layout {
        /// Which folder.
        path: PathBuf,
        /// What stands in its marker.
        found: String,
    },
    /// The system refuses.
    #[error("cannot use the data folder {path}: {source}")]
    Io {
        /// Which folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The folder, locked as long as this value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the folder if it is not there, and locks it. The lock goes with the process, also after `kill -9`.
    ///
    /// # Errors
    /// [`DataDirError`] when it is in use, of another layout, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let about = |at: &Path| {
            let at = at.to_owned();
            move |source| DataDirError::Io { path: at, source }
        };
        // others may pass through to the socket of PostgreSQL, and list nothing
        std::fs::DirBuilder::new().recursive(true).mode(0o711).create(path).map_err(about(path))?;
        let lock_path = path.join("bibd.lock");
        let mut options = File::options();
        let lock = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let mut lock = lock.map_err(about(&lock_path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(DataDirError::InUse { path: path.to_owned() }),
            Err(error) => return Err(about(&lock_path)(error.into())),
        }
        // for people who look into the folder; nothing reads it
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(about(&lock_path))?;
        let marker = path.join("layout");
        match std::fs::read_to_string(&marker) {
            Ok(found) if found == LAYOUT => {}
            Ok(found) => return Err(DataDirError::Layout { path: path.to_owned(), found }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_marker(path, &marker).map_err(about(&marker))?
            }
            Err(error) => return Err(about(&marker)(error)),
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn write_marker(folder: &Path, marker: &Path) -> io::Result<()> {
    let temporary = folder.join("layout.tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(LAYOUT.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, marker)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_daemon_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/data");
        let first = DataDir::open(&path).unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse { .. })));
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_folder_of_another_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("layout"), "bib-data/9\n").unwrap();
        assert!(matches!(DataDir::open(folder.path()), Err(DataDirError::Layout { .. })));
    }
}
