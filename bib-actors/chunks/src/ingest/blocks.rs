//! Buffers that are used again: a block is filled by one thread, shared by several, and goes back when all are done.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A bounded number of buffers of one size.
#[derive(Debug)]
pub(crate) struct Pool {
    size: usize,
    unmade: usize,
    returned: Receiver<Vec<u8>>,
    home: SyncSender<Vec<u8>>,
}

/// A filled buffer. The last owner's drop gives it back to its pool.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    home: SyncSender<Vec<u8>>,
}

impl Pool {
    pub(crate) fn new(size: usize, count: usize) -> Self {
        let (home, returned) = sync_channel(count);
        Self { size, unmade: count, returned, home }
    }

    /// A buffer of the pool's size, with whatever was in it. Waits until one is free.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        match self.returned.try_recv() {
            Ok(bytes) => bytes,
            Err(_) if self.unmade > 0 => {
                self.unmade -= 1;
                vec![0; self.size]
            }
            Err(_) => self.returned.recv().expect("the pool holds a sender of its own"),
        }
    }

    /// Makes a filled buffer shareable.
    pub(crate) fn share(&self, bytes: Vec<u8>) -> Arc<Block> {
        Arc::new(Block { bytes, home: self.home.clone() })
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let _ = self.home.try_send(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_are_never_more_than_promised() {
        let mut pool = Pool::new(16, 2);
        let first = pool.take();
        let second = pool.take();
        let address = first.as_ptr();
        let shared = pool.share(first);
        let other = Arc::clone(&shared);
        drop(shared);
        let waiting = std::thread::spawn(move || pool.take());
        drop(other);
        let again = waiting.join().unwrap();
        assert_eq!(again.as_ptr(), address);
        assert_eq!(second.len(), 16);
    }
}
