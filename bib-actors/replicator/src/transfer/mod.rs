//! Fetching the chunks of one version from many peers at once.
//!
//! `bib_domain::transfer` decides; here its commands are carried out. Streams read into recycled buffers, keepers hash,
//! write and sync them on blocking threads, and this loop only passes small events on. Dropping the future ends every
//! stream; what was synced stays, so the next attempt fetches only the rest.

mod job;
mod keeper;
mod link;
mod run;
mod stream;
mod verified;

pub(crate) use job::{Job, Outcome, check, run, some};

use bib_domain::NodeId;

/// What streams and keepers tell the loop of their transfer.
#[derive(Debug)]
pub(crate) enum Up {
    /// A data stream to a peer is open.
    Opened { peer: NodeId, stream: usize },
    /// All bytes of a chunk have come and are on their way to a keeper.
    Arrived { peer: NodeId, stream: usize, chunk: u32 },
    /// The peer does not have a chunk.
    Absent { peer: NodeId, stream: usize, chunk: u32 },
    /// A chunk was not asked for after all, since it came from elsewhere.
    Skipped { peer: NodeId, stream: usize, chunk: u32 },
    /// The peer serves nothing to this node.
    Refused { peer: NodeId },
    /// The peer sent something that is not the chunk.
    Wrong { peer: NodeId, chunk: u32, detail: String },
    /// A data stream broke or could not be opened.
    Closed { peer: NodeId, stream: usize, error: String },
    /// A chunk's bytes have its name.
    Verified { peer: NodeId, chunk: u32 },
    /// Chunks are synced.
    Durable { chunks: Vec<u32> },
    /// This node could not keep what came.
    Unkept { error: String },
}
