//! The buffers of an ingest: bytes are collected here, cut, and handed to the threads a block at a time.

use super::blocks::{Block, Pool};
use super::cutter::Cutter;
use super::pack;
use super::pipeline::{ChunkJob, ContentJob, Done, Pipeline};
use crate::manifest::{ChunkRef, Segment};
use crate::store::{ChunkStore, name_of};
use crate::{ChunkError, IngestOptions};
use bib_domain::ContentHash;
use std::ops::Range;
use std::sync::Arc;

/// The file that is being written. The chunks of its segments are numbers of pieces of work.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) size: u64,
    pub(super) segments: Vec<Segment>,
    /// Whether it outgrew the files that share chunks.
    large: bool,
}

impl OpenFile {
    pub(super) fn new(path: &str, mode: u32) -> Self {
        Self { path: path.to_owned(), mode, size: 0, segments: Vec::new(), large: false }
    }
}

/// What is to be done with the block once it is full.
#[derive(Debug)]
enum Planned {
    Chunk(u32, Range<usize>),
    Content(Range<usize>),
    End(usize),
}

/// What exists once there is something to write.
#[derive(Debug)]
pub(super) struct Work {
    pipeline: Pipeline,
    options: IngestOptions,
    cutter: Cutter,
    next_chunk: u32,
    /// The beginning of the present file, until it is known to be large.
    small: Vec<u8>,
    small_len: usize,
    /// The shared chunk that is being filled.
    pack: Vec<u8>,
    pack_len: usize,
    pack_chunk: u32,
    packs: Pool,
    /// The block that is being filled with large files.
    block: Vec<u8>,
    filled: usize,
    /// Where in the block the bytes of the present large file begin that are in no chunk yet.
    uncut: usize,
    /// Where in the block its bytes begin that are not on their way to the hash yet.
    unhashed: usize,
    blocks: Pool,
    planned: Vec<Planned>,
}

impl Work {
    pub(super) fn start(store: &ChunkStore, options: &IngestOptions) -> Result<Self, ChunkError> {
        Ok(Self {
            pipeline: Pipeline::start(store, options)?,
            cutter: Cutter::new(options),
            next_chunk: 0,
            small: vec![0; options.pack_below],
            small_len: 0,
            pack: Vec::new(),
            pack_len: 0,
            pack_chunk: 0,
            packs: Pool::new(options.pack_max + options.pack_below, options.blocks),
            block: Vec::new(),
            filled: 0,
            uncut: 0,
            unhashed: 0,
            // bytes that are in no chunk yet are fewer than chunk_max
            blocks: Pool::new(options.chunk_max + options.chunk_min, options.blocks),
            planned: Vec::new(),
            options: options.clone(),
        })
    }

    /// Lets `fill` write into the buffer of the file, and tells how many bytes it wrote.
    pub(super) fn take(
        &mut self,
        file: &mut OpenFile,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<usize, ChunkError>,
    ) -> Result<usize, ChunkError> {
        self.pipeline.check()?;
        if !file.large && self.small_len == self.small.len() {
            self.grow_large(file)?;
        }
        let n = if file.large {
            self.fill_block(file, fill)?
        } else {
            let n = fill(&mut self.small[self.small_len..])?;
            self.small_len += n;
            n
        };
        file.size += n as u64;
        Ok(n)
    }

    /// Ends the file, which becomes the entry `number`. Tells its hash, unless a thread still works on it.
    pub(super) fn end_file(&mut self, file: &mut OpenFile, number: usize) -> Result<Option<ContentHash>, ChunkError> {
        self.pipeline.check()?;
        if file.large {
            self.cut(file, true)?;
            self.planned.push(Planned::Content(self.unhashed..self.filled));
            self.planned.push(Planned::End(number));
            self.unhashed = self.filled;
            if self.filled >= self.options.chunk_avg {
                let block = std::mem::take(&mut self.block);
                let full = self.blocks.share(block);
                (self.filled, self.uncut, self.unhashed) = (0, 0, 0);
                self.hand_on(&full)?;
            }
            Ok(None)
        } else {
            self.end_small(file).map(Some)
        }
    }

    /// Takes a chunk in that the store has already, and tells its number.
    pub(super) fn keep(&mut self, chunk: ChunkRef) -> Result<u32, ChunkError> {
        self.pipeline.expect(chunk)?;
        let number = self.number();
        self.pipeline.note(number, chunk);
        Ok(number)
    }

    /// Hands on what is left, and waits until all is on the disk.
    pub(super) fn finish(mut self) -> Result<Done, ChunkError> {
        self.end_pack()?;
        let block = std::mem::take(&mut self.block);
        let full = self.blocks.share(block);
        self.hand_on(&full)?;
        drop(full);
        self.pipeline.finish()
    }

