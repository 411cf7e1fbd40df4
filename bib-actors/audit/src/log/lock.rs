//! One writer a directory: a lock on a file in it, held as long as the log is open for appending.
//!
//! It is what keeps a new incarnation, or a second daemon on the same data, from writing beside one that is still
//! finishing its last batch.

use crate::error::AuditError;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// The lock on a log's directory; released when dropped, also by a crash.
#[derive(Debug)]
pub(crate) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the lock, or says that somebody else has it.
    pub(crate) fn try_take(dir: &Path) -> Result<Option<Self>, AuditError> {
        let path = dir.join("lock");
        let open = || {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)
        };
        let file = open().map_err(|error| AuditError::io("opening the lock file", &path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(AuditError::io("locking", &path, &error)),
        }
    }
}
