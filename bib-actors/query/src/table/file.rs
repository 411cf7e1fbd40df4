//! One file of a version as ranges of chunks, and a reader over it. Owns the arithmetic of pieces; every byte comes
//! from the chunk store, which has hashed it.

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bib_chunks::{ChunkError, ChunkRef, ChunkStore, Entry, EntryKind, FileReader, Piece, TableSchema};
use bib_domain::ContentHash;
use bytes::{Bytes, BytesMut};

use super::arrivals::Bringer;
use super::fault::ReadFault;
use super::media::Media;
use super::reads::Counters;

/// Bytes that a sequential reader takes from the store at once: enough that opening a chunk costs little beside it.
pub(crate) const READ_AHEAD: u64 = 1 << 20;

/// How often a read is tried again after its missing chunks were brought. Only a sweep of a version that is removed
/// meanwhile makes a second time necessary.
pub(super) const BRINGS: usize = 3;

/// A file that lies in chunks.
#[derive(Debug)]
pub(crate) struct ChunkFile {
    /// Its path in the dataset.
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) content: ContentHash,
    pub(crate) media: Media,
    /// What was found when the file came in.
    pub(crate) schema: Option<TableSchema>,
    /// Whether all of it ought to be in the store: a chunk that is not there is damage then.
    whole: bool,
    pieces: Vec<Piece>,
}

impl ChunkFile {
    /// The file behind `entry`, whose segments refer to `chunks`.
    pub(crate) fn new(store: &ChunkStore, chunks: &[ChunkRef], entry: &Entry) -> Result<Self, ReadFault> {
        let EntryKind::File { size, content, media_type, schema, .. } = &entry.kind else {
            return Err(ReadFault::new(&entry.path, "it is a folder or a link, not a file"));
        };
        let reader = FileReader::new(store, chunks, entry).map_err(|error| ReadFault::new(&entry.path, error))?;
        Ok(Self {
            path: entry.path.clone(),
            size: *size,
            content: *content,
            media: Media::parse(media_type),
            schema: schema.clone(),
            whole: true,
            pieces: reader.pieces().to_vec(),
        })
    }

    /// The same file of a version whose chunks need not all be here.
    pub(crate) fn partly(mut self) -> Self {
        self.whole = false;
        self
    }

    /// The chunks of which `ranges` are made, each once.
    pub(crate) fn chunks<'a>(&self, ranges: impl IntoIterator<Item = &'a Range<u64>>) -> Vec<ChunkRef> {
        let mut known = HashSet::new();
        let pieces = ranges.into_iter().flat_map(|range| self.pieces_of(range));
        let new = pieces.filter(|piece| known.insert(piece.chunk));
        new.map(|piece| ChunkRef { hash: piece.chunk, len: piece.chunk_len }).collect()
    }

    fn pieces_of(&self, range: &Range<u64>) -> impl Iterator<Item = &Piece> {
        let (start, end) = (range.start, range.end);
        let first = self.pieces.partition_point(|piece| piece.at + u64::from(piece.len) <= start);
        self.pieces[first..].iter().take_while(move |piece| piece.at < end)
    }

    /// Reads `range`, which ends at the end of the file at the latest. Blocks.
    pub(crate) fn read(&self, store: &ChunkStore, range: Range<u64>) -> Result<Bytes, ReadFault> {
        let range = range.start..range.end.min(self.size);
        if range.start >= range.end {
            return Ok(Bytes::new());
        }
        let mut parts = Vec::new();
        for piece in self.pieces_of(&range) {
            let from = range.start.max(piece.at);
            let to = range.end.min(piece.at + u64::from(piece.len));
            let bytes = store
                .read_range(&piece.chunk, u64::from(piece.offset) + (from - piece.at), to - from)
                .map_err(|error| {
                    let ChunkError::Missing { hash, .. } = &error else { return ReadFault::new(&self.path, error) };
                    if self.whole {
                        // the version was whole when the query was planned: the chunk is to be fetched again
                        store.report_hurt(*hash, error.to_string());
                    }
                    ReadFault::missing(&self.path, error)
                })?;
            parts.push(bytes);
        }
        match parts.len() {
            1 => Ok(parts.swap_remove(0)),
            _ => {
                let mut whole = BytesMut::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
                parts.iter().for_each(|part| whole.extend_from_slice(part));
                Ok(whole.freeze())
            }
        }
    }
}

