//! Files that survive a power cut: written under a temporary name, synced, renamed, and the directory synced.

use crate::error::GuardianError;
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a lock that somebody holds is tried again.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// Makes a directory and its parents; only its owner may enter the ones that are made.
pub(crate) fn private_dir(path: &Path) -> Result<(), GuardianError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(GuardianError::file("make the directory", path))
}

/// Syncs a directory, so that the names in it are durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), GuardianError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(GuardianError::file("sync the directory", path))
}

/// Writes a file that is either whole and durable or not there. Mode 0600.
pub(crate) fn write_durably(path: &Path, temporary: &Path, bytes: &[u8]) -> Result<(), GuardianError> {
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(temporary, path)
    })();
    if let Err(source) = written {
        let _ = std::fs::remove_file(temporary);
        return Err(GuardianError::File { doing: "write", path: path.to_owned(), source });
    }
    path.parent().map_or(Ok(()), sync_dir)
}

/// A lock on a file that lasts as long as this value. The system releases it also when the process is killed.
#[derive(Debug)]
pub(crate) struct DirLock(#[expect(dead_code, reason = "held for the lock on it")] File);

impl DirLock {
    /// Waits until nobody else holds it, for `patience` at most.
    pub(crate) async fn acquire(path: PathBuf, patience: Duration) -> Result<Self, GuardianError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(GuardianError::file("open the lock", &path))?;
        let taken = tokio::time::timeout(patience, async {
            loop {
                match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => return Ok(()),
                    Err(rustix::io::Errno::WOULDBLOCK) => tokio::time::sleep(LOCK_POLL).await,
                    Err(error) => return Err(GuardianError::file("lock", &path)(error.into())),
                }
            }
        })
        .await;
        match taken {
            Ok(locked) => locked.map(|()| Self(file)),
            Err(_) => Err(GuardianError::Setup(format!(
                "another bibd uses {}: stop it first, or give this node a data directory of its own",
                path.parent().unwrap_or(&path).display()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_written_file_is_private_and_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (path, temporary) = (dir.path().join("a"), dir.path().join("a.new"));
        for text in ["one", "two"] {
            write_durably(&path, &temporary, text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!temporary.exists());
    }

    #[tokio::test]
    async fn only_one_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = DirLock::acquire(path.clone(), Duration::ZERO).await.unwrap();
        let refused = DirLock::acquire(path.clone(), Duration::from_millis(120)).await.unwrap_err();
        assert!(refused.to_string().contains("another bibd"), "{refused}");
        drop(first);
        DirLock::acquire(path, Duration::from_secs(5)).await.unwrap();
    }
}
