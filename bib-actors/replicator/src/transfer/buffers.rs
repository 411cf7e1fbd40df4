//! Recycled buffers for chunks, so that memory is not given and taken for each of them.

use std::sync::{Arc, Mutex, PoisonError};

/// A stock of buffers. How many are out at the same time is bounded by what the transfer asks for.
#[derive(Debug, Clone)]
pub(crate) struct Buffers {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    kept: usize,
}

/// The bytes of one chunk in a buffer that goes back to its stock.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    length: usize,
    home: Buffers,
}

impl Buffers {
    /// A stock that keeps at most `kept` free buffers.
    pub(crate) fn new(kept: usize) -> Self {
        Self { free: Arc::default(), kept }
    }

    /// A buffer of `length` bytes, of whatever content.
    pub(crate) fn take(&self, length: usize) -> Buffer {
        let mut bytes = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        if bytes.len() < length {
            // the old content is of no use: do not copy it to a larger place
            if bytes.capacity() < length {
                bytes = Vec::with_capacity(length);
            }
            bytes.resize(length, 0);
        }
        Buffer { bytes, length, home: self.clone() }
    }
}

impl Buffer {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = self.home.free.lock().unwrap_or_else(PoisonError::into_inner);
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
        let mut first = stock.take(1000);
        first.as_mut_slice()[0] = 7;
        let place = first.as_slice().as_ptr();
        let second = stock.take(10);
        drop(first);
        drop(second);
        let again = stock.take(500);
        assert_eq!((again.as_slice().as_ptr(), again.as_slice().len()), (place, 500));
    }
}
