//! The verbs by which the rest of the node uses the replicator. Each call finds the present incarnation.

use crate::actor::Replicator;
use crate::error::ReplicatorError;
use crate::fetch::Found;
use crate::messages::{
    Catalogs, CreateInvite, Demand, Find, Forget, Heal, Join, ListDatasets, ListTopics, ListVersions, Repair, SyncNow,
    Transfers,
};
use crate::pairing::Invite;
use crate::report::TransferRow;
use bib_chunks::ChunkRef;
use bib_domain::{ChunkHash, DatasetRef, NodeId, OpContext, TopicName, VersionId};
use bib_guardian::{DatasetRow, PeerRow, Topic, VersionRow};
use bib_kit::Ref;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Calls that change or read the replicator's own state.
const QUICK: Duration = Duration::from_secs(10);
/// Making a ticket, or forgetting a node, waits for the audit log and the database.
const INVITE: Duration = Duration::from_secs(30);
/// Pairing tries every address of a ticket, and both nodes write.
const JOIN: Duration = Duration::from_secs(120);

/// Asking all connected peers for a dataset, and taking over its manifest.
const FIND: Duration = Duration::from_secs(120);

/// What a fetch for a reader may take beyond its time, to sync what came.
const LAST_SYNC: Duration = Duration::from_secs(30);

/// Fetching good copies of many chunks takes as long as the network needs; it goes on when nobody waits any more.
const HEAL: Duration = Duration::from_secs(1800);

/// The replicator, for the rest of the node. Cheap to clone.
#[derive(Clone)]
pub struct ReplicatorHandle {
    actor: Ref<Replicator>,
}

impl ReplicatorHandle {
    pub(crate) const fn new(actor: Ref<Replicator>) -> Self {
        Self { actor }
    }

    /// Makes a ticket with which one other node can pair with this one, within `ttl`. A repeated request gets the same.
    ///
    /// # Errors
    /// [`ReplicatorError::BadLifetime`], [`ReplicatorError::NotListening`], or what the guardian or the swarm says.
    pub async fn create_invite(&self, op: &OpContext, ttl: Duration) -> Result<Invite, ReplicatorError> {
        self.actor.ask_as(op.request_id, CreateInvite { op: op.clone(), ttl }, INVITE).await?
    }

    /// Pairs with the node that made `ticket`. With `base`, this node takes its catalogue from that one: a full node
    /// then copies all of it. Joining again is harmless.
    ///
    /// # Errors
    /// [`ReplicatorError::Ticket`], [`ReplicatorError::TicketExpired`], [`ReplicatorError::OwnTicket`],
    /// [`ReplicatorError::Unreachable`], [`ReplicatorError::PairingRefused`] with the other node's reason.
    pub async fn join(&self, op: &OpContext, ticket: &str, base: bool) -> Result<PeerRow, ReplicatorError> {
        let message = Join { op: op.clone(), ticket: ticket.to_owned(), base };
        self.actor.ask_as(op.request_id, message, JOIN).await?
    }

    /// Undoes the pairing with a node: its connections end, and nothing is taken from it or given to it until it pairs again.
    /// What was fetched from it stays. One that is not paired is forgotten already.
    ///
    /// # Errors
    /// What the guardian or the swarm says.
    pub async fn forget(&self, op: &OpContext, peer: &NodeId) -> Result<(), ReplicatorError> {
        self.actor.ask_as(op.request_id, Forget { op: op.clone(), peer: peer.clone() }, INVITE).await?
    }

    /// What is being fetched, what waits, and what ended lately: a bounded list.
    ///
    /// # Errors
    /// If the replicator does not answer.
    pub async fn transfers(&self) -> Result<Vec<TransferRow>, ReplicatorError> {
        self.actor.ask(Transfers, QUICK).await?
    }

    /// The peers whose catalogues were read to their end since this incarnation began, and when, in Unix milliseconds.
    ///
    /// # Errors
    /// If the replicator does not answer.
    pub async fn catalogs(&self) -> Result<BTreeMap<NodeId, i64>, ReplicatorError> {
        self.actor.ask(Catalogs, QUICK).await?
    }

    /// Reads the catalogues of all connected peers now, from their beginning. Returns when that has begun.
    ///
    /// # Errors
    /// If the replicator does not answer.
    pub async fn sync_now(&self) -> Result<(), ReplicatorError> {
        self.actor.ask(SyncNow, QUICK).await?
    }

