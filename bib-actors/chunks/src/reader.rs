//! Reads one file of a version through the store: every byte comes from a chunk that matched its name.

use crate::manifest::{ChunkRef, Entry, Manifest, Segment};
use crate::{ChunkError, ChunkStore};
use bib_domain::ChunkHash;
use bytes::Bytes;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// A piece of a file, by the name of its chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The chunk.
    pub chunk: ChunkHash,
    /// Bytes of the whole chunk.
    pub chunk_len: u32,
    /// Where in the chunk the piece begins.
    pub offset: u32,
    /// Bytes of the piece.
    pub len: u32,
    /// Where in the file the piece begins.
    pub at: u64,
}

/// One file of a version, from a store. Holds one chunk in memory.
#[derive(Debug, Clone)]
pub struct FileReader {
    store: ChunkStore,
    pieces: Vec<Piece>,
    size: u64,
    position: u64,
    /// The piece that was read last, and its bytes.
    held: Option<(usize, Bytes)>,
}

impl FileReader {
    /// Opens the file `path` of a version.
    ///
    /// # Errors
    /// [`ChunkError::NoSuchFile`], [`ChunkError::NotAFile`].
    pub fn open(store: &ChunkStore, manifest: &Manifest, path: &str) -> Result<Self, ChunkError> {
        let entry = manifest.entry(path).ok_or_else(|| ChunkError::NoSuchFile { path: path.to_owned() })?;
        Self::new(store, &manifest.chunks, entry)
    }

    /// Opens a file from its entry and the chunks to which that refers, before there is a manifest for instance.
    ///
    /// # Errors
    /// [`ChunkError::NotAFile`], or [`ChunkError::Order`] when the entry does not fit the chunks.
    pub fn new(store: &ChunkStore, chunks: &[ChunkRef], entry: &Entry) -> Result<Self, ChunkError> {
        if !entry.is_file() {
            return Err(ChunkError::NotAFile { path: entry.path.clone() });
        }
        let pieces = pieces(chunks, entry.segments())
            .ok_or(ChunkError::Order { problem: "a file needs a chunk that is not listed" })?;
        Ok(Self { store: store.clone(), pieces, size: entry.size(), position: 0, held: None })
    }

    /// Bytes of the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where the next read begins.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The pieces of the file, in order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The bytes from the present position to the end of their piece, without a copy; none at the end of the file.
    ///
    /// # Errors
    /// As [`ChunkStore::read`].
    pub fn next_bytes(&mut self) -> Result<Option<Bytes>, ChunkError> {
        let Some((bytes, from)) = self.here()? else { return Ok(None) };
        let rest = bytes.slice(from..);
        self.position += rest.len() as u64;
        Ok(Some(rest))
    }

    /// The piece at the present position, and where in it that is.
    fn here(&mut self) -> Result<Option<(Bytes, usize)>, ChunkError> {
        let index = self.pieces.partition_point(|piece| piece.at + u64::from(piece.len) <= self.position);
        let Some(piece) = self.pieces.get(index).copied() else {
            self.held = None;
            return Ok(None);
        };
        let bytes = match &self.held {
            Some((held, bytes)) if *held == index => bytes.clone(),
            _ => {
                self.held = None;
                let bytes = read_piece(&self.store, &piece)?;
                self.held = Some((index, bytes.clone()));
                bytes
            }
        };
        Ok(Some((bytes, (self.position - piece.at) as usize)))
    }
}

/// A chunk that is one piece is hashed at every read; one that many files share is hashed once for all of them.
fn read_piece(store: &ChunkStore, piece: &Piece) -> Result<Bytes, ChunkError> {
    let read = read_checked(store, piece);
    if let Err(error @ ChunkError::Missing { hash, .. }) = &read {
        store.report_hurt(*hash, error.to_string());
    }
    read
}

fn read_checked(store: &ChunkStore, piece: &Piece) -> Result<Bytes, ChunkError> {
    let Piece { chunk, chunk_len, offset, len, .. } = *piece;
    if (offset, len) != (0, chunk_len) {
        return store.read_range(&chunk, u64::from(offset), u64::from(len));
    }
    let bytes = store.read(&chunk)?;
    if bytes.len() == len as usize {
        Ok(bytes)
    } else {
        Err(ChunkError::Range { hash: chunk, offset: 0, len: u64::from(len), size: bytes.len() as u64 })
    }
}

/// The pieces of a file; `None` when a chunk is not listed.
pub(crate) fn pieces(chunks: &[ChunkRef], segments: &[Segment]) -> Option<Vec<Piece>> {
    let mut at = 0;
    let piece = |segment: &Segment| {
        let chunk = chunks.get(segment.chunk as usize)?;
        let Segment { offset, len, .. } = *segment;
        let piece = Piece { chunk: chunk.hash, chunk_len: chunk.len, offset, len, at };
        at += u64::from(len);
        Some(piece)
    };
    segments.iter().map(piece).collect()
}

impl Read for FileReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let Some((bytes, from)) = self.here()? else { return Ok(0) };
        let n = out.len().min(bytes.len() - from);
        out[..n].copy_from_slice(&bytes[from..from + n]);
        self.position += n as u64;
        Ok(n)
    }
}

impl BufRead for FileReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let from = self.here()?.map_or(0, |(_, from)| from);
        Ok(self.held.as_ref().map_or(&[], |(_, bytes)| &bytes[from..]))
    }

    fn consume(&mut self, n: usize) {
        self.position += n as u64;
    }
}

impl Seek for FileReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the beginning of the file");
        self.position = position.ok_or_else(before)?;
        Ok(self.position)
    }
}
