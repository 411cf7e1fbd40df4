//! The driver: one task that knows which peers are connected, what is wanted, and what is under way.
//!
//! It hears events and notes, asks `bib_domain` what to do, and starts tasks. It never waits for a peer, so that nobody
//! waits long for it.

mod hearing;
mod mending;
mod note;
mod peers;
mod search;
mod underway;
mod work;

pub(crate) use note::Note;

use crate::error::ReplicatorError;
use crate::report::TransferRow;
use crate::shared::{Shared, told_later};
use bib_domain::backlog::Backlog;
use bib_domain::want::{PeerFacts, Policy, wants_more};
use bib_domain::{ChunkHash, DatasetRef, NodeId};
use bib_guardian::{GuardianError, PeersChanged, SubscriptionsChanged, VersionPublished};
use bib_kit::{Router, Subscription, clock};
use bib_swarm::SwarmEvent;
use peers::PeerState;
use search::Search;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use underway::Transfers;

/// Topics asked for at once.
const TOPICS: u32 = 1000;

/// No timer is shorter, whatever the options say.
const SHORTEST: Duration = Duration::from_millis(10);

/// What the driver listens to.
pub(crate) struct Ears {
    notes: mpsc::Receiver<Note>,
    swarm: Subscription<SwarmEvent>,
    versions: Subscription<VersionPublished>,
    peers: Subscription<PeersChanged>,
    subscriptions: Subscription<SubscriptionsChanged>,
    /// Keeps the topics open.
    _router: Router,
}

impl Ears {
    /// Listens from now on, so that nothing is missed while the state is loaded.
    pub(crate) fn new(router: &Router, notes: mpsc::Receiver<Note>) -> Self {
        Self {
            notes,
            swarm: router.topic().subscribe(),
            versions: router.topic().subscribe(),
            peers: router.topic().subscribe(),
            subscriptions: router.topic().subscribe(),
            _router: router.clone(),
        }
    }
}

/// The state of the driver.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    policy: Arc<Policy>,
    peers: BTreeMap<NodeId, PeerState>,
    backlog: Backlog,
    underway: Transfers,
    ended: VecDeque<TransferRow>,
    damaged: BTreeSet<ChunkHash>,
    repairing: bool,
    healing: Vec<mending::Waiter>,
    scanned: Instant,
    search: Search,
}

impl Driver {
    /// Loads what is known: the peers, the subscriptions, and the versions that were begun in an earlier life.
    pub(crate) async fn load(shared: Arc<Shared>) -> Result<Self, ReplicatorError> {
        shared.reload_peers().await.or_else(told_later)?;
        let policy = Arc::new(load_policy(&shared).await?);
        let mut backlog = Backlog::new(shared.options.backlog);
        for version in shared.guardian.incomplete_versions().await? {
            let signed = match shared.guardian.manifest(version).await {
                Ok(Some(signed)) => signed,
                Ok(None) => continue,
                Err(error @ GuardianError::ManifestHurt { .. }) => {
                    // it is fetched again when a peer offers the version
                    tracing::warn!(%error, "a version that was begun cannot go on yet");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if let Ok(dataset) = signed.manifest().dataset.parse::<DatasetRef>()
                && policy.still_wanted(&dataset.topic)
            {
                backlog.offer(version, &dataset, None);
            }
        }
        Ok(Self {
            shared,
            policy,
            peers: BTreeMap::new(),
            backlog,
            underway: Transfers::default(),
            ended: VecDeque::new(),
            damaged: BTreeSet::new(),
            repairing: false,
            healing: Vec::new(),
            scanned: clock::monotonic(),
            search: Search::default(),
        })
    }

    /// Works until the incarnation ends.
    pub(crate) async fn run(mut self, mut ears: Ears) {
        self.remember_quarantine().await;
        self.meet_connected().await;
        let mut poll = tokio::time::interval(self.shared.options.poll_interval.max(SHORTEST));
        let mut tick = tokio::time::interval(self.shared.options.tick.max(SHORTEST));
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                note = ears.notes.recv() => match note {
                    Some(note) => self.on_note(note).await,
                    None => return,
                },
                event = ears.swarm.recv() => self.on_swarm(event).await,
                event = ears.versions.recv() => self.on_version(event),
                _ = ears.peers.recv() => self.refresh().await,
                _ = ears.subscriptions.recv() => self.refresh().await,
                _ = poll.tick() => self.on_poll().await,
                _ = tick.tick() => {
                    self.retry_syncs();
                    self.hear_of_damage();
                    self.make_way();
                }
            }
            self.start_transfers();
        }
    }

    /// Reads peers and subscriptions anew, and acts on what changed.
    async fn refresh(&mut self) {
        let loaded = async {
            self.shared.reload_peers().await?;
            load_policy(&self.shared).await
        };
        match loaded.await {
            Ok(policy) if policy == *self.policy => {}
            Ok(policy) => self.adopt(policy),
            Err(error) => {
                tracing::warn!(%error, "could not read peers and subscriptions anew, trying again with the next poll")
            }
        }
    }

    fn adopt(&mut self, policy: Policy) {
        let old = std::mem::replace(&mut self.policy, Arc::new(policy));
        let policy = Arc::clone(&self.policy);
        for version in self.backlog.retain(|dataset| policy.still_wanted(&dataset.topic)) {
            if let Some(stopped) = self.underway.stop(&version) {
                tracing::info!(dataset = %stopped.dataset, version = %version.short(), "stopped a transfer that is not wanted any more");
            }
        }
        self.peers.retain(|peer, state| state.connected || policy.peers.contains_key(peer));
        if wants_more(&old, &policy) {
            self.peers.values_mut().for_each(|state| state.from_beginning = true);
        }
        self.sync_all();
        self.follow_sources();
    }
}

/// What this node fetches, from the guardian's tables.
async fn load_policy(shared: &Shared) -> Result<Policy, ReplicatorError> {
    let mut subscribed = BTreeSet::new();
    let mut after = None;
    loop {
        let page = shared.guardian.list_topics(after.take(), TOPICS).await?;
        after = page.last().map(|topic| topic.name.clone());
        let full = page.len() >= TOPICS as usize;
        subscribed.extend(page.into_iter().filter(|topic| topic.subscribed).map(|topic| topic.name));
        if !full {
            break;
        }
    }
    let facts = |row: &bib_guardian::PeerRow| PeerFacts { base: row.base, blamed: !row.blamed.is_empty() };
    let peers = shared.book().iter().map(|(peer, row)| (peer.clone(), facts(row))).collect();
    Ok(Policy { mode: shared.options.mode, subscribed, peers })
}
