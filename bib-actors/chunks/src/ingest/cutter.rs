//! Where large files are cut: FastCDC, so that an insertion moves the cuts with the data.
//!
//! The cuts depend on the bytes and the sizes alone, never on how the bytes arrive.

use crate::IngestOptions;
use fastcdc::v2020::{self, Normalization};

/// The hash of a place depends on this many bytes before it, and on nothing else.
const WINDOW: usize = 64;

/// FastCDC with its masks, and how far it has looked.
#[derive(Debug)]
pub(crate) struct Cutter {
    min: usize,
    avg: usize,
    max: usize,
    strict: u64,
    relaxed: u64,
    /// Bytes of the present chunk in which there is no cut. Even.
    looked: usize,
}

impl Cutter {
    pub(crate) fn new(options: &IngestOptions) -> Self {
        let (strict, relaxed) = v2020::select_masks(options.chunk_avg, Normalization::Level1);
        Self { min: options.chunk_min, avg: options.chunk_avg, max: options.chunk_max, strict, relaxed, looked: 0 }
    }

    /// The next bytes are another file's: what was looked at is forgotten.
    pub(crate) fn restart(&mut self) {
        self.looked = 0;
    }

    /// The length of the chunk at the beginning of `data`; `None` when that depends on bytes still to come. Then the
    /// next call has the same bytes and more behind them, or the same and `last`, which says that none come. What was
    /// looked at is not looked at again.
    pub(crate) fn cut(&mut self, data: &[u8], last: bool) -> Option<usize> {
        if data.is_empty() {
            return None;
        }
        let looked = std::mem::take(&mut self.looked);
        let length = self.go_on(data, looked).unwrap_or_else(|| self.find(data, 0));
        // A length short of the data was decided by a hash, so more data would not change it.
        if last || length < data.len() || length == self.max {
            return Some(length);
        }
        // bytes are hashed in pairs: an odd last one waits for the other
        self.looked = data.len() & !1;
        None
    }

    /// Looks behind the first `looked` bytes, which have no cut. `None` where this does not tell: too little was looked
    /// at, or the hash found a cut while it had not seen its whole window.
    fn go_on(&self, data: &[u8], looked: usize) -> Option<usize> {
        let from = looked.checked_sub(WINDOW).filter(|&from| from >= self.min)?;
        let length = self.find(data, from);
        (length >= looked).then_some(length)
    }

    /// Where the chunk ends that begins with `data`, if the hash begins at `from`: at 0, or behind the smallest chunk.
    fn find(&self, data: &[u8], from: usize) -> usize {
        let left = |size: usize| size.saturating_sub(from);
        let (min, avg, max, strict, relaxed) =
            (left(self.min), left(self.avg), left(self.max), self.strict, self.relaxed);
        let (_, length) = v2020::cut(&data[from..], min, avg, max, strict, relaxed, strict << 1, relaxed << 1);
        from + length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn small() -> IngestOptions {
        IngestOptions { chunk_min: 64, chunk_avg: 256, chunk_max: 1024, ..IngestOptions::default() }
    }

    fn noise(len: usize, seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        let step = |state: &mut u64| {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            (*state >> 32) as u8
        };
        (0..len).map(|_| step(&mut state)).collect()
    }

    proptest! {
        #[test]
        fn cuts_do_not_depend_on_how_bytes_arrive(len in 0_usize..6000, seed: u64, step in 1_usize..700, odd in 0_usize..3) {
            let data = if odd == 0 { vec![7; len] } else { noise(len, seed) };
            let expected: Vec<usize> = v2020::FastCDC::new(&data, 64, 256, 1024).map(|chunk| chunk.length).collect();
            let mut cutter = Cutter::new(&small());
            let (mut found, mut from, mut have) = (Vec::new(), 0, 0);
            loop {
                have = (have + step).min(data.len());
                while let Some(length) = cutter.cut(&data[from..have], have == data.len()) {
                    found.push(length);
                    from += length;
                }
                prop_assert!(have - from < 1024, "a tail never reaches the largest chunk");
                if have == data.len() {
                    break;
                }
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn an_insertion_changes_few_chunks() {
        let data = noise(200_000, 3);
        let cuts = |data: &[u8]| {
            let mut cutter = Cutter::new(&small());
            let mut rest = data;
            let mut chunks = Vec::new();
            while let Some(length) = cutter.cut(rest, true) {
                chunks.push(rest[..length].to_vec());
                rest = &rest[length..];
            }
            chunks
        };
        let before: std::collections::HashSet<_> = cuts(&data).into_iter().collect();
        let edited = [b"something new at the front".as_slice(), &data].concat();
        let new = cuts(&edited).into_iter().filter(|chunk| !before.contains(chunk)).count();
        assert!(new <= 4, "{new} new chunks");
    }
}
