//! Files that hold keys: mode 0600 from their first byte, replaced as a whole or not at all.

use crate::error::TlsError;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes `dir` with mode 0700 if it is not there, and takes other people's rights away if it is.
pub(crate) fn private_dir(dir: &Path) -> Result<(), TlsError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o700)))
        .map_err(|source| TlsError::Write { path: dir.to_owned(), source })
}

/// Writes `text` under a temporary name, syncs it and renames it.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), TlsError> {
    let broken = |source| TlsError::Write { path: path.to_owned(), source };
    let temporary = path.with_extension("tmp");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(broken(error)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).map_err(broken)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(broken)?;
    rename(&temporary, path)
}

/// Gives a file its name; durable when this returns.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), TlsError> {
    let broken = |source| TlsError::Write { path: to.to_owned(), source };
    fs::rename(from, to).map_err(broken)?;
    to.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all()).map_err(broken)
}

/// Reads a file, `None` if it is not there.
pub(crate) fn read(path: &Path) -> Result<Option<String>, TlsError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TlsError::Read { path: path.to_owned(), source }),
    }
}

/// Reads a key, refusing one that others on this machine can read.
pub(crate) fn read_key(path: &Path) -> Result<Option<String>, TlsError> {
    let text = read(path)?;
    if text.is_some() {
        let mode =
            fs::metadata(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(TlsError::Exposed { path: path.to_owned(), mode: mode & 0o777 });
        }
    }
    Ok(text)
}
