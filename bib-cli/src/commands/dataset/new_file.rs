//! A file that appears under its name when all of it is there, and never in the place of another.

use super::partial::cannot;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::shell::word;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// What is written beside its final place; removed unless all of it came.
pub(super) struct NewFile {
    path: PathBuf,
    part: PathBuf,
    file: File,
    /// Whether all of it is there: from then on it is never removed.
    whole: bool,
}

impl NewFile {
    /// Makes it, so that a place where nothing can be written is found before there is anything to write.
    ///
    /// # Errors
    /// When something is there already, or nothing can be made there.
    pub(super) fn make(path: &Path) -> CliResult<Self> {
        if is_there(path) {
            return Err(CliError::new(Exit::Conflict, format!("{} is there already", path.display()))
                .hint("name another file, or move that one away"));
        }
        let mut number = std::process::id();
        loop {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(format!(".part{number}"));
            let part = path.with_file_name(name);
            match File::create_new(&part) {
                Ok(file) => return Ok(Self { path: path.to_owned(), part, file, whole: false }),
                // another process had the same number: in a container, each may
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number = number.wrapping_add(1),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let folder = word(path.parent().unwrap_or(path));
                    return Err(cannot(path, &error).hint(format!("make its folder first: mkdir -p {folder}")));
                }
                Err(error) => return Err(cannot(path, &error)),
            }
        }
    }

    /// Where its bytes go.
    pub(super) fn writer(&self) -> CliResult<File> {
        self.file.try_clone().map_err(|error| cannot(&self.part, &error))
    }

    /// Gives it its name. What finds its place taken meanwhile is kept, and named.
    pub(super) fn publish(mut self) -> CliResult {
        self.file.sync_all().map_err(|error| cannot(&self.part, &error))?;
        self.whole = true;
        place(&self.part, &self.path).map_err(|error| {
            let taken = error.kind() == io::ErrorKind::AlreadyExists;
            let exit = if taken { Exit::Conflict } else { Exit::Failed };
            let why = if taken { "something else was put there meanwhile".to_owned() } else { error.to_string() };
            let (path, part) = (self.path.display(), self.part.display());
            CliError::new(exit, format!("cannot write {path}: {why}; all of it is in {part}"))
                .hint(format!("give it a name that is free: mv {} FILE", word(&self.part)))
        })
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.whole {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// Moves a file to a name that is free.
fn place(part: &Path, path: &Path) -> io::Result<()> {
    let moved = renameat_with(CWD, part, CWD, path, RenameFlags::NOREPLACE);
    let Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) = moved else { return Ok(moved?) };
    // this file system replaces what is there; a link does not
    match std::fs::hard_link(part, path) {
        Ok(()) => std::fs::remove_file(part),
        Err(_) if is_there(path) => Err(io::ErrorKind::AlreadyExists.into()),
        // nor has it links
        Err(_) => std::fs::rename(part, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_place_that_is_no_good_is_found_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert_eq!(NewFile::make(&path).err().unwrap().exit, Exit::Conflict, "a link is there");
        let error = NewFile::make(&folder.path().join("none/a.csv")).err().unwrap();
        assert!(error.hints[0].contains("mkdir -p") && error.hints[0].ends_with("/none"), "{error:?}");
        drop(NewFile::make(&folder.path().join("b.csv")).unwrap());
        assert_eq!(names(folder.path()), 1, "what was not published is gone");
    }

    #[test]
    fn what_was_put_there_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let (first, second) = (NewFile::make(&path).unwrap(), NewFile::make(&path).unwrap());
        let part = second.part.clone();
        first.writer().unwrap().write_all(b"first").unwrap();
        second.writer().unwrap().write_all(b"second").unwrap();
        first.publish().unwrap();
        let error = second.publish().unwrap_err();
        assert!(error.exit == Exit::Conflict && error.message.contains(part.to_str().unwrap()), "{error:?}");
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read(&part).unwrap(), b"second");
        assert_eq!(names(folder.path()), 2);
    }
}
