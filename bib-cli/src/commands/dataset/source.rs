//! Files of the folder that is uploaded: opened, read, and found to be what was listed.

use super::seen::Stamp;
use super::walk::{Found, shown, special};
use crate::error::CliError;
use crate::exit::Exit;
use rustix::fs::OFlags;
use std::fs::{File, Metadata};
use std::os::unix::fs::OpenOptionsExt;

/// Reads a file of the folder to its end, in parts of at most `most` bytes, and fails if it is not what was listed, or
/// changes meanwhile. Answers how many bytes it has and how it looks.
pub(super) fn read(
    item: &Found,
    most: usize,
    mut each: impl FnMut(Vec<u8>) -> Result<(), Option<CliError>>,
) -> Result<(u64, Stamp), Option<CliError>> {
    let source = Source::open(item)?;
    let mut sent = 0_u64;
    loop {
        // one byte more, since a read that fills its place says nothing about the end
        let left = usize::try_from((item.size + 1).saturating_sub(sent)).unwrap_or(most);
        let mut part = Vec::with_capacity(left.clamp(1, most));
        let read = fill(&source.file, &mut part).map_err(|error| source.cannot(&error))?;
        if read == 0 {
            break;
        }
        sent += read as u64;
        if sent > item.size {
            break;
        }
        each(part)?;
    }
    Ok((sent, source.end(sent)?))
}

/// A file of the folder, open.
pub(super) struct Source<'a> {
    item: &'a Found,
    pub(super) file: File,
    before: Metadata,
}

impl<'a> Source<'a> {
    /// Opens it, unless something that is no file took its place.
    pub(super) fn open(item: &'a Found) -> Result<Self, Option<CliError>> {
        let cannot = |error: std::io::Error| Some(unreadable(item, &error));
        let file = open(item).map_err(cannot)?;
        let before = file.metadata().map_err(cannot)?;
        if !before.is_file() {
            return Err(Some(special(&item.source, before.file_type())));
        }
        Ok(Self { item, file, before })
    }

    /// Answers how it looks, or fails if it is not what was listed or was written to: it has `sent` bytes.
    pub(super) fn end(&self, sent: u64) -> Result<Stamp, Option<CliError>> {
        let after = self.file.metadata().map_err(|error| self.cannot(&error))?;
        let (before, after) = (Stamp::of(&self.before), Stamp::of(&after));
        if sent == self.item.size && before.is_unwritten(&after) {
            return Ok(before);
        }
        let text = "it changed while it was read; nothing was put in. Upload again when nobody writes to it";
        Err(Some(failed(self.item, text)))
    }

    fn cannot(&self, error: &std::io::Error) -> Option<CliError> {
        Some(unreadable(self.item, error))
    }
}

fn failed(item: &Found, reason: &str) -> CliError {
    CliError::new(Exit::Failed, format!("{}: {reason}", shown(&item.source)))
}

fn unreadable(item: &Found, error: &std::io::Error) -> CliError {
    failed(item, &format!("cannot read it: {error}; nothing was put in"))
}

/// Reads until the part has as many bytes as it has room for, or the file ends. Answers how many.
fn fill(file: &File, part: &mut Vec<u8>) -> std::io::Result<usize> {
    while part.len() < part.capacity() {
        match rustix::io::read(file, rustix::buffer::spare_capacity(part)) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(part.len())
}

/// Opens a file of the folder. Not what took its place since it was listed: a link is not followed, a pipe not waited
/// for.
fn open(item: &Found) -> std::io::Result<File> {
    let follow = if item.named { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = i32::try_from((OFlags::NONBLOCK | follow).bits()).map_err(std::io::Error::other)?;
    File::options().read(true).custom_flags(flags).open(&item.source)
}

#[cfg(test)]
mod tests {
    use super::super::walk::walk;
    use super::*;
    use std::path::Path;

    const PART_BYTES: usize = 256 << 10;

    /// Lists a folder with one file of `size` bytes, lets `before` happen to the file, and reads it; `during` happens
    /// at its first bytes.
    fn sent(size: usize, before: impl FnOnce(&Path), during: impl Fn(&Path)) -> Result<u64, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.bin");
        std::fs::write(&path, vec![7; size]).unwrap();
        let found = walk(folder.path()).unwrap();
        before(&path);
        let outcome = read(&found[0], PART_BYTES, |_| {
            during(&path);
            Ok(())
        });
        outcome.map(|(sent, _)| sent).map_err(|error| error.unwrap().message)
    }

    fn nothing(_: &Path) {}

    #[test]
    fn a_file_that_stays_as_it_is_is_sent() {
        assert_eq!(sent(0, nothing, nothing), Ok(0));
        assert_eq!(sent(3 * PART_BYTES + 1, nothing, nothing), Ok(3 * PART_BYTES as u64 + 1));
    }

    #[test]
    fn a_file_that_grows_or_shrinks_is_not() {
        let resize =
            |size: u64| move |path: &Path| File::options().write(true).open(path).unwrap().set_len(size).unwrap();
        for size in [0, 5, 4 * PART_BYTES as u64] {
            for error in [sent(2 * PART_BYTES, resize(size), nothing), sent(2 * PART_BYTES, nothing, resize(size))] {
                assert!(error.unwrap_err().contains("it changed while it was read; nothing was put in"));
            }
        }
    }

    #[test]
    fn what_takes_the_place_of_a_file_is_not_followed_and_not_waited_for() {
        let link = |path: &Path| {
            std::fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
        };
        assert!(sent(11, link, nothing).unwrap_err().contains("cannot read it"));
        let pipe = |path: &Path| {
            std::fs::remove_file(path).unwrap();
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, path, kind, 0o600.into(), 0).unwrap();
        };
        assert!(sent(11, pipe, nothing).unwrap_err().contains("is a pipe"));
        let gone = |path: &Path| std::fs::remove_file(path).unwrap();
        assert!(sent(11, gone, nothing).unwrap_err().contains("No such file"));
    }
}
