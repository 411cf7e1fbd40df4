//! What people see of transfers. Progress is counted in atomics by whoever makes it; nobody is asked for it.

use bib_domain::{DatasetRef, NodeId, VersionId};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Where a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferState {
    /// It waits for its turn, for a peer that has it, or for its next attempt.
    Queued,
    /// Chunks are coming.
    Running,
    /// The version is whole.
    Done,
    /// It was given up: the version is not wanted any more.
    Failed,
}

impl TransferState {
    /// The word used on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// One version that is being fetched, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    /// Which version.
    pub version: VersionId,
    /// Of which dataset.
    pub dataset: DatasetRef,
    /// Where it stands.
    pub state: TransferState,
    /// Bytes of chunks that are here and checked.
    pub bytes_done: u64,
    /// Bytes of all chunks; 0 while not known.
    pub bytes_total: u64,
    /// Chunks that are here and checked.
    pub chunks_done: u64,
    /// All chunks.
    pub chunks_total: u64,
    /// Bytes of chunks that came over the network for it, in its last attempt.
    pub bytes_fetched: u64,
    /// Bytes of chunks that were missing when that attempt began.
    pub bytes_needed: u64,
    /// The peers that it comes from.
    pub peers: Vec<NodeId>,
    /// Why the last attempt failed, empty if none did.
    pub error: String,
}

impl TransferRow {
    pub(crate) const fn waiting(version: VersionId, dataset: DatasetRef, error: String) -> Self {
        Self {
            version,
            dataset,
            state: TransferState::Queued,
            bytes_done: 0,
            bytes_total: 0,
            chunks_done: 0,
            chunks_total: 0,
            bytes_fetched: 0,
            bytes_needed: 0,
            peers: Vec::new(),
            error,
        }
    }
}

/// The counters of a running transfer.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    bytes_done: AtomicU64,
    bytes_total: AtomicU64,
    chunks_done: AtomicU64,
    chunks_total: AtomicU64,
    bytes_fetched: AtomicU64,
    bytes_needed: AtomicU64,
    slow: AtomicBool,
    peers: Mutex<Vec<NodeId>>,
}

impl Progress {
    /// The totals, and what is here already.
    pub(crate) fn begin(&self, bytes_total: u64, chunks_total: u64, bytes_missing: u64, chunks_missing: u64) {
        self.bytes_total.store(bytes_total, Relaxed);
        self.chunks_total.store(chunks_total, Relaxed);
        self.bytes_needed.store(bytes_missing, Relaxed);
        self.bytes_done.store(bytes_total.saturating_sub(bytes_missing), Relaxed);
        self.chunks_done.store(chunks_total.saturating_sub(chunks_missing), Relaxed);
    }

    /// A chunk was checked.
    pub(crate) fn verified(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Relaxed);
        self.chunks_done.fetch_add(1, Relaxed);
    }

    /// A chunk came over the network, needed or not.
    pub(crate) fn fetched(&self, bytes: u64) {
        self.bytes_fetched.fetch_add(bytes, Relaxed);
    }

    /// What came over the network so far.
    pub(crate) fn bytes_fetched(&self) -> u64 {
        self.bytes_fetched.load(Relaxed)
    }

    /// Whether less comes than should.
    pub(crate) fn slow(&self, slow: bool) {
        self.slow.store(slow, Relaxed);
    }

    /// Whether less comes than should, as last told.
    pub(crate) fn is_slow(&self) -> bool {
        self.slow.load(Relaxed)
    }

    /// A peer sends for this transfer from now on, or does so no more.
    pub(crate) fn peer(&self, peer: &NodeId, sends: bool) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|other| other != peer);
        if sends {
            peers.push(peer.clone());
        }
    }

    pub(crate) fn row(
        &self,
        version: VersionId,
        dataset: DatasetRef,
        state: TransferState,
        error: String,
    ) -> TransferRow {
        TransferRow {
            version,
            dataset,
            state,
            bytes_done: self.bytes_done.load(Relaxed),
            bytes_total: self.bytes_total.load(Relaxed),
            chunks_done: self.chunks_done.load(Relaxed),
            chunks_total: self.chunks_total.load(Relaxed),
            bytes_fetched: self.bytes_fetched.load(Relaxed),
            bytes_needed: self.bytes_needed.load(Relaxed),
            peers: self.peers.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            error,
        }
    }
}
