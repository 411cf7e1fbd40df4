//! Recycled buffers for chunks, so that memory is not given, zeroed and taken again for each of them.
//!
//! They begin where pages do, as disks want it of what passes the page cache.

use crate::direct::BLOCK;
use parking_lot::Mutex;
use std::sync::Arc;

/// A stock of buffers. How many are out at the same time is bounded by whoever takes them. Cheap to clone; all clones
/// are the same stock.
#[derive(Debug, Clone)]
pub struct Buffers {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    kept: usize,
}

/// The bytes of one chunk in a buffer that goes back to its stock.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
    home: Buffers,
}

impl Buffers {
    /// A stock that keeps at most `kept` free buffers.
    #[must_use]
    pub fn new(kept: usize) -> Self {
        Self { free: Arc::default(), kept }
    }

    /// A buffer of `length` bytes, of whatever content.
    #[must_use]
    pub fn take(&self, length: usize) -> Buffer {
        let mut bytes = self.free.lock().pop().unwrap_or_default();
        let room = length + BLOCK;
        if bytes.len() < room {
            // the old content is of no use: do not copy it to a larger place
            if bytes.capacity() < room {
                bytes = Vec::with_capacity(room);
            }
            bytes.resize(room, 0);
        }
        let start = bytes.as_ptr().align_offset(BLOCK);
        let start = if start < BLOCK { start } else { 0 };
        Buffer { bytes, start, length, home: self.clone() }
    }
}

impl Buffer {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.length]
    }

    /// The bytes, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.length]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = self.home.free.lock();
        if free.len() < self.home.kept {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_used_again() {
        let stock = Buffers::new(1);
        let mut first = stock.take(10_000);
        first.as_mut_slice()[0] = 7;
        let place = first.as_slice().as_ptr();
        let second = stock.take(10);
        drop(first);
        drop(second);
        let again = stock.take(500);
        assert_eq!((again.as_slice().as_ptr(), again.as_slice().len()), (place, 500));
    }

    #[test]
    fn begin_where_pages_do() {
        let stock = Buffers::new(4);
        for length in [0, 1, BLOCK - 1, BLOCK, 100_001, 16 << 20] {
            let buffer = stock.take(length);
            assert_eq!((buffer.as_slice().as_ptr().align_offset(BLOCK), buffer.as_slice().len()), (0, length));
        }
    }
}