    /// Fetches good copies of chunks that were found damaged or missing here, from any paired peer. Returns when that
    /// is noted; it is tried again with every poll until it succeeds.
    ///
    /// # Errors
    /// If the replicator does not answer.
    pub async fn repair(&self, chunks: Vec<ChunkHash>) -> Result<(), ReplicatorError> {
        self.actor.ask(Repair { chunks }, QUICK).await?
    }

    /// The same, and waits until all connected peers were asked: how many of the chunks are still damaged or missing.
    ///
    /// # Errors
    /// If the replicator does not answer. The chunks are tried again with every poll.
    pub async fn heal(&self, chunks: Vec<ChunkHash>) -> Result<usize, ReplicatorError> {
        self.actor.ask(Heal { chunks }, HEAL).await?
    }

    /// Finds the version of a dataset that `selector` (as of [`bib_guardian::GuardianHandle::find_version`]) means to the
    /// connected peers, and records its manifest here as that of a version that was begun. Nothing else is fetched.
    ///
    /// # Errors
    /// [`bib_guardian::GuardianError::Ambiguous`], what a peer did wrong, or if the replicator does not answer.
    pub async fn find(&self, dataset: &DatasetRef, selector: &str) -> Result<Found, ReplicatorError> {
        self.actor.ask(Find { dataset: dataset.clone(), selector: selector.to_owned() }, FIND).await?
    }

    /// At most `limit` topics after a name that connected peers know, in the order of names; fewer are the end, and `None` is
    /// said when no peer is connected. What a list says nobody signed.
    ///
    /// # Errors
    /// If the replicator does not answer.
    pub async fn topics(
        &self,
        after: Option<TopicName>,
        limit: u32,
    ) -> Result<Option<Arc<Vec<Topic>>>, ReplicatorError> {
        self.actor.ask(ListTopics { name: None, after, limit }, FIND).await?
    }

    /// A topic as connected peers know it, if any of them does.
    ///
    /// # Errors
    /// If the replicator does not answer.
    pub async fn topic(&self, name: &TopicName) -> Result<Option<Topic>, ReplicatorError> {
        let found = self.actor.ask(ListTopics { name: Some(name.clone()), after: None, limit: 1 }, FIND).await??;
        Ok(found.and_then(|topics| topics.first().cloned()))
    }

    /// At most `limit` datasets after a name that connected peers have whole versions of, in the order of names; fewer are
    /// the end, and `None` is said when no peer is connected. What a list says nobody signed.
    ///
    /// # Errors
    /// If the replicator does not answer.
    pub async fn datasets(
        &self,
        topic: Option<TopicName>,
        after: Option<DatasetRef>,
        limit: u32,
    ) -> Result<Option<Arc<Vec<DatasetRow>>>, ReplicatorError> {
        self.actor.ask(ListDatasets { topic, after, limit }, FIND).await?
    }

    /// The versions of a dataset that connected peers have whole, latest first; `None` when no peer is connected.
    ///
    /// # Errors
    /// If the replicator does not answer.
    pub async fn versions(&self, dataset: &DatasetRef) -> Result<Option<Arc<Vec<VersionRow>>>, ReplicatorError> {
        self.actor.ask(ListVersions { dataset: dataset.clone() }, FIND).await?
    }

    /// Fetches some chunks of a version for a reader, as its signed manifest lists them, from connected peers. Comes back
    /// when they are in the store, with the bytes that came for that.
    ///
    /// Cancel-safe: dropping the future ends the fetch; what was checked is kept.
    ///
    /// # Errors
    /// [`ReplicatorError::Alone`], [`ReplicatorError::Unfetched`], [`ReplicatorError::Late`], or if the replicator does
    /// not answer.
    pub async fn fetch(
        &self,
        dataset: &DatasetRef,
        version: VersionId,
        chunks: Vec<ChunkRef>,
        within: Duration,
    ) -> Result<u64, ReplicatorError> {
        let gone = CancellationToken::new();
        let _gone = gone.clone().drop_guard();
        let demand = Demand { dataset: dataset.clone(), version, chunks, within, gone };
        self.actor.ask(demand, within.saturating_add(LAST_SYNC)).await?
    }

    /// Waits until an incarnation takes messages; false if none does within the deadline.
    pub async fn ready(&self, deadline: Duration) -> bool {
        self.actor.ready(deadline).await
    }
}
