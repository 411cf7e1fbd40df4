//! What tasks tell the driver.

use crate::error::ReplicatorError;
use crate::fetch::SyncOutcome;
use crate::report::TransferRow;
use crate::transfer::Outcome;
use bib_domain::backlog::Offered;
use bib_domain::{ChunkHash, DatasetRef, NodeId, VersionId};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// A note to the driver. The queue is bounded: who tells waits while it is full, and nothing is lost.
#[derive(Debug)]
pub(crate) enum Note {
    /// A node was paired just now.
    Paired(NodeId),
    /// A peer says that it has something new.
    Heard(NodeId),
    /// A peer has a version that is wanted here and not whole.
    Offer {
        /// Who has it.
        peer: NodeId,
        /// Of which dataset.
        dataset: DatasetRef,
        /// Which version.
        version: VersionId,
        /// What became of the offer.
        reply: oneshot::Sender<Offered>,
    },
    /// A peer has a version that was begun here.
    Holds {
        /// Who has it.
        peer: NodeId,
        /// Of which dataset.
        dataset: DatasetRef,
        /// Which version.
        version: VersionId,
        /// Whether it waits to be fetched; then its holder is noted.
        reply: oneshot::Sender<bool>,
    },
    /// The manifest of a version was found hurt, or not found, and is to be fetched again.
    Hurt,
    /// The catalogue of a peer was read, or could not be.
    Synced {
        /// Whose.
        peer: NodeId,
        /// With which result.
        result: Result<SyncOutcome, ReplicatorError>,
    },
    /// A peer was told of something new, or could not be.
    Announced {
        /// Which peer.
        peer: NodeId,
        /// With which result.
        result: Result<(), ReplicatorError>,
    },
    /// A transfer ended.
    Ended {
        /// Of which version.
        version: VersionId,
        /// Which of its transfers.
        number: u64,
        /// With which result.
        outcome: Outcome,
    },
    /// A peer was caught lying.
    Blame {
        /// Which peer.
        peer: NodeId,
        /// What it did.
        reason: String,
    },
    /// Chunks are damaged here.
    Damaged(Vec<ChunkHash>),
    /// Chunks are damaged here, and somebody waits until good copies were tried to be fetched.
    Heal {
        /// Which chunks.
        chunks: Vec<ChunkHash>,
        /// How many of them are still damaged.
        reply: oneshot::Sender<usize>,
    },
    /// Damaged chunks were fetched again, as far as any peer has them.
    Repaired {
        /// Those that were tried, in order.
        tried: Vec<ChunkHash>,
        /// Those of which there is a good copy now.
        good: Vec<ChunkHash>,
        /// Who sent something else, so that the peers after it were not asked. It was blamed before.
        liar: Option<NodeId>,
    },
    /// Somebody wants all catalogues read now.
    SyncNow(oneshot::Sender<()>),
    /// Somebody wants to know whose catalogues were read, and when.
    Catalogs(oneshot::Sender<BTreeMap<NodeId, i64>>),
    /// Somebody wants to see the transfers.
    Show(oneshot::Sender<Vec<TransferRow>>),
}
