//! The log on disk: segment files of blocks of records, opened, checked and appended to.
//!
//! Blocking code. It knows nothing of actors: the writer's thread and the readers on the blocking pool call it.

mod append;
mod block;
mod chain;
mod header;
mod lock;
mod mark;
mod open;
pub(crate) mod passed;
mod state;
mod tail;
mod unsettled;

pub(crate) use append::Log;
pub(crate) use block::{Block, BlockBuilder, PAYLOAD_MAX_BYTES, Shape, TAIL_BYTES, block_len_at_end};
pub(crate) use chain::{Broken, Chain};
pub(crate) use header::{HEADER_MAX_BYTES, SegmentHeader};
pub(crate) use lock::DirLock;
pub(crate) use mark::Mark;
pub(crate) use open::{Cut, open};
pub(crate) use state::{Segment, Shared, Snapshot};
pub(crate) use tail::read_header;
pub(crate) use unsettled::{Seen, Unsettled};

pub use state::Head;
