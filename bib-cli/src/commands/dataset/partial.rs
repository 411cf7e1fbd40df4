//! What a download writes before it has its name.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::settings::sync_folder;
use crate::shell::word;
use bib_proto::v1::Entry;
use sha2::{Digest, Sha256};
use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A folder beside its final place, or in it where that is there; removed unless all of it arrived.
pub(super) struct Partial {
    path: PathBuf,
    /// Whether it lies in the folder that is to be filled.
    within: bool,
    open: Option<Open>,
    links: Vec<(PathBuf, String)>,
    modes: Vec<(PathBuf, u32)>,
    files: u64,
    /// Whether all of it is there and checked: from then on it is never removed.
    whole: bool,
}

struct Open {
    entry: Entry,
    file: File,
    hash: Sha256,
    size: u64,
}

impl Partial {
    pub(super) fn make(out: &Path) -> CliResult<Self> {
        // a folder that is there is kept: no rename replaces a mount point or a link, and one that replaced the folder
        // where a shell stands would leave that shell in a folder that is gone
        let within = out.is_dir();
        let mut number = std::process::id();
        let path = loop {
            let name = format!("{}{number}", beginning(out));
            let path = if within { out.join(name) } else { out.with_file_name(name) };
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                std::fs::create_dir_all(parent).map_err(|error| cannot(parent, &error))?;
            }
            match std::fs::create_dir(&path) {
                Ok(()) => break path,
                // another process had the same number: in a container, each may
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number = number.wrapping_add(1),
                Err(error) => return Err(cannot(&path, &error)),
            }
        };
        let (links, modes) = (Vec::new(), Vec::new());
        Ok(Self { path, within, open: None, links, modes, files: 0, whole: false })
    }

    pub(super) fn begin(&mut self, entry: Entry) -> CliResult {
        self.close()?;
        // the node's word on names is not taken: nothing may leave the new folder
        bib_domain::paths::check_path(&entry.path).map_err(|why| {
            CliError::new(Exit::Integrity, format!("the node sent a path that cannot be written: {why}"))
        })?;
        let path = self.path.join(&entry.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| cannot(parent, &error))?;
        }
        match entry.kind.as_str() {
            "directory" => {
                std::fs::create_dir_all(&path).map_err(|error| cannot(&path, &error))?;
                self.modes.push((path, entry.mode));
            }
            // links are made last, so that no file is written through one
            "symlink" => self.links.push((path, entry.target)),
            _ => {
                let file = File::create_new(&path).map_err(|error| cannot(&path, &error))?;
                self.open = Some(Open { entry, file, hash: Sha256::new(), size: 0 });
            }
        }
        Ok(())
    }

    pub(super) fn write(&mut self, data: &[u8]) -> CliResult {
        let Some(open) = &mut self.open else {
            return Err(CliError::new(Exit::Integrity, "the node sent bytes that belong to no file"));
        };
        open.hash.update(data);
        open.size += data.len() as u64;
        open.file.write_all(data).map_err(|error| cannot(Path::new(&open.entry.path), &error))
    }

    fn close(&mut self) -> CliResult {
        let Some(open) = self.open.take() else { return Ok(()) };
        let hash = format!("sha256:{}", hex::encode(open.hash.finalize()));
        if hash != open.entry.content_hash || open.size != open.entry.size {
            return Err(CliError::new(
                Exit::Integrity,
                format!(
                    "{} arrived with {} bytes and {hash}, and the manifest says {} bytes and {}",
                    open.entry.path, open.size, open.entry.size, open.entry.content_hash
                ),
            )
            .hint("download again; if it happens twice, verify on the node: bib dataset verify NAME"));
        }
        let path = self.path.join(&open.entry.path);
        open.file
            .set_permissions(Permissions::from_mode(open.entry.mode & 0o777))
            .map_err(|error| cannot(&path, &error))?;
        self.files += 1;
        Ok(())
    }

    pub(super) fn publish(mut self, out: &Path) -> CliResult<u64> {
        self.close()?;
        for (path, target) in &self.links {
            symlink(target, path).map_err(|error| cannot(path, &error))?;
        }
        for (path, mode) in self.modes.iter().rev() {
            // the user can always look into what was downloaded
            std::fs::set_permissions(path, Permissions::from_mode((mode & 0o777) | 0o700))
                .map_err(|error| cannot(path, &error))?;
        }
        // one sync of everything: one a file takes milliseconds each, seconds for a folder of small ones
        File::open(&self.path)
            .and_then(|folder| Ok(rustix::fs::syncfs(folder)?))
            .map_err(|error| cannot(&self.path, &error))?;
        self.whole = true;
        self.place(out).map_err(|error| self.stays(out, &error))?;
        // the folder that it was in is the one whose entries changed
        sync_folder(&self.path)?;
        Ok(self.files)
    }

    /// Gives what is whole its name, or moves it to where it belongs.
    fn place(&self, out: &Path) -> io::Result<()> {
        if !self.within {
            return std::fs::rename(&self.path, out);
        }
        let (there, moved) = (names(out)?, names(&self.path)?);
        // nothing is moved over anything, not over what only looks like another download either
        if there.iter().any(|name| !is_part(out, name) || moved.contains(name)) {
            let text = "something else was put there meanwhile";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        for name in moved {
            std::fs::rename(self.path.join(&name), out.join(&name))?;
        }
        std::fs::remove_dir(&self.path)
    }

    /// What has no place yet is not fetched twice.
    fn stays(&self, out: &Path, error: &io::Error) -> CliError {
        let taken = matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty);
        let exit = if taken { Exit::Conflict } else { Exit::Failed };
        let (out, part) = (out.display(), self.path.display());
        CliError::new(exit, format!("cannot move all of it to {out}: {error}; what is not there is whole, in {part}"))
            .hint(format!("move it by hand, to a folder that is not there yet: mv {} DIR", word(&self.path)))
    }
}

