//! Which chunks of a transfer were found right, for streams and keepers to look up without asking anybody.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const BITS: usize = u64::BITS as usize;

/// One bit a chunk. A hint only: at worst a chunk is fetched twice.
#[derive(Debug)]
pub(crate) struct VerifiedChunks(Vec<AtomicU64>);

impl VerifiedChunks {
    pub(crate) fn new(chunks: usize) -> Self {
        Self((0..chunks.div_ceil(BITS)).map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn has(&self, chunk: u32) -> bool {
        let (word, bit) = place(chunk);
        self.0.get(word).is_some_and(|word| word.load(Relaxed) & bit != 0)
    }

    /// Sets the bit; false if it was set before.
    pub(crate) fn set(&self, chunk: u32) -> bool {
        let (word, bit) = place(chunk);
        self.0.get(word).is_some_and(|word| word.fetch_or(bit, Relaxed) & bit == 0)
    }
}

const fn place(chunk: u32) -> (usize, u64) {
    (chunk as usize / BITS, 1 << (chunk as usize % BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_single_chunks() {
        let chunks = VerifiedChunks::new(130);
        assert!(chunks.set(129) && !chunks.set(129));
        assert!(chunks.has(129) && !chunks.has(128) && !chunks.has(1000));
    }
}
