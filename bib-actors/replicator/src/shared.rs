//! What the tasks of one incarnation share: handles to the lower actors, the list of paired peers, and the way to
//! tell the driver something. Decides nothing.

use crate::actor::ReplicatorDeps;
use crate::answers::Answers;
use crate::driver::Note;
use crate::error::ReplicatorError;
use crate::fetch::Places;
use crate::options::ReplicatorOptions;
use crate::pairing::{Attempts, RecentInvites, reachable};
use crate::serve::Room;
use crate::wire;
use bib_audit::AuditHandle;
use bib_chunks::ChunkStore;
use bib_domain::reading::Quota;
use bib_domain::{NodeId, OpContext, Role, StorageKind, VersionId, Who};
use bib_guardian::{GuardianHandle, PeerRow};
use bib_kit::{BlockingPool, StartArgs, Tasks, clock};
use bib_proto::v1::PeerInfo;
use bib_swarm::SwarmHandle;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use tokio::sync::{Semaphore, mpsc, watch};

/// The name under which this crate acts, in audit records.
pub(crate) const COMPONENT: &str = "replicator";

/// The paired peers as the guardian has them.
pub(crate) type PeerBook = BTreeMap<NodeId, PeerRow>;

/// What the tasks share.
pub(crate) struct Shared {
    pub(crate) options: ReplicatorOptions,
    pub(crate) guardian: GuardianHandle,
    pub(crate) swarm: SwarmHandle,
    pub(crate) audit: AuditHandle,
    pub(crate) chunks: ChunkStore,
    pub(crate) storage: StorageKind,
    pub(crate) blocking: BlockingPool,
    pub(crate) args: StartArgs,
    pub(crate) attempts: Mutex<Attempts>,
    pub(crate) invites: Mutex<RecentInvites>,
    pub(crate) served_chunks: Arc<Semaphore>,
    /// Manifests in memory on their way out.
    pub(crate) manifest_room: Room,
    /// Topics that catalogues of peers may still add.
    pub(crate) new_topics: Mutex<Quota>,
    /// How often what peers say about themselves may still be written.
    pub(crate) descriptions: Mutex<Quota>,
    /// Versions whose manifests were found hurt, or not found, and are to be fetched again.
    hurt: Mutex<BTreeSet<VersionId>>,
    /// What peers said of their datasets.
    pub(crate) answers: Answers,
    /// Questions to each peer that may be open at once.
    pub(crate) asks: Places,
    /// Manifests that may come from each peer at once for readers.
    pub(crate) takes: Places,
    /// Fetches for readers that may run at once.
    pub(crate) demands: Arc<Semaphore>,
    /// The connected peers from which data may be taken.
    usable: watch::Sender<BTreeSet<NodeId>>,
    /// Which peers had a version whole when they were asked, the least recently used first.
    holders: Mutex<VecDeque<(VersionId, BTreeSet<NodeId>)>>,
    tasks: Weak<Tasks>,
    notes: mpsc::Sender<Note>,
    book: RwLock<Arc<PeerBook>>,
    /// Held while a peer's row is read, changed and written, so that no change undoes another.
    writes: tokio::sync::Mutex<()>,
}

impl Shared {
    pub(crate) fn new(
        options: ReplicatorOptions,
        deps: ReplicatorDeps,
        storage: StorageKind,
        args: &StartArgs,
        tasks: &Arc<Tasks>,
        notes: mpsc::Sender<Note>,
    ) -> Self {
        Self {
            chunks: deps.guardian.chunks(),
            guardian: deps.guardian,
            swarm: deps.swarm,
            audit: deps.audit,
            storage,
            blocking: args.blocking(options.blocking_calls),
            args: args.clone(),
            attempts: Mutex::new(Attempts::new(options.pair_attempts_per_peer, options.pair_attempts)),
            invites: Mutex::new(RecentInvites::new(options.recent_invites)),
            served_chunks: Arc::new(Semaphore::new(options.served_chunks)),
            manifest_room: Room::new(
                options.served_manifests,
                options.served_manifests_per_peer,
                options.manifest_wait,
            ),
            new_topics: Mutex::new(Quota::new(options.new_topics, options.new_topics_within)),
            descriptions: Mutex::new(Quota::new(1, options.description_every)),
            hurt: Mutex::default(),
            answers: Answers::new(options.answers_ttl, options.answers),
            asks: Places::new(options.asks_per_peer),
            takes: Places::new(options.takes_per_peer),
            demands: Arc::new(Semaphore::new(options.demands_at_once.max(1))),
            usable: watch::Sender::default(),
            holders: Mutex::default(),
            tasks: Arc::downgrade(tasks),
            notes,
            book: RwLock::default(),
            writes: tokio::sync::Mutex::default(),
            options,
        }
    }

