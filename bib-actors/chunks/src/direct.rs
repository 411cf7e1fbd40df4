//! Writing past the system's page cache.
//!
//! What is written once and not read soon costs a system twice: pages are found, filled and given back for it, and what
//! they held before is lost. Bytes can go from a buffer to the disk directly, where the file system can do that, in whole
//! blocks and from an address where a block begins.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl, ftruncate};
use rustix::io::{Errno, pwritev, retry_on_intr};
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;

/// What disks take at once, and where it begins: a multiple of the blocks of every disk that is sold.
pub(crate) const BLOCK: usize = 4096;

/// Writes all of `bytes` to the empty `file`. False when the file system, or their address, does not allow it: then the
/// file is empty still.
pub(crate) fn write(file: &File, bytes: &[u8]) -> io::Result<bool> {
    let (whole, tail) = bytes.split_at(bytes.len() - bytes.len() % BLOCK);
    if whole.is_empty() || whole.as_ptr().align_offset(BLOCK) != 0 {
        return Ok(false);
    }
    let flags = fcntl_getfl(file)?;
    if fcntl_setfl(file, flags | OFlags::DIRECT).is_err() {
        return Ok(false);
    }
    let mut last = vec![0; 2 * BLOCK];
    let start = last.as_ptr().align_offset(BLOCK);
    let last = &mut last[start..start + if tail.is_empty() { 0 } else { BLOCK }];
    last.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
    let written = retry_on_intr(|| pwritev(file, &[IoSlice::new(whole), IoSlice::new(last)], 0));
    fcntl_setfl(file, flags)?;
    let written = match written {
        // whether it can is known to some file systems only when they try
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(false),
        other => other?,
    };
    if written < bytes.len() {
        file.write_all_at(&bytes[written..], written as u64)?;
    } else {
        ftruncate(file, bytes.len() as u64)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Buffers;
    use rustix::io::{ReadWriteFlags, preadv2};
    use std::io::{IoSliceMut, Read};

    /// A new file beside the tests' own program: on a disk, not in memory.
    fn new_file() -> File {
        tempfile::tempfile_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap()
    }

    fn content(mut file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn writes_what_it_was_given_whatever_its_length() {
        let stock = Buffers::new(1);
        for length in [BLOCK, BLOCK + 1, 3 * BLOCK - 1, 100_001, 1 << 20] {
            let mut buffer = stock.take(length);
            (0u8..251).cycle().zip(buffer.as_mut_slice()).for_each(|(byte, to)| *to = byte);
            let file = new_file();
            assert!(write(&file, buffer.as_slice()).unwrap(), "the file system of the tests can do it");
            let cached = preadv2(&file, &mut [IoSliceMut::new(&mut [0])], 0, ReadWriteFlags::NOWAIT);
            assert_eq!(cached, Err(Errno::AGAIN), "nothing of it is in the page cache");
            assert!(!fcntl_getfl(&file).unwrap().contains(OFlags::DIRECT), "others read it as any file");
            assert!(content(&file) == buffer.as_slice(), "{length} bytes");
        }
    }

    #[test]
    fn leaves_alone_what_does_not_fit_blocks() {
        let stock = Buffers::new(1);
        let buffer = stock.take(100_001);
        for bytes in [&buffer.as_slice()[..BLOCK - 1], &buffer.as_slice()[1..], &[]] {
            let file = new_file();
            assert!(!write(&file, bytes).unwrap());
            assert_eq!(file.metadata().unwrap().len(), 0);
        }
    }

    #[test]
    fn says_what_the_system_says() {
        let buffer = Buffers::new(1).take(BLOCK);
        let path = std::env::current_exe().unwrap();
        assert!(write(&File::open(path).unwrap(), buffer.as_slice()).is_err(), "it is open for reading alone");
    }
}