/// Reads a file from one position on. Blocks, also until chunks have come that are not here; holds one piece of the
/// file.
#[derive(Debug)]
pub(crate) struct ChunkReader {
    store: ChunkStore,
    file: Arc<ChunkFile>,
    counters: Arc<Counters>,
    position: u64,
    /// No byte from here on is given out.
    end: u64,
    held: Bytes,
    held_at: u64,
    bringer: Option<Bringer>,
    /// How far chunks are asked for ahead when one is missing: the further, the longer one goes on reading.
    ahead: u64,
}

impl ChunkReader {
    pub(crate) fn new(store: ChunkStore, file: Arc<ChunkFile>, counters: Arc<Counters>) -> Self {
        let end = file.size;
        let (held, bringer) = (Bytes::new(), None);
        Self { store, file, counters, position: 0, end, held, held_at: 0, bringer, ahead: READ_AHEAD }
    }

    /// Has chunks that are missing brought.
    pub(crate) fn bringing(mut self, bringer: Option<Bringer>) -> Self {
        self.bringer = bringer;
        self
    }

    /// Gives out the bytes of `range` only.
    pub(crate) fn within(mut self, range: Range<u64>) -> Self {
        self.position = range.start;
        self.end = range.end.min(self.file.size);
        self
    }

    /// Leaves out the mark that some programs put before UTF-8 text.
    pub(crate) fn skip_mark(&mut self) -> Result<(), ReadFault> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        if self.position == 0 && self.fill()?.starts_with(MARK) {
            self.position = MARK.len() as u64;
        }
        Ok(())
    }

    pub(crate) fn file(&self) -> &Arc<ChunkFile> {
        &self.file
    }

    /// The bytes from the position on that are held, after reading some if there are none.
    fn fill(&mut self) -> Result<&[u8], ReadFault> {
        let held = self.held_at..self.held_at + self.held.len() as u64;
        if !held.contains(&self.position) {
            let to = self.end.min(self.position.saturating_add(READ_AHEAD));
            self.held = self.read_or_bring(self.position..to)?;
            self.held_at = self.position;
            self.counters.add_bytes(self.held.len() as u64);
        }
        let from = usize::try_from(self.position - self.held_at).unwrap_or(usize::MAX).min(self.held.len());
        Ok(&self.held[from..])
    }

    fn read_or_bring(&mut self, range: Range<u64>) -> Result<Bytes, ReadFault> {
        let mut brings = 0;
        loop {
            match (self.file.read(&self.store, range.clone()), &self.bringer) {
                (Err(fault), Some(bringer)) if fault.is_missing() && brings < BRINGS => {
                    brings += 1;
                    let until = self.end.min(range.start.saturating_add(self.ahead)).max(range.end);
                    let chunks = self.file.chunks(std::iter::once(&(range.start..until)));
                    bringer.bring_now(&self.file.path, &chunks)?;
                    self.ahead = (self.ahead * 2).min(bringer.ahead().max(READ_AHEAD));
                }
                (read, _) => return read,
            }
        }
    }

    /// The position behind the next line feed at or after `at`, or the end of the file.
    pub(crate) fn line_after(&mut self, at: u64) -> Result<u64, ReadFault> {
        self.position = at;
        while self.position < self.end {
            let bytes = self.fill()?;
            let (len, newline) = (bytes.len() as u64, bytes.iter().position(|&byte| byte == b'\n'));
            if let Some(newline) = newline {
                return Ok(self.position + newline as u64 + 1);
            }
            self.position += len.max(1);
        }
        Ok(self.end)
    }
}

impl Read for ChunkReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() || self.position >= self.end {
            return Ok(0);
        }
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let bytes = self.fill()?;
        let count = bytes.len().min(out.len()).min(left);
        out[..count].copy_from_slice(&bytes[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for ChunkReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let target = target.ok_or_else(|| io::Error::other("the position lies before the file"))?;
        if target != self.position {
            self.ahead = READ_AHEAD;
        }
        self.position = target;
        Ok(self.position)
    }
}
