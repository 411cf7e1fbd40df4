//! The ballast: a file that occupies room until the database needs it.
//!
//! It is really allocated: a file with holes would give nothing back. Its bytes mean nothing.

use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Bytes that one block of `stat` stands for.
const STAT_BLOCK: u64 = 512;
/// Bytes written at a time where the file system cannot allocate.
const STEP: usize = 1 << 20;

/// Whether the file is there and occupies its room.
pub(crate) fn is_there(path: &Path, bytes: u64) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|file| file.is_file() && file.blocks() * STAT_BLOCK >= bytes)
}

/// Makes the file anew. Nothing is left of it when that fails.
pub(crate) fn make(path: &Path, bytes: u64) -> io::Result<()> {
    let made = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => {}
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => fill(&mut file, bytes)?,
            Err(error) => return Err(error.into()),
        }
        file.sync_all()
    })();
    if made.is_err() {
        let _ = std::fs::remove_file(path);
    }
    made
}

/// Gives the room back.
pub(crate) fn release(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes bytes that no file system makes fewer.
fn fill(file: &mut File, bytes: u64) -> io::Result<()> {
    let (mut state, mut left) = (0x9e37_79b9_7f4a_7c15_u64, bytes);
    let mut block = vec![0_u8; STEP];
    while left > 0 {
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let now = usize::try_from(left).unwrap_or(STEP).min(STEP);
        file.write_all(&block[..now])?;
        left -= now as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_occupies_its_room_and_gives_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ballast");
        assert!(!is_there(&path, 1));
        make(&path, 3 << 20).unwrap();
        assert!(is_there(&path, 3 << 20));
        release(&path).unwrap();
        release(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_with_holes_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ballast");
        File::create(&path).unwrap().set_len(1 << 20).unwrap();
        assert!(!is_there(&path, 1 << 20));
        let mut file = File::create(&path).unwrap();
        fill(&mut file, (1 << 20) + 5).unwrap();
        file.sync_all().unwrap();
        assert!(is_there(&path, 1 << 20));
    }
}
