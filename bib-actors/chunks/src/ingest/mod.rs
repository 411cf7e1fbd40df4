//! From files to chunks: one version is streamed in, cut, hashed and written with bounded memory.
//!
//! The caller's thread reads and cuts; one thread hashes whole files; a few hash chunks and write them to temporary
//! files; one syncs full batches while the next fills. Bytes are copied once, into a buffer that all of them share
//! and that is used again.

mod blocks;
mod cutter;
mod pack;
mod pipeline;
mod work;
mod writer;

pub(crate) use cutter::Cutter;
pub use writer::VersionWriter;

use crate::hold::Hold;
use crate::manifest::{ChunkRef, Entry, EntryKind};
use std::collections::HashMap;

/// What a version contains, all of it on the disk.
#[derive(Debug, Clone)]
pub struct Content {
    /// Files, directories and links, sorted by path.
    pub entries: Vec<Entry>,
    /// The chunks they need, each once, in the order in which the entries first need them.
    pub chunks: Vec<ChunkRef>,
    /// Chunks that were not in the store before.
    pub new_chunks: u64,
    /// Bytes in them.
    pub new_bytes: u64,
    /// No sweep removes the chunks while this value lives: keep it until the version is published.
    _hold: Option<Hold>,
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        (&self.entries, &self.chunks, self.new_chunks, self.new_bytes)
            == (&other.entries, &other.chunks, other.new_chunks, other.new_bytes)
    }
}

impl Eq for Content {}

/// Sorts the entries, and turns their segments' numbers of pieces of work into indexes of distinct chunks.
fn arrange(mut entries: Vec<Entry>, names: &[ChunkRef]) -> (Vec<Entry>, Vec<ChunkRef>) {
    entries.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    let mut chunks = Vec::new();
    let mut index = HashMap::new();
    for entry in &mut entries {
        let EntryKind::File { segments, .. } = &mut entry.kind else { continue };
        for segment in segments {
            let name = names[segment.chunk as usize];
            segment.chunk = *index.entry(name.hash).or_insert_with(|| {
                chunks.push(name);
                (chunks.len() - 1) as u32
            });
        }
    }
    (entries, chunks)
}
