//! Where large files are cut: FastCDC, so that an insertion moves the cuts with the data.
//!
//! The cuts depend on the bytes and the sizes alone, never on how the bytes arrive.

use crate::IngestOptions;
use fastcdc::v2020::{self, Normalization};

/// FastCDC with its masks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cutter {
    min: usize,
    avg: usize,
    max: usize,
    strict: u64,
    relaxed: u64,
}

impl Cutter {
    pub(crate) fn new(options: &IngestOptions) -> Self {
        let (strict, relaxed) = v2020::select_masks(options.chunk_avg, Normalization::Level1);
        Self { min: options.chunk_min, avg: options.chunk_avg, max: options.chunk_max, strict, relaxed }
    }

    /// The length of the chunk at the beginning of `data`; `None` when that depends on bytes still to come.
    ///
    /// `last` says that none come.
    pub(crate) fn cut(&self, data: &[u8], last: bool) -> Option<usize> {
        if data.is_empty() {
            return None;
        }
        let (strict, relaxed) = (self.strict, self.relaxed);
        let (_, length) = v2020::cut(data, self.min, self.avg, self.max, strict, relaxed, strict << 1, relaxed << 1);
        // A length short of the data was decided by a hash, so more data would not change it.
        (last || length < data.len() || length == self.max).then_some(length)
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
            let cutter = Cutter::new(&small());
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
            let cutter = Cutter::new(&small());
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
