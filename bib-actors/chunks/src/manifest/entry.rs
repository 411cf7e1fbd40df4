//! One file, directory or link of a version, and the pieces of chunks that make up a file.

use super::TableSchema;
use bib_domain::{ChunkHash, ContentHash};

/// A chunk of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkRef {
    /// Its name.
    pub hash: ChunkHash,
    /// Its bytes.
    pub len: u32,
}

/// A file, directory or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path below the version's folder, with `/` between the parts.
    pub path: String,
    /// The permission bits of Unix, at most 0o777.
    pub mode: u32,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File {
        /// Bytes of its content.
        size: u64,
        /// SHA-256 of its content.
        content: ContentHash,
        /// The pieces that make up the content, in order.
        segments: Vec<Segment>,
        /// Its media type, for example `text/csv`; empty when nobody looked.
        media_type: String,
        /// The table in it, if it holds one that was understood.
        schema: Option<TableSchema>,
    },
    /// A directory. Listed where it is empty or its mode matters; others are implied by the paths.
    Directory,
    /// A symbolic link that stays inside the version.
    Symlink {
        /// Where it points, relative to its own directory.
        target: String,
    },
}

/// A piece of a file: a part of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segment {
    /// The chunk, as an index into the manifest's chunks.
    pub chunk: u32,
    /// Where the piece begins in the chunk, in bytes.
    pub offset: u32,
    /// How long the piece is, in bytes.
    pub len: u32,
}

impl Entry {
    /// Bytes of a file's content; 0 for a directory or a link.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.kind {
            EntryKind::File { size, .. } => size,
            _ => 0,
        }
    }

    /// Whether it is a file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self.kind, EntryKind::File { .. })
    }

    /// The pieces of a file; none for a directory or a link.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        match &self.kind {
            EntryKind::File { segments, .. } => segments,
            _ => &[],
        }
    }
}
