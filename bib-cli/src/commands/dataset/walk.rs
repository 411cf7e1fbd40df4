//! What lies in a folder, in the order of its names. Links are not followed.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use std::fs::{FileType, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink(String),
}

/// One thing to upload.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Relative name, '/' between parts.
    pub(crate) path: String,
    /// Where it lies on this machine.
    pub(crate) source: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    /// Permission bits.
    pub(crate) mode: u32,
}

/// Lists `root`: a single file, or everything in a folder.
///
/// # Errors
/// When something cannot be read or kept: a name that is not UTF-8, a socket, a device.
pub(super) fn walk(root: &Path) -> CliResult<Vec<Found>> {
    let about = |path: &Path, error: std::io::Error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
        CliError::new(exit, format!("cannot read {}: {error}", path.display()))
    };
    // what is named on the command line may be a link; what lies below is kept as it is
    if root == Path::new("-") {
        return Err(CliError::usage(
            "standard input has no name and no known size, so it cannot become a file of a dataset",
        )
        .hint("write it to a file first, then upload that file"));
    }
    let metadata = std::fs::metadata(root).map_err(|error| about(root, error))?;
    let mut found = Vec::new();
    if metadata.is_file() {
        let name = root.file_name().and_then(|name| name.to_str()).ok_or_else(|| not_text(root))?;
        found.push(entry(name.to_owned(), root.to_owned(), &metadata)?);
        return check(found);
    }
    if !metadata.is_dir() {
        return Err(special(root, metadata.file_type()));
    }
    let mut folders = vec![(root.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for child in std::fs::read_dir(&folder).map_err(|error| about(&folder, error))? {
            let child = child.map_err(|error| about(&folder, error))?;
            let source = child.path();
            let name = child.file_name().into_string().map_err(|_| not_text(&source))?;
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let metadata = child.metadata().map_err(|error| about(&source, error))?;
            if metadata.is_dir() {
                folders.push((source.clone(), path.clone()));
            }
            found.push(entry(path, source, &metadata)?);
        }
    }
    found.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    check(found)
}

fn check(found: Vec<Found>) -> CliResult<Vec<Found>> {
    for item in &found {
        if let Err(why) = bib_domain::paths::check_path(&item.path) {
            return Err(CliError::usage(format!("cannot keep {}: {why}", item.source.display()))
                .hint("rename it, then upload again"));
        }
    }
    Ok(found)
}

fn entry(path: String, source: PathBuf, metadata: &Metadata) -> CliResult<Found> {
    let mode = metadata.mode() & 0o7777;
    let kind = if metadata.is_symlink() {
        let target = std::fs::read_link(&source).map_err(|error| {
            CliError::new(Exit::Failed, format!("cannot read the link {}: {error}", source.display()))
        })?;
        Kind::Symlink(target.to_str().ok_or_else(|| not_text(&source))?.to_owned())
    } else if metadata.is_dir() {
        Kind::Directory
    } else if metadata.is_file() {
        Kind::File
    } else {
        return Err(special(&source, metadata.file_type()));
    };
    let size = if kind == Kind::File { metadata.len() } else { 0 };
    Ok(Found { path, source, kind, size, mode })
}

fn not_text(path: &Path) -> CliError {
    CliError::usage(format!("the name {path:?} is not UTF-8, and names are kept as UTF-8"))
        .hint("rename it, then upload again")
}

fn special(path: &Path, kind: FileType) -> CliError {
    let what = if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    CliError::usage(format!("{} is {what}: only files, folders and links can be kept", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn lists_in_order_and_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("b/deep")).unwrap();
        std::fs::write(root.join("b/deep/x.csv"), "1").unwrap();
        std::fs::write(root.join("a.txt"), "22").unwrap();
        symlink("..", root.join("b/up")).unwrap();
        let found = walk(root).unwrap();
        let paths: Vec<&str> = found.iter().map(|item| item.path.as_str()).collect();
        assert_eq!(paths, ["a.txt", "b", "b/deep", "b/deep/x.csv", "b/up"]);
        assert_eq!(found[4].kind, Kind::Symlink("..".into()));
        assert_eq!(found[0].size, 2);
    }

    #[test]
    fn refuses_what_cannot_be_kept() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
        let error = walk(folder.path()).unwrap_err();
        assert!(error.message.contains("not UTF-8"), "{}", error.message);
        let socket = tempfile::tempdir().unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(socket.path().join("s")).unwrap();
        assert!(walk(socket.path()).unwrap_err().message.contains("a socket"));
        assert_eq!(walk(Path::new("/nonexistent")).unwrap_err().exit, Exit::NotFound);
    }
}
