//! Reads the blocks of one segment from its end, so that the newest records cost nothing but themselves.

use crate::log::{Block, Shape, TAIL_BYTES, block_len_at_end};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How much is read at once: a few pages of records.
const WINDOW_BYTES: u64 = 128 << 10;

/// Reads a segment from the end of its durable part to its header.
pub(crate) struct BackwardReader {
    file: File,
    /// Where the blocks begin.
    begin: u64,
    /// Where the unread blocks end.
    end: u64,
    window: Vec<u8>,
    /// Where the window begins in the file.
    from: u64,
}

impl BackwardReader {
    /// Opens a segment whose blocks lie between `begin` and `end`.
    pub(crate) fn open(path: &Path, begin: u64, end: u64) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, begin, end, window: Vec::new(), from: end })
    }

    /// The block before those already read; an error text where there is none though there should be.
    pub(crate) fn previous(&mut self) -> io::Result<Option<Result<Block<'_>, &'static str>>> {
        if self.end <= self.begin {
            return Ok(None);
        }
        if !self.hold(TAIL_BYTES as u64)? {
            return Ok(Some(Err("the segment is too short to end with a block")));
        }
        let upto = self.at(self.end);
        let Some(whole) = block_len_at_end(&self.window[..upto]) else {
            return Ok(Some(Err("no block ends here")));
        };
        if !self.hold(whole as u64)? {
            return Ok(Some(Err("the block is longer than its segment")));
        }
        let upto = self.at(self.end);
        self.end -= whole as u64;
        match Block::shape(&self.window[upto - whole..upto]) {
            Shape::Whole(block, len) if len == whole => Ok(Some(Ok(block))),
            _ => Ok(Some(Err("the block's head does not match its end"))),
        }
    }

    fn at(&self, offset: u64) -> usize {
        usize::try_from(offset - self.from).unwrap_or(usize::MAX)
    }

    /// Brings the `need` bytes before the end of the unread part into the window; false if there are not so many.
    fn hold(&mut self, need: u64) -> io::Result<bool> {
        if self.end - self.begin < need {
            return Ok(false);
        }
        if self.end - self.from >= need && self.at(self.end) <= self.window.len() {
            return Ok(true);
        }
        self.from = self.end.saturating_sub(need.max(WINDOW_BYTES)).max(self.begin);
        self.window.resize(usize::try_from(self.end - self.from).unwrap_or(usize::MAX), 0);
        self.file.read_exact_at(&mut self.window, self.from)?;
        Ok(true)
    }
}
