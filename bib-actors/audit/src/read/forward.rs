//! Reads the blocks of one segment from its beginning, through a window of bounded size.

use crate::log::{Block, HEADER_MAX_BYTES, SegmentHeader, Shape};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How much is read at once. More does not read faster; less makes more calls.
const WINDOW_BYTES: usize = 1 << 20;

/// What comes next in a segment.
#[derive(Debug)]
pub(crate) enum Next<'r> {
    /// A block and its length in bytes.
    Block(Block<'r>, usize),
    /// Nothing: the last block ended where the durable part ends.
    End,
    /// Something that is not a block.
    Bad(&'static str),
}

/// Reads a segment from its beginning to the end of its durable part.
pub(crate) struct ForwardReader {
    file: File,
    end: u64,
    /// Where the unread part of the window begins in the file.
    offset: u64,
    window: Vec<u8>,
    used: usize,
}

impl ForwardReader {
    /// Opens a segment of which `end` bytes are durable.
    pub(crate) fn open(path: &Path, end: u64) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, end, offset: 0, window: Vec::new(), used: 0 })
    }

    /// Reads the header, which comes first.
    pub(crate) fn header(&mut self) -> io::Result<Result<(SegmentHeader, u64), &'static str>> {
        self.fill(HEADER_MAX_BYTES, HEADER_MAX_BYTES)?;
        let read = SegmentHeader::decode(&self.window[self.used..]);
        Ok(read.map(|(header, len)| {
            self.skip(len);
            (header, len as u64)
        }))
    }

    /// Where in the file the next block begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on reading at a place where a block begins.
    pub(crate) fn seek(&mut self, offset: u64) {
        self.offset = offset;
        self.used = 0;
        self.window.clear();
    }

    /// The next block.
    pub(crate) fn next(&mut self) -> io::Result<Next<'_>> {
        if self.offset == self.end {
            return Ok(Next::End);
        }
        let mut need = 1;
        let whole = loop {
            let have = self.fill(need, WINDOW_BYTES)?;
            match Block::shape(&self.window[self.used..]) {
                Shape::Whole(_, whole) => break whole,
                Shape::Bad(problem) => return Ok(Next::Bad(problem)),
                Shape::Short(_) if have < need => {
                    return Ok(Next::Bad("the file ends in the middle of a block"));
                }
                Shape::Short(needed) => need = needed,
            }
        };
        let from = self.used;
        self.skip(whole);
        match Block::shape(&self.window[from..]) {
            Shape::Whole(block, whole) => Ok(Next::Block(block, whole)),
            _ => Ok(Next::Bad("no block begins here")),
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.used += bytes;
        self.offset += bytes as u64;
    }

    /// Brings at least `need` unread bytes into the window, if the durable part has them, and says how many there are.
    fn fill(&mut self, need: usize, window: usize) -> io::Result<usize> {
        let have = self.window.len() - self.used;
        if have >= need {
            return Ok(have);
        }
        self.window.drain(..self.used);
        self.used = 0;
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let target = left.min(need.max(window));
        let mut filled = self.window.len();
        self.window.resize(target.max(filled), 0);
        while filled < target {
            match self.file.read_at(&mut self.window[filled..], self.offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.window.truncate(filled);
        Ok(filled)
    }
}
