//! What is durable: written by the one writer after each sync, read by everybody else.
//!
//! A reader takes a snapshot and reads only what it names, so that appends go on beside it.

use super::unsettled::Unsettled;
use crate::format::Hash;
use bib_domain::NodeId;
use parking_lot::{Mutex, RwLock};
use std::path::PathBuf;
use std::sync::Arc;

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Which log.
    pub epoch: u64,
    /// Position of the last durable record; 0 if there is none.
    pub seq: u64,
    /// Its leaf hash; all zero if there is none.
    pub hash: Hash,
    /// How many records the log has.
    pub records: u64,
}

/// A segment file and how many of its bytes are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) first_seq: u64,
    pub(crate) len: u64,
}

/// A consistent prefix of the log. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) node_id: NodeId,
    pub(crate) head: Head,
    closed: Arc<Vec<Segment>>,
    active: Segment,
}

impl Snapshot {
    pub(crate) fn new(node_id: NodeId, head: Head, closed: Vec<Segment>, active: Segment) -> Self {
        Self { node_id, head, closed: Arc::new(closed), active }
    }

    /// The segments, oldest first; the last one is being written to.
    pub(crate) fn segments(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.closed.iter().chain(std::iter::once(&self.active))
    }

    /// The segments, oldest first, from the one that holds `seq`.
    pub(crate) fn segments_from(&self, seq: u64) -> impl Iterator<Item = &Segment> {
        let skip = self.closed.partition_point(|segment| segment.first_seq <= seq);
        let skip = if self.active.first_seq <= seq { self.closed.len() } else { skip.saturating_sub(1) };
        self.segments().skip(skip)
    }

    /// The segment that is being written to.
    pub(crate) fn active(&self) -> &Segment {
        &self.active
    }

    /// The end of the log after another block.
    pub(crate) fn grow(&mut self, head: Head, active_len: u64) {
        self.head = head;
        self.active.len = active_len;
    }

    /// Closes the active segment; `next` is written to from now on.
    pub(crate) fn rotate(&mut self, next: Segment) {
        let full = std::mem::replace(&mut self.active, next);
        Arc::make_mut(&mut self.closed).push(full);
    }
}

/// The snapshot that the writer keeps up to date.
#[derive(Debug)]
pub(crate) struct Shared {
    now: RwLock<Snapshot>,
    /// Changed by the writer alone, after `now`.
    unsettled: Mutex<Unsettled>,
}

impl Shared {
    pub(crate) fn new(snapshot: Snapshot, mut unsettled: Unsettled) -> Self {
        unsettled.opened(snapshot.head.seq);
        Self { now: RwLock::new(snapshot), unsettled: Mutex::new(unsettled) }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.now.read().clone()
    }

    pub(crate) fn head(&self) -> Head {
        self.now.read().head
    }

    /// Looks at the intents without an outcome, or takes note of one.
    pub(crate) fn unsettled<T>(&self, look: impl FnOnce(&mut Unsettled) -> T) -> T {
        look(&mut self.unsettled.lock())
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.now.write());
    }
}
