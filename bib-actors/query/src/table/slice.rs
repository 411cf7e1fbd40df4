//! The blocks of a slice of a file of lines, and where a file is cut into slices, which are read beside each other.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::fault::ReadFault;
use super::file::{ChunkFile, READ_AHEAD};
use super::lines::{Blocks, behind_marks};
use super::marks::is_break;
use super::reads::Reads;

/// The first slice is this large, so that the first rows come soon; then they grow.
const SMALLEST: u64 = 64 << 10;
/// One read of the store, and a moment's work.
const LARGEST: u64 = READ_AHEAD;
/// What is read first of the line that goes on behind the slice.
const TAIL: u64 = 4 << 10;
/// Lines up to here are counted when a message wants to name one.
const COUNTED: u64 = 64 << 20;

/// Reads the bytes of a slice, and of the line that goes on behind it.
pub(super) struct Slice {
    reads: Reads,
    file: Arc<ChunkFile>,
    range: Range<u64>,
    at: u64,
    tail: u64,
}

impl Slice {
    pub(super) fn new(reads: Reads, file: Arc<ChunkFile>, range: Range<u64>) -> Self {
        Self { reads, file, at: range.start.saturating_sub(1), range, tail: TAIL }
    }

    /// Where the first record of a file begins: behind marks and empty lines, of which there may be a whole slice.
    pub(super) fn first_record(reads: &Reads, file: &ChunkFile) -> Result<u64, ReadFault> {
        let mut at = 0;
        loop {
            let block = reads.block(file, at..at + TAIL)?;
            let marks = if at == 0 { behind_marks(&block) } else { 0 };
            match block[marks..].iter().position(|&byte| !is_break(byte)) {
                Some(first) => return Ok(at + (marks + first) as u64),
                None if block.is_empty() => return Ok(at),
                None => at += block.len() as u64,
            }
        }
    }

    /// Where `range` of a file is cut. A line belongs to the slice in which it begins.
    pub(super) fn cut(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let mut at = range.start;
        std::iter::from_fn(move || {
            let from = at;
            at = range.end.min(from + (from - range.start).clamp(SMALLEST, LARGEST));
            (from < at).then_some(from..at)
        })
    }
}

impl Blocks for Slice {
    fn next_block(&mut self) -> Result<Bytes, ReadFault> {
        let to = if self.at < self.range.end {
            self.range.end.min(self.at + READ_AHEAD)
        } else {
            self.tail = (self.tail * 2).min(READ_AHEAD);
            self.at + self.tail / 2
        };
        let block = self.reads.block(&self.file, self.at..to)?;
        self.at += block.len() as u64;
        Ok(block)
    }

    fn begin(&self) -> u64 {
        self.range.start
    }

    fn until(&self) -> u64 {
        self.range.end
    }

    fn path(&self) -> &str {
        &self.file.path
    }

    fn line(&self, at: u64) -> String {
        let counted = || {
            let (mut line, mut from) = (1, 0);
            while from < at {
                let block = self.reads.block(&self.file, from..at.min(from + READ_AHEAD)).ok()?;
                from += Some(block.len() as u64).filter(|len| *len > 0)?;
                line += block.iter().filter(|&&byte| byte == b'\n').count();
            }
            Some(line)
        };
        match (at <= COUNTED).then(counted).flatten() {
            Some(line) => format!("line {line}"),
            None => format!("the line at byte {at}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_grow_and_leave_nothing_out() {
        for range in [0..0, 7..8, 5..SMALLEST + 5, 1 << 20..(9 << 20) + 3] {
            let slices: Vec<_> = Slice::cut(range.clone()).collect();
            let mut at = range.start;
            for slice in &slices {
                assert!(slice.start == at && slice.end > at && slice.end - at <= LARGEST, "{slices:?}");
                at = slice.end;
            }
            assert_eq!(at, range.end);
            assert!(slices.len() <= 13, "{slices:?}");
        }
    }
}
