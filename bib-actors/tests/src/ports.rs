//! Ports that are free now, below the range from which the system takes its own.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// All that are given away.
const ALL: Range<u16> = 21_000..32_000;
/// How many a process claims at once: more than most tests need, few enough for a hundred processes.
const BLOCK: u16 = 50;

/// What this process may give away. A port that a node will use is free until the node starts, so looking is not enough:
/// blocks are claimed by locks, which end with the process, however it ends.
struct Claims {
    locks: Vec<File>,
    left: Range<u16>,
    next: u16,
}

static CLAIMS: Mutex<Claims> = Mutex::new(Claims { locks: Vec::new(), left: 0..0, next: 0 });

/// Who uses a machine together with others cannot lock their files, and has a folder of their own.
fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("bib-ports-{}", nix::unistd::geteuid()))
}

/// The lock of a block; nothing when another process has it.
fn claim(folder: &Path, first: u16) -> Option<File> {
    std::fs::create_dir_all(folder).ok()?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(first.to_string())).ok()?;
    file.try_lock().is_ok().then_some(file)
}

impl Claims {
    /// The next one of ours; claims a block when none is left.
    fn next(&mut self, folder: &Path) -> Option<u16> {
        while self.left.is_empty() {
            let first = ALL.start.checked_add(self.next).filter(|first| *first < ALL.end)?;
            self.next += BLOCK;
            if let Some(lock) = claim(folder, first) {
                self.locks.push(lock);
                self.left = first..(first + BLOCK).min(ALL.end);
            }
        }
        self.left.next()
    }
}

/// A port that is free for TCP and UDP on loopback. No two callers get the same one, in one process or in several of one
/// user.
///
/// # Panics
/// When none of some eleven thousand ports is free.
#[must_use]
pub fn free_port() -> u16 {
    let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = folder();
    while let Some(port) = claims.next(&folder) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return port;
        }
    }
    panic!("no port between {} and {} is free, or {} cannot be written", ALL.start, ALL.end, folder.display());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_share_no_port() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut other) =
            (Claims { locks: Vec::new(), left: 0..0, next: 0 }, Claims { locks: Vec::new(), left: 0..0, next: 0 });
        let mut taken: Vec<u16> = Vec::new();
        for _ in 0..120 {
            taken.extend(one.next(folder.path()));
            taken.extend(other.next(folder.path()));
        }
        assert_eq!(taken.len(), 240);
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len(), 240, "one was given to both");
    }

    #[test]
    fn what_an_ended_process_had_is_given_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = claim(folder.path(), ALL.start);
        assert!(first.is_some() && claim(folder.path(), ALL.start).is_none());
        drop(first);
        assert!(claim(folder.path(), ALL.start).is_some());
    }
}
