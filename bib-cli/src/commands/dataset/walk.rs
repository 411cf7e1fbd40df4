//! What lies in a folder, in the order of its names. Links are not followed. What cannot be kept is found here, before
//! a byte is sent.

use super::seen::Stamp;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use bib_domain::paths::{Escaped, check_path, check_symlink};
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
    /// Whether it was named on the command line, where a link stands for what it points to.
    pub(crate) named: bool,
    pub(crate) size: u64,
    /// Permission bits.
    pub(crate) mode: u32,
    /// How it looked when it was listed.
    pub(crate) stamp: Stamp,
}

/// Lists `root`: a single file, or everything in a folder.
///
/// # Errors
/// When something cannot be read or kept: a name that is not UTF-8, a socket, a device.
pub(super) fn walk(root: &Path) -> CliResult<Vec<Found>> {
    let about = |path: &Path, error: std::io::Error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
        CliError::new(exit, format!("cannot read {}: {error}", shown(path)))
    };
    // what is named on the command line may be a link; what lies below is kept as it is
    let metadata = std::fs::metadata(root).map_err(|error| about(root, error))?;
    let mut found = Vec::new();
    if metadata.is_file() {
        let name = root.file_name().and_then(|name| name.to_str()).ok_or_else(|| not_text(root))?;
        found.push(Found { named: true, ..entry(name.to_owned(), root.to_owned(), &metadata)? });
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
        let checked = match &item.kind {
            Kind::Symlink(target) => check_symlink(&item.path, target),
            Kind::File | Kind::Directory => check_path(&item.path),
        };
        checked.map_err(|why| CliError::usage(why.to_string()).because("BAD_PATH"))?;
    }
    Ok(found)
}

fn entry(path: String, source: PathBuf, metadata: &Metadata) -> CliResult<Found> {
    let mode = metadata.mode() & 0o7777;
    let kind = if metadata.is_symlink() {
        let target = std::fs::read_link(&source).map_err(|error| {
            CliError::new(Exit::Failed, format!("cannot read the link {}: {error}", shown(&source)))
        })?;
        let target = target.into_os_string().into_string().map_err(|target| {
            CliError::usage(format!("the link {} points to {target:?}, which is not UTF-8", shown(&source)))
                .hint("rename what it points to, and make the link anew")
        })?;
        Kind::Symlink(target)
    } else if metadata.is_dir() {
        Kind::Directory
    } else if metadata.is_file() {
        Kind::File
    } else {
        return Err(special(&source, metadata.file_type()));
    };
    let size = if kind == Kind::File { metadata.len() } else { 0 };
    Ok(Found { path, source, kind, named: false, size, mode, stamp: Stamp::of(metadata) })
}

/// A path as it can be printed: in quotes, with everything escaped that is no letter.
pub(super) fn shown(path: &Path) -> String {
    Escaped(&path.to_string_lossy()).to_string()
}

fn not_text(path: &Path) -> CliError {
    CliError::usage(format!("the name {path:?} is not UTF-8, and names are kept as UTF-8"))
        .hint("rename it, then upload again")
}

pub(super) fn special(path: &Path, kind: FileType) -> CliError {
    let what = if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    CliError::usage(format!("{} is {what}: only files, folders and links can be kept", shown(path)))
        .hint("move it out of the folder, then upload again; nothing was put in")
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
        let fifo = tempfile::tempdir().unwrap();
        let made =
            rustix::fs::mknodat(rustix::fs::CWD, fifo.path().join("p"), rustix::fs::FileType::Fifo, 0o600.into(), 0);
        made.unwrap();
        assert!(walk(fifo.path()).unwrap_err().message.contains("a pipe"));
        assert!(walk(Path::new("/dev/null")).unwrap_err().message.contains("a device"));
    }

    #[test]
    fn names_that_are_odd_but_fit_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(255);
        let twins = ["caf\u{e9}.csv", "cafe\u{301}.csv", "Data.csv", "data.csv"];
        let names =
            ["-rf", "--", "back\\slash", "C:", "NUL", "aux.txt", "a b ", "trailing.", "...", "%2e%2e", "$(x)", &long];
        for name in names.iter().chain(&twins) {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let found = walk(folder.path()).unwrap();
        assert_eq!(found.len(), names.len() + twins.len());
        for item in &found {
            assert_eq!(std::fs::read_to_string(&item.source).unwrap(), item.path);
        }
    }

    #[test]
    fn names_that_steer_a_terminal_are_refused_and_shown_escaped() {
        for name in ["line\nbreak", "esc\u{1b}[31m", "bell\u{7}", "csi\u{9b}2J", "tab\t"] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(name), "x").unwrap();
            let error = walk(folder.path()).unwrap_err();
            assert!(error.message.contains("control character U+"), "{}", error.message);
            assert!(!error.message.chars().any(char::is_control), "{:?}", error.message);
        }
    }

    #[test]
    fn links_are_kept_as_links_or_refused_before_a_byte_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        // a loop, a link to itself and one to nothing are links like others: nothing follows them
        for (link, target) in [("a", "b"), ("b", "a"), ("self", "self"), ("dangling", "nowhere"), ("here", ".")] {
            symlink(target, root.join(link)).unwrap();
        }
        assert_eq!(walk(root).unwrap().len(), 5);
        for target in ["/etc/passwd", "..", "sub/../../x"] {
            let link = root.join("out");
            symlink(target, &link).unwrap();
            let error = walk(root).unwrap_err();
            assert!(error.message.contains(target) && error.reason == "BAD_PATH", "{error:?}");
            std::fs::remove_file(link).unwrap();
        }
        // the command line may name a link, but not one that leads nowhere
        assert!(walk(&root.join("self")).unwrap_err().message.contains("cannot read"));
    }
}