    fn number(&mut self) -> u32 {
        self.next_chunk += 1;
        self.next_chunk - 1
    }

    /// Moves the file's beginning from the small buffer to the block.
    fn grow_large(&mut self, file: &mut OpenFile) -> Result<(), ChunkError> {
        if self.block.is_empty() {
            self.block = self.blocks.take();
        }
        file.large = true;
        self.cutter.restart();
        (self.uncut, self.unhashed) = (self.filled, self.filled);
        let small = std::mem::take(&mut self.small);
        let mut rest = &small[..self.small_len];
        while !rest.is_empty() {
            self.fill_block(file, &mut |space| {
                let (now, later) = rest.split_at(space.len().min(rest.len()));
                space[..now.len()].copy_from_slice(now);
                rest = later;
                Ok(now.len())
            })?;
        }
        self.small = small;
        self.small_len = 0;
        Ok(())
    }

    /// Takes a few bytes into the block and cuts them at once: the threads have work as soon as there is some, and few
    /// bytes move on to the next block.
    fn fill_block(
        &mut self,
        file: &mut OpenFile,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<usize, ChunkError>,
    ) -> Result<usize, ChunkError> {
        let end = self.block.len().min(self.filled + self.options.chunk_min);
        let n = fill(&mut self.block[self.filled..end])?;
        if n == 0 {
            return Ok(0);
        }
        self.filled += n;
        self.cut(file, false)?;
        if self.uncut >= self.options.chunk_avg || self.filled == self.block.len() {
            self.next_block()?;
        }
        Ok(n)
    }

    /// Hands the block on, and goes on in a new one with the bytes that are in no chunk yet.
    fn next_block(&mut self) -> Result<(), ChunkError> {
        self.planned.push(Planned::Content(self.unhashed..self.filled));
        let block = std::mem::take(&mut self.block);
        let full = self.blocks.share(block);
        self.hand_on(&full)?;
        let mut next = self.blocks.take();
        let rest = &full[self.uncut..self.filled];
        next[..rest.len()].copy_from_slice(rest);
        (self.filled, self.uncut, self.unhashed) = (rest.len(), 0, rest.len());
        self.block = next;
        Ok(())
    }

    /// Plans the chunks of the present file as far as they are certain.
    fn cut(&mut self, file: &mut OpenFile, last: bool) -> Result<(), ChunkError> {
        while let Some(length) = self.cutter.cut(&self.block[self.uncut..self.filled], last) {
            let number = self.number();
            let range = self.uncut..self.uncut + length;
            self.uncut = range.end;
            self.planned.push(Planned::Chunk(number, range));
            file.segments.push(Segment { chunk: number, offset: 0, len: length as u32 });
            if file.segments.len() > self.options.limits.segments {
                return Err(ChunkError::Limit { what: "segments", limit: self.options.limits.segments as u64 });
            }
        }
        Ok(())
    }

    /// Gives a block and what is planned for it to the threads.
    fn hand_on(&mut self, block: &Arc<Block>) -> Result<(), ChunkError> {
        for planned in self.planned.drain(..) {
            match planned {
                Planned::Chunk(number, range) => {
                    self.pipeline.chunk(ChunkJob { number, block: Arc::clone(block), range })?;
                }
                Planned::Content(range) => self.pipeline.content(ContentJob::Bytes(Arc::clone(block), range))?,
                Planned::End(entry) => self.pipeline.content(ContentJob::End(entry))?,
            }
        }
        Ok(())
    }

    /// Puts the file into the shared chunk.
    fn end_small(&mut self, file: &mut OpenFile) -> Result<ContentHash, ChunkError> {
        let bytes = &self.small[..self.small_len];
        let content = ContentHash::from_bytes(*name_of(bytes).as_bytes());
        if bytes.is_empty() {
            return Ok(content);
        }
        if self.pack.is_empty() {
            self.pack = self.packs.take();
            self.pack_chunk = self.next_chunk;
            self.next_chunk += 1;
        }
        let (from, len) = (self.pack_len, bytes.len());
        self.pack[from..from + len].copy_from_slice(bytes);
        self.pack_len += len;
        self.small_len = 0;
        file.segments.push(Segment { chunk: self.pack_chunk, offset: from as u32, len: len as u32 });
        if pack::ends(&self.options, self.pack_len, len, &content) {
            self.end_pack()?;
        }
        Ok(content)
    }

    fn end_pack(&mut self) -> Result<(), ChunkError> {
        if self.pack_len == 0 {
            return Ok(());
        }
        let block = self.packs.share(std::mem::take(&mut self.pack));
        let range = 0..std::mem::take(&mut self.pack_len);
        self.pipeline.chunk(ChunkJob { number: self.pack_chunk, block, range })
    }
}
