//! The file that keeps the identity: its format, its permissions, its durability. Never logs what is in it.
//!
//! Text in three lines, so that a person sees what it is and a partial write is noticed:
//! `bib identity 1`, `seed <64 hex digits>`, `check <64 hex digits>` (SHA-256 over the first two lines).

use crate::error::SwarmError;
use rustix::fs::{CWD, FlockOperation, RenameFlags};
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

const FIRST_LINE: &str = "bib identity 1";

/// More than a whole file: what is longer is something else.
const MAX_BYTES: u64 = 1024;

/// The seed in `path`, or `None` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, SwarmError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("open", path, source)),
    };
    let metadata = file.metadata().map_err(|source| failed("look at", path, source))?;
    if !metadata.is_file() {
        return Err(SwarmError::IdentityDamaged { path: path.to_owned(), reason: "it is not a regular file" });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SwarmError::IdentityMode { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(256));
    match file.take(MAX_BYTES).read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(SwarmError::IdentityDamaged { path: path.to_owned(), reason: "it is not text" });
        }
        Err(source) => return Err(failed("read", path, source)),
    }
    decode(&text).map(Some).map_err(|reason| SwarmError::IdentityDamaged { path: path.to_owned(), reason })
}

/// Keeps `seed` in `path` unless another process was first; returns the seed that is kept.
pub(crate) fn create(path: &Path, seed: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, SwarmError> {
    let directory = directory_of(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| failed("make", directory, source))?;
    let handle = File::open(directory).map_err(|source| failed("open", directory, source))?;
    // two processes at once would write the same temporary file; some network file systems lock no directories
    if let Err(error) = rustix::fs::flock(&handle, FlockOperation::LockExclusive) {
        tracing::debug!(%error, "the directory of the identity cannot be locked");
    }
    if let Some(kept) = read(path)? {
        return Ok(kept);
    }
    let temporary = temporary_of(path);
    match std::fs::remove_file(&temporary) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove the leftover", &temporary, source));
        }
        _ => {}
    }
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(encode(seed).as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| failed("write", &temporary, source))?;
    let first = publish(&temporary, path).map_err(|source| failed("write", path, source))?;
    handle.sync_all().map_err(|source| failed("sync", directory, source))?;
    if !first {
        tracing::warn!(path = %path.display(), "another process made the identity at the same time, its key is used");
    }
    read(path)?.ok_or_else(|| failed("read", path, io::ErrorKind::NotFound.into()))
}

/// Renames without replacing where the file system can; says whether ours is the one that is kept.
fn publish(temporary: &Path, path: &Path) -> io::Result<bool> {
    use rustix::io::Errno;
    match rustix::fs::renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => std::fs::remove_file(temporary).map(|()| false),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => std::fs::rename(temporary, path).map(|()| true),
        Err(error) => Err(error.into()),
    }
}

fn encode(seed: &[u8; 32]) -> Zeroizing<String> {
    let digits = Zeroizing::new(hex::encode(seed));
    let mut text = Zeroizing::new(String::with_capacity(256));
    text.push_str(FIRST_LINE);
    text.push_str("\nseed ");
    text.push_str(&digits);
    text.push('\n');
    let check = hex::encode(Sha256::digest(text.as_bytes()));
    text.push_str("check ");
    text.push_str(&check);
    text.push('\n');
    text
}

fn decode(text: &str) -> Result<Zeroizing<[u8; 32]>, &'static str> {
    let Some((first, _)) = text.split_once('\n') else { return Err("it is empty or cut off") };
    if first != FIRST_LINE {
        return Err(if first.starts_with("bib identity ") {
            "it was written by a newer version of bibd"
        } else {
            "its first line is not \"bib identity 1\""
        });
    }
    let body = text.strip_suffix('\n').ok_or("it is cut off")?;
    let (head, check) = body.rsplit_once('\n').ok_or("it is cut off")?;
    let check = check.strip_prefix("check ").ok_or("it is cut off: its last line is not the checksum")?;
    let mut hasher = Sha256::new();
    hasher.update(head.as_bytes());
    hasher.update(b"\n");
    if hex::encode(hasher.finalize()) != check {
        return Err("its checksum does not fit");
    }
    let digits = head.rsplit_once("\nseed ").map(|(_, digits)| digits).ok_or("it has no seed")?;
    let mut seed = Zeroizing::new([0_u8; 32]);
    hex::decode_to_slice(digits, &mut *seed).map_err(|_| "its seed is not 64 hexadecimal digits")?;
    Ok(seed)
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn temporary_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> SwarmError {
    SwarmError::IdentityFile { what, path: path.to_owned(), source: Arc::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote() {
        let text = encode(&[9; 32]);
        assert_eq!(*decode(&text).unwrap(), [9; 32]);
        assert!(text.starts_with("bib identity 1\nseed 0909"));
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let text = encode(&[0x5c; 32]);
        for end in 0..text.len() {
            assert!(decode(&text[..end]).is_err(), "cut at {end}");
        }
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(decode(&changed).is_err(), "changed at {at}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        assert_eq!(decode("bib identity 2\nwhatever\n"), Err("it was written by a newer version of bibd"));
    }
}