/// How the names begin of the folders that downloads into this one write first; a number follows.
fn beginning(out: &Path) -> String {
    let name = out.file_name().and_then(|name| name.to_str()).unwrap_or("download");
    format!(".{name}.part")
}

/// Whether it is such a name.
pub(super) fn is_part(out: &Path, name: &OsStr) -> bool {
    let number = name.to_str().and_then(|name| name.strip_prefix(beginning(out).as_str()));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

pub(super) fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.whole {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

pub(super) fn cannot(path: &Path, error: &io::Error) -> CliError {
    let exit = if error.kind() == io::ErrorKind::StorageFull { Exit::Exhausted } else { Exit::Failed };
    CliError::new(exit, format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::free::check_free;
    use super::*;

    fn file(path: &str, content: &[u8]) -> Entry {
        let content_hash = format!("sha256:{}", hex::encode(Sha256::digest(content)));
        Entry {
            path: path.into(),
            kind: "file".into(),
            size: content.len() as u64,
            mode: 0o640,
            content_hash,
            ..Entry::default()
        }
    }

    #[test]
    fn a_whole_folder_appears_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("data");
        let mut partial = Partial::make(&out).unwrap();
        partial.begin(file("deep/a.txt", b"hello")).unwrap();
        partial.write(b"hel").unwrap();
        partial.write(b"lo").unwrap();
        partial
            .begin(Entry {
                path: "link".into(),
                kind: "symlink".into(),
                target: "deep/a.txt".into(),
                ..Entry::default()
            })
            .unwrap();
        assert!(!out.exists());
        assert_eq!(partial.publish(&out).unwrap(), 1);
        assert_eq!(std::fs::read(out.join("link")).unwrap(), b"hello");
    }

    #[test]
    fn a_lie_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("data");
        let mut partial = Partial::make(&out).unwrap();
        partial.begin(file("a.txt", b"hello")).unwrap();
        partial.write(b"hellO").unwrap();
        assert_eq!(partial.publish(&out).unwrap_err().exit, Exit::Integrity);
        let mut partial = Partial::make(&out).unwrap();
        assert_eq!(partial.begin(file("../escape", b"")).unwrap_err().exit, Exit::Integrity);
        drop(partial);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// Everything of a small dataset, not published yet.
    fn fetched(out: &Path) -> Partial {
        let mut partial = Partial::make(out).unwrap();
        partial
            .begin(Entry { path: "deep".into(), kind: "directory".into(), mode: 0o750, ..Entry::default() })
            .unwrap();
        for path in ["deep/a.txt", "b.txt"] {
            partial.begin(file(path, b"hello")).unwrap();
            partial.write(b"hello").unwrap();
        }
        partial
    }

    fn sorted_names(folder: &Path) -> Vec<OsString> {
        let mut names = names(folder).unwrap();
        names.sort();
        names
    }

    #[test]
    fn an_empty_folder_is_filled_whatever_it_is_called() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("data");
        // itself, as `.` names it, and through a link
        for way in ["data", "data/.", "link"] {
            std::fs::create_dir(&real).unwrap();
            let _ = symlink("data", folder.path().join("link"));
            let before = std::fs::metadata(&real).unwrap().ino();
            let out = folder.path().join(way);
            let partial = fetched(&out);
            assert_eq!(sorted_names(&real).len(), 1, "{way}: nothing stands under its name yet");
            assert_eq!(partial.publish(&out).unwrap(), 2, "{way}");
            assert_eq!(sorted_names(&real), ["b.txt", "deep"], "{way}");
            assert_eq!(std::fs::read(real.join("deep/a.txt")).unwrap(), b"hello");
            assert_eq!(std::fs::metadata(&real).unwrap().ino(), before, "{way}: who stands in it stays in it");
            std::fs::remove_dir_all(&real).unwrap();
        }
        assert_eq!(sorted_names(folder.path()), ["link"]);
        std::fs::create_dir(&real).unwrap();
        drop(fetched(&real));
        assert_eq!(sorted_names(&real).len(), 0, "what was broken off leaves the folder as it was");
    }

    #[test]
    fn what_another_download_has_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("data");
        assert_eq!(check_free(&out).unwrap(), None);
        std::fs::create_dir(&out).unwrap();
        assert_eq!(check_free(&out).unwrap(), None);
        // with the number that this process has too
        let left = format!(".data.part{}", std::process::id());
        std::fs::create_dir_all(out.join(&left).join("deep")).unwrap();
        let hint = check_free(&out).unwrap().unwrap();
        assert!(hint.contains("rm -r") && hint.contains(&left), "{hint}");
        let (first, second) = (fetched(&out), fetched(&out));
        let late = second.path.clone();
        assert_eq!(first.publish(&out).unwrap(), 2);
        assert!(second.publish(&out).unwrap_err().message.contains(late.to_str().unwrap()), "the place is taken now");
        let there = sorted_names(&out);
        assert_eq!((there.len(), &there[2..]), (4, ["b.txt", "deep"].map(OsString::from).as_slice()), "{there:?}");
        assert!(out.join(&left).exists() && late.exists());
        let error = check_free(&out).unwrap_err();
        assert!(error.exit == Exit::Conflict && error.hints.iter().any(|hint| hint.contains("rm -r")), "{error:?}");
        for other in [".data.part", ".data.part1a", ".other.part1", "data.part1"] {
            assert!(!is_part(&out, OsStr::new(other)), "{other}");
        }
    }

    #[test]
    fn what_looks_like_another_download_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("data");
        std::fs::create_dir(&out).unwrap();
        std::fs::write(out.join(".data.part0"), "mine").unwrap();
        let mut partial = fetched(&out);
        partial.begin(file(".data.part0", b"hello")).unwrap();
        partial.write(b"hello").unwrap();
        assert_eq!(partial.publish(&out).unwrap_err().exit, Exit::Conflict);
        assert_eq!(std::fs::read(out.join(".data.part0")).unwrap(), b"mine");
    }

    #[test]
    fn what_finds_no_place_is_kept_and_named() {
        let folder = tempfile::tempdir().unwrap();
        for there in [true, false] {
            let out = folder.path().join(if there { "there" } else { "new" });
            if there {
                std::fs::create_dir(&out).unwrap();
            }
            let partial = fetched(&out);
            let part = partial.path.clone();
            std::fs::create_dir_all(&out).unwrap();
            std::fs::write(out.join("b.txt"), "mine").unwrap();
            let error = partial.publish(&out).unwrap_err();
            assert_eq!(error.exit, Exit::Conflict, "{error:?}");
            assert!(error.message.contains(part.to_str().unwrap()), "{error:?}");
            assert_eq!(std::fs::read(out.join("b.txt")).unwrap(), b"mine");
            assert_eq!(sorted_names(&part), ["b.txt", "deep"]);
        }
    }
}
