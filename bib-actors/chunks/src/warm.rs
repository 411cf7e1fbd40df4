//! The chunks that the store itself brought into the system's page cache, by writing them or by reading them for passing
//! on. The oldest leave it again.
//!
//! Data that goes through a node once would else push out of memory what its other programs need, and each page that is
//! taken for it costs the system more than the copy into it. Pages that somebody else brought there stay.

use crate::layout::Layout;
use bib_domain::ChunkHash;
use parking_lot::Mutex;
use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::collections::VecDeque;
use std::fs::File;
use std::io::IoSliceMut;

/// So many chunks are remembered at most: a smaller one takes a page at least.
const CHUNKS: usize = 16_384;

/// Which chunks are there because of the store.
#[derive(Debug)]
pub(crate) struct Warm {
    most: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The oldest first, with their sizes.
    chunks: VecDeque<(ChunkHash, u64)>,
    bytes: u64,
}

impl Warm {
    pub(crate) fn new(most: u64) -> Self {
        Self { most, state: Mutex::default() }
    }

    /// A chunk is, or will be, in the page cache because of the store. Those for which there is no room any more leave it.
    pub(crate) fn add(&self, layout: &Layout, hash: ChunkHash, len: u64) {
        for old in self.push(hash, len) {
            // one that is gone takes no memory
            if let Ok(file) = File::open(layout.chunk(&old)) {
                let _ = fadvise(&file, 0, None, Advice::DontNeed);
            }
        }
    }

    /// Remembers a chunk that is about to be read, if nobody had it in memory.
    pub(crate) fn add_cold(&self, layout: &Layout, file: &File, hash: ChunkHash, len: u64) {
        if is_cold(file) {
            self.add(layout, hash, len);
        }
    }

    fn push(&self, hash: ChunkHash, len: u64) -> Vec<ChunkHash> {
        let mut state = self.state.lock();
        state.chunks.push_back((hash, len));
        state.bytes += len;
        let mut old = Vec::new();
        while state.bytes > self.most || state.chunks.len() > CHUNKS {
            let Some((hash, len)) = state.chunks.pop_front() else { break };
            state.bytes -= len;
            old.push(hash);
        }
        old
    }
}

/// Whether the file's first page would have to be read from the disk. Where the system cannot say, it would not.
fn is_cold(file: &File) -> bool {
    let mut byte = [0];
    preadv2(file, &mut [IoSliceMut::new(&mut byte)], 0, ReadWriteFlags::NOWAIT) == Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: u8) -> ChunkHash {
        ChunkHash::from_bytes([n; 32])
    }

    #[test]
    fn the_oldest_leave_when_there_is_no_room() {
        let warm = Warm::new(10);
        assert!(warm.push(name(1), 4).is_empty());
        assert!(warm.push(name(2), 6).is_empty());
        assert_eq!(warm.push(name(3), 1), [name(1)]);
        assert_eq!(warm.push(name(4), 9), [name(2)]);
        assert_eq!(warm.push(name(5), 11), [name(3), name(4), name(5)], "what is larger than the room leaves at once");
        assert_eq!(warm.state.lock().bytes, 0);
    }

    #[test]
    fn few_are_remembered_however_small() {
        let warm = Warm::new(u64::MAX);
        for _ in 0..CHUNKS {
            assert!(warm.push(name(1), 1).is_empty());
        }
        assert_eq!(warm.push(name(2), 1), [name(1)]);
    }
}