    /// The paired peers as last read.
    pub(crate) fn book(&self) -> Arc<PeerBook> {
        Arc::clone(&self.book.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether anything is said to or taken from this node: it is paired and was not blamed.
    pub(crate) fn may_talk(&self, peer: &NodeId) -> bool {
        self.book().get(peer).is_some_and(|row| row.blamed.is_empty())
    }

    /// The connected peers from which data may be taken now.
    pub(crate) fn usable(&self) -> BTreeSet<NodeId> {
        self.usable.borrow().clone()
    }

    /// The same, as it changes.
    pub(crate) fn watch_usable(&self) -> watch::Receiver<BTreeSet<NodeId>> {
        self.usable.subscribe()
    }

    /// The driver says which peers may be used.
    pub(crate) fn set_usable(&self, now: BTreeSet<NodeId>) {
        self.usable.send_if_modified(|old| std::mem::replace(old, now.clone()) != now);
    }

    /// The peers that said that they have a version whole; `None` if none was asked lately.
    pub(crate) fn known_holders(&self, version: &VersionId) -> Option<BTreeSet<NodeId>> {
        let mut known = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        let at = known.iter().position(|(other, _)| other == version)?;
        let entry = known.remove(at)?;
        let holders = entry.1.clone();
        known.push_back(entry);
        Some(holders)
    }

    /// Keeps what peers said of a version.
    pub(crate) fn remember_holders(&self, version: VersionId, holders: BTreeSet<NodeId>) {
        let mut known = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(other, _)| *other != version);
        known.push_back((version, holders));
        while known.len() > self.options.known_holders {
            known.pop_front();
        }
    }

    /// Whether a peer may cause something once more.
    pub(crate) fn admit(quota: &Mutex<Quota>, peer: &NodeId) -> bool {
        quota.lock().unwrap_or_else(PoisonError::into_inner).take(peer, clock::uptime_ms())
    }

    /// Remembers that a manifest is to be fetched again. False if that was known, or too many are.
    pub(crate) fn remember_hurt(&self, version: VersionId) -> bool {
        let mut hurt = self.hurt.lock().unwrap_or_else(PoisonError::into_inner);
        hurt.len() < self.options.hurt_manifests && hurt.insert(version)
    }

    /// Whether a manifest is to be fetched again.
    pub(crate) fn is_hurt(&self, version: &VersionId) -> bool {
        self.hurt.lock().unwrap_or_else(PoisonError::into_inner).contains(version)
    }

    /// There is a good manifest again.
    pub(crate) fn forget_hurt(&self, version: &VersionId) {
        self.hurt.lock().unwrap_or_else(PoisonError::into_inner).remove(version);
    }

    /// Whether other nodes may take data from this one.
    pub(crate) const fn serves(&self) -> bool {
        self.storage.is_trusted()
    }

    /// Reads the paired peers again, and tells the swarm whom to let in.
    pub(crate) async fn reload_peers(&self) -> Result<(), ReplicatorError> {
        let _one_at_a_time = self.writes.lock().await;
        self.reload().await
    }

    async fn reload(&self) -> Result<(), ReplicatorError> {
        let rows = self.guardian.peers().await?;
        self.adopt(rows.into_iter().map(|row| (row.node_id.clone(), row)).collect()).await
    }

    /// These are the paired peers from now on, also if the swarm cannot be told.
    async fn adopt(&self, book: PeerBook) -> Result<(), ReplicatorError> {
        let allowed = book.values().filter(|row| row.blamed.is_empty());
        let allowed = allowed.map(|row| (row.node_id.clone(), row.addresses.clone())).collect();
        *self.book.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(book);
        Ok(self.swarm.set_allowed(allowed).await?)
    }

    /// Changes what is known of a peer, and lets it in or not accordingly. `change` gets the present row, or an empty
    /// one, and says whether it changed anything.
    pub(crate) async fn update_peer(
        &self,
        op: &OpContext,
        peer: &NodeId,
        change: impl FnOnce(&mut PeerRow) -> bool,
    ) -> Result<PeerRow, ReplicatorError> {
        let _one_at_a_time = self.writes.lock().await;
        let rows = self.guardian.peers().await?;
        let mut row = rows.into_iter().find(|row| row.node_id == *peer).unwrap_or_else(|| empty_row(peer));
        let was_blamed = !row.blamed.is_empty();
        if change(&mut row) {
            self.guardian.upsert_peer(op, row.clone()).await?;
            if was_blamed && row.blamed.is_empty() {
                self.guardian.blame_peer(op, peer, "").await?;
            }
            self.reload().await?;
        }
        Ok(row)
    }

    /// Changes what is known of a peer, if it is known still: what it says of itself pairs nobody.
    pub(crate) async fn update_known_peer(
        &self,
        op: &OpContext,
        peer: &NodeId,
        change: impl FnOnce(&mut PeerRow) -> bool,
    ) -> Result<(), ReplicatorError> {
        let _one_at_a_time = self.writes.lock().await;
        let rows = self.guardian.peers().await?;
        if let Some(mut row) = rows.into_iter().find(|row| row.node_id == *peer)
            && change(&mut row)
        {
            self.guardian.upsert_peer(op, row).await?;
            self.reload().await?;
        }
        Ok(())
    }

    /// Undoes a pairing: nothing is taken from the peer any more, and it is let in no more.
    pub(crate) async fn forget(&self, op: &OpContext, peer: &NodeId) -> Result<(), ReplicatorError> {
        let _one_at_a_time = self.writes.lock().await;
        self.guardian.remove_peer(op, peer).await?;
        // it is done: nothing that is read or told after it may make it look as if it were not
        let mut book = PeerBook::clone(&self.book());
        book.remove(peer);
        self.adopt(book).await.or_else(told_later)
    }

    /// Blames a peer: nothing is taken from it any more, and it is let in no more.
    pub(crate) async fn blame(&self, peer: &NodeId, reason: &str) -> Result<(), ReplicatorError> {
        let _one_at_a_time = self.writes.lock().await;
        self.guardian.blame_peer(&self.op(Who::Node), peer, reason).await?;
        self.reload().await
    }

    /// The context of something that happens on behalf of `who`.
    pub(crate) fn op(&self, who: Who) -> OpContext {
        let role = if who == Who::Node { Role::Admin } else { Role::Reader };
        OpContext { request_id: clock::new_request_id(), who, role, session_hash: None, component: COMPONENT }
    }

    /// What this node says about itself.
    pub(crate) async fn me(&self) -> PeerInfo {
        let addresses = self.swarm.listen_addrs().await.unwrap_or_default();
        PeerInfo {
            name: wire::cut(&self.options.node_name),
            mode: self.options.mode.as_str().to_owned(),
            storage: self.storage.as_str().to_owned(),
            addresses: reachable(&addresses),
        }
    }

    /// Tells the driver; waits while its queue is full. Nothing is told once the incarnation ends.
    pub(crate) async fn note(&self, note: Note) {
        let _ = self.notes.send(note).await;
    }

    /// Starts a task of this incarnation. False when there are too many or the incarnation ends: it was not started.
    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> bool {
        match self.tasks.upgrade().map(|tasks| tasks.spawn(name, task)) {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                tracing::warn!(%error, "too much is going on at once");
                false
            }
            None => false,
        }
    }
}

/// A swarm that cannot be told now whom to let in may be restarting; it is told as soon as it gives streams.
pub(crate) fn told_later(error: ReplicatorError) -> Result<(), ReplicatorError> {
    match error {
        ReplicatorError::Swarm(error) if error.is_transient() => Ok(()),
        error => Err(error),
    }
}

fn empty_row(peer: &NodeId) -> PeerRow {
    PeerRow {
        node_id: peer.clone(),
        name: String::new(),
        mode: String::new(),
        storage: String::new(),
        addresses: Vec::new(),
        base: false,
        blamed: String::new(),
        last_seen_ms: 0,
        sync_cursor: 0,
    }
}
