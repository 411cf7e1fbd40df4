//! The messages that the replicator takes. Progress and bytes are never among them.

use crate::error::ReplicatorError;
use crate::fetch::Found;
use crate::pairing::Invite;
use crate::report::TransferRow;
use bib_chunks::ChunkRef;
use bib_domain::{ChunkHash, DatasetRef, NodeId, OpContext, TopicName, VersionId};
use bib_guardian::{DatasetRow, PeerRow, Topic, VersionRow};
use bib_kit::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Make a ticket.
pub(crate) struct CreateInvite {
    pub(crate) op: OpContext,
    pub(crate) ttl: Duration,
}

impl Message for CreateInvite {
    type Reply = Result<Invite, ReplicatorError>;
}

/// Pair with the node that made a ticket.
pub(crate) struct Join {
    pub(crate) op: OpContext,
    pub(crate) ticket: String,
    pub(crate) base: bool,
}

impl Message for Join {
    type Reply = Result<PeerRow, ReplicatorError>;
}

/// Undo a pairing.
pub(crate) struct Forget {
    pub(crate) op: OpContext,
    pub(crate) peer: NodeId,
}

impl Message for Forget {
    type Reply = Result<(), ReplicatorError>;
}

/// What is being fetched.
pub(crate) struct Transfers;

impl Message for Transfers {
    type Reply = Result<Vec<TransferRow>, ReplicatorError>;
}

/// Whose catalogues were read to their end, and when, in Unix milliseconds.
pub(crate) struct Catalogs;

impl Message for Catalogs {
    type Reply = Result<BTreeMap<NodeId, i64>, ReplicatorError>;
}

/// Read the catalogues of all connected peers now, from their beginning.
pub(crate) struct SyncNow;

impl Message for SyncNow {
    type Reply = Result<(), ReplicatorError>;
}

/// Find a version of a dataset at the connected peers, and record it here.
pub(crate) struct Find {
    pub(crate) dataset: DatasetRef,
    pub(crate) selector: String,
}

impl Message for Find {
    type Reply = Result<Found, ReplicatorError>;
}

/// List topics that connected peers know; `None` when no peer is connected.
pub(crate) struct ListTopics {
    /// Only this one.
    pub(crate) name: Option<TopicName>,
    pub(crate) after: Option<TopicName>,
    pub(crate) limit: u32,
}

impl Message for ListTopics {
    type Reply = Result<Option<Arc<Vec<Topic>>>, ReplicatorError>;
}

/// List datasets that connected peers have; `None` when no peer is connected.
pub(crate) struct ListDatasets {
    pub(crate) topic: Option<TopicName>,
    pub(crate) after: Option<DatasetRef>,
    pub(crate) limit: u32,
}

impl Message for ListDatasets {
    type Reply = Result<Option<Arc<Vec<DatasetRow>>>, ReplicatorError>;
}

/// List the versions of a dataset that connected peers have; `None` when no peer is connected.
pub(crate) struct ListVersions {
    pub(crate) dataset: DatasetRef,
}

impl Message for ListVersions {
    type Reply = Result<Option<Arc<Vec<VersionRow>>>, ReplicatorError>;
}

/// Fetch some chunks of a version for a reader; how many bytes came for that.
pub(crate) struct Demand {
    pub(crate) dataset: DatasetRef,
    pub(crate) version: VersionId,
    /// As the version's signed manifest lists them.
    pub(crate) chunks: Vec<ChunkRef>,
    pub(crate) within: Duration,
    /// Cancelled when nobody waits any more.
    pub(crate) gone: CancellationToken,
}

impl Message for Demand {
    type Reply = Result<u64, ReplicatorError>;
}

/// Fetch good copies of chunks that are damaged here.
pub(crate) struct Repair {
    pub(crate) chunks: Vec<ChunkHash>,
}

/// Fetch good copies of chunks that are damaged here, and answer when that was tried: how many are still damaged.
pub(crate) struct Heal {
    pub(crate) chunks: Vec<ChunkHash>,
}

impl Message for Heal {
    type Reply = Result<usize, ReplicatorError>;
}

impl Message for Repair {
    type Reply = Result<(), ReplicatorError>;
}
