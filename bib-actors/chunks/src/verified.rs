//! Remembers which chunk files were hashed and found right, so that a small range can be read without the rest.
//!
//! Keyed by what changes when a file is replaced or written to: inode, time of change and size. Bounded; the oldest
//! is forgotten first.

use bib_domain::ChunkHash;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// What identifies the state of a file on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(file: &Metadata) -> Self {
        // not the time of modification, which anybody can set back
        let changed = (file.ctime(), file.ctime_nsec());
        Self { device: file.dev(), inode: file.ino(), size: file.len(), changed }
    }
}

/// The bounded memory.
#[derive(Debug)]
pub(crate) struct Verified {
    capacity: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    stamps: HashMap<ChunkHash, Stamp>,
    order: VecDeque<ChunkHash>,
}

impl Verified {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, known: Mutex::default() }
    }

    pub(crate) fn remember(&self, hash: &ChunkHash, stamp: Stamp) {
        if self.capacity == 0 {
            return;
        }
        let mut known = self.known.lock();
        if known.stamps.insert(*hash, stamp).is_none() {
            known.order.push_back(*hash);
            if known.order.len() > self.capacity
                && let Some(oldest) = known.order.pop_front()
            {
                known.stamps.remove(&oldest);
            }
        }
    }

    pub(crate) fn is_verified(&self, hash: &ChunkHash, stamp: Stamp) -> bool {
        self.known.lock().stamps.get(hash) == Some(&stamp)
    }

    /// The next read of this chunk hashes it again.
    pub(crate) fn forget(&self, hash: &ChunkHash) {
        let mut known = self.known.lock();
        if known.stamps.remove(hash).is_some() {
            known.order.retain(|other| other != hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest_and_what_changed() {
        let stamp = |inode| Stamp { device: 1, inode, size: 5, changed: (1, 2) };
        let name = |n| ChunkHash::from_bytes([n; 32]);
        let verified = Verified::new(2);
        for n in 0..3 {
            verified.remember(&name(n), stamp(u64::from(n)));
        }
        assert!(!verified.is_verified(&name(0), stamp(0)), "two fit");
        assert!(verified.is_verified(&name(1), stamp(1)));
        assert!(!verified.is_verified(&name(1), stamp(9)), "another inode");
        verified.forget(&name(1));
        assert!(!verified.is_verified(&name(1), stamp(1)));
        verified.remember(&name(1), stamp(1));
        assert!(verified.is_verified(&name(2), stamp(2)) && verified.is_verified(&name(1), stamp(1)));
    }
}
