//! The loop of one transfer: events in, commands of the decision out.

use super::Up;
use super::job::Job;
use super::keeper::Lane;
use super::link::{Link, Wiring};
use super::verified::VerifiedChunks;
use crate::driver::Note;
use crate::report::Progress;
use crate::shared::Shared;
use bib_chunks::{Buffers, ChunkRef};
use bib_domain::transfer::{Command, Event, Transfer};
use bib_domain::{NodeId, VersionId};
use bib_kit::{Tasks, clock};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Events of streams and keepers that may wait for the loop.
const UP_QUEUE: usize = 1024;
/// How long a transfer that failed may take to sync what it has.
const LAST_SYNC: Duration = Duration::from_secs(20);

/// Why a transfer ended with something left to fetch.
#[derive(Debug)]
pub(super) enum Stop {
    /// Another version gets its place.
    GaveWay,
    /// It cannot go on.
    Failed(String),
}

impl Stop {
    /// The driver does not want it any more.
    pub(super) fn unwanted() -> Self {
        Self::Failed("it is not wanted any more".to_owned())
    }
}

impl From<String> for Stop {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GaveWay => "it gave way to another version",
            Self::Failed(error) => error,
        })
    }
}

/// A transfer with something left to fetch.
pub(super) struct Running {
    shared: Arc<Shared>,
    version: VersionId,
    progress: Arc<Progress>,
    transfer: Transfer,
    wiring: Wiring,
    links: BTreeMap<NodeId, Link>,
    /// Data streams to each peer.
    streams: usize,
    /// Whether it waits for other peers while those that are there lack what is missing.
    waits: bool,
    /// Cancelled when its place is to go to another version.
    give_way: CancellationToken,
    /// The peers from which it may be fetched, as last told.
    sources: BTreeSet<NodeId>,
    /// Peers that are not used any more for this transfer.
    left: BTreeSet<NodeId>,
    /// Those to which no stream could be opened, until they come anew.
    unreachable: BTreeSet<NodeId>,
    events: mpsc::Receiver<Up>,
    flush: CancellationToken,
    left_to_verify: usize,
    begun: Instant,
    /// When a stream of any peer was open last.
    last_open: Instant,
    trouble: Option<String>,
    /// The keepers end with the transfer.
    keepers: Tasks,
}

/// How the loop goes on.
enum Next {
    On,
    Done,
    Failed(String),
}

impl Running {
    pub(super) fn new(shared: &Arc<Shared>, job: &Job, chunks: &[ChunkRef], missing: &[u32]) -> Self {
        let options = &shared.options;
        let (up, events) = mpsc::channel(UP_QUEUE);
        // room for all that may be in flight, so that a stream never waits for the disk while its peer is timed
        let room = options.transfer.window_chunks.max(1) * options.peers_per_transfer.max(1);
        let (keep, pieces) = mpsc::channel(room);
        let pieces = Arc::new(Mutex::new(pieces));
        let verified = Arc::new(VerifiedChunks::new(chunks.len()));
        let flush = CancellationToken::new();
        let lacks: u64 =
            missing.iter().filter_map(|&chunk| chunks.get(chunk as usize)).map(|it| u64::from(it.len)).sum();
        let keepers = shared.args.tasks(options.keeper_lanes.max(1));
        for _ in 0..options.keeper_lanes.max(1) {
            let lane = Lane {
                shared: Arc::clone(shared),
                pieces: Arc::clone(&pieces),
                verified: Arc::clone(&verified),
                progress: Arc::clone(&job.progress),
                up: up.clone(),
                direct: lacks >= options.direct_from,
                flush: flush.clone(),
            };
            if let Err(error) = keepers.spawn("keeper", lane.run()) {
                tracing::warn!(%error, "a keeper was not started");
            }
        }
        let lengths = chunks.iter().map(|chunk| chunk.len).collect();
        let wiring = Wiring {
            shared: Arc::clone(shared),
            chunks: chunks.into(),
            verified,
            holders: job.holders.clone().map(Arc::new),
            buffers: Buffers::new(options.transfer.window_chunks),
            up,
            keep,
        };
        Self {
            shared: Arc::clone(shared),
            version: job.version,
            progress: Arc::clone(&job.progress),
            transfer: Transfer::new(lengths, missing, options.transfer),
            wiring,
            links: BTreeMap::new(),
            streams: options.streams_per_peer,
            waits: true,
            give_way: job.give_way.clone(),
            sources: BTreeSet::new(),
            left: BTreeSet::new(),
            unreachable: BTreeSet::new(),
            events,
            flush,
            left_to_verify: missing.len(),
            begun: clock::monotonic(),
            last_open: clock::monotonic(),
            trouble: None,
            keepers,
        }
    }

    /// The same for a few chunks that somebody waits for.
    pub(super) fn of_some(mut self, chunks: usize) -> Self {
        self.streams = self.shared.options.demand_streams.min(chunks).max(1);
        self.waits = false;
        self
    }

    pub(super) async fn finish(
        mut self,
        sources: watch::Receiver<BTreeSet<NodeId>>,
        useless: &mut Vec<NodeId>,
    ) -> Result<(), Stop> {
        let ended = self.turn(sources, useless).await;
        if ended.is_err() {
            self.keep_the_rest().await;
        }
        ended
    }

    async fn turn(
        &mut self,
        mut sources: watch::Receiver<BTreeSet<NodeId>>,
        useless: &mut Vec<NodeId>,
    ) -> Result<(), Stop> {
        let give_way = self.give_way.clone().cancelled_owned();
        tokio::pin!(give_way);
        let mut tick = tokio::time::interval(self.shared.options.tick.max(Duration::from_millis(1)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        // before the first tick, which would find that there is nobody to fetch from
        let first = sources.borrow_and_update().clone();
        self.follow(first);
        loop {
            let next = tokio::select! {
                up = self.events.recv() => match up {
                    Some(up) => self.hear(up, useless).await,
                    None => Next::Failed("its keepers ended".to_owned()),
                },
                changed = sources.changed() => {
                    if changed.is_err() {
                        return Err(Stop::unwanted());
                    }
                    let now = sources.borrow_and_update().clone();
                    let events = self.follow(now);
                    self.carry_on(events, useless).await
                }
                _ = tick.tick() => self.tick(useless).await,
                () = &mut give_way => return Err(Stop::GaveWay),
            };
            match next {
                Next::On => {}
                Next::Done => return Ok(()),
                Next::Failed(error) => return Err(error.into()),
            }
        }
    }

    /// What was found right is synced before the transfer is given up, so that the next attempt has it.
    async fn keep_the_rest(self) {
        let Self { links, wiring, events, keepers, flush, .. } = self;
        flush.cancel();
        drop((links, wiring, events));
        if tokio::time::timeout(LAST_SYNC, keepers.wait_idle()).await.is_err() {
            tracing::warn!("the last chunks of a transfer could not be synced in time, they will be fetched again");
        }
    }

    /// Opens links to new sources and drops those that are none any more.
    fn follow(&mut self, sources: BTreeSet<NodeId>) -> Vec<Event> {
        let gone: Vec<NodeId> = self.links.keys().filter(|peer| !sources.contains(*peer)).cloned().collect();
        for peer in &gone {
            self.drop_link(peer);
        }
        self.unreachable.retain(|peer| sources.contains(peer));
        self.sources = sources;
        self.fill_places();
        gone.into_iter().map(Event::PeerLost).collect()
    }

    /// Opens links to sources while there are places. Who has one and cannot be reached gives it to others. At random:
    /// those that serve badly are not the first again in the next attempt.
    fn fill_places(&mut self) {
        let dead: Vec<NodeId> =
            self.links.iter().filter(|(_, link)| !link.is_alive()).map(|(peer, _)| peer.clone()).collect();
        for peer in dead {
            self.drop_link(&peer);
            self.unreachable.insert(peer);
        }
        let places = self.shared.options.peers_per_transfer.saturating_sub(self.links.len());
        if places == 0 {
            return;
        }
        let used = |peer: &NodeId| self.left.contains(peer) || self.unreachable.contains(peer);
        let free = self.sources.iter().filter(|peer| !used(peer) && !self.links.contains_key(*peer));
        let mut free: Vec<(f64, NodeId)> = free.map(|peer| (clock::dice(), peer.clone())).collect();
        free.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        for (_, peer) in free.into_iter().take(places) {
            let link = Link::open(&self.wiring, &peer, self.streams);
            self.links.insert(peer, link);
        }
    }

    fn drop_link(&mut self, peer: &NodeId) {
        self.links.remove(peer);
        self.progress.peer(peer, false);
    }

    async fn hear(&mut self, up: Up, useless: &mut Vec<NodeId>) -> Next {
        let mut events = Vec::new();
        match up {
            Up::Opened { peer, stream } => {
                if let Some(link) = self.links.get_mut(&peer) {
                    link.opened(stream);
                    self.progress.peer(&peer, true);
                    events.push(Event::PeerReady(peer));
                }
            }
            Up::Arrived { peer, stream, chunk } => {
                self.settled(&peer, stream, chunk);
                events.push(Event::Arrived { peer, chunk });
            }
            Up::Absent { peer, stream, chunk } => {
                self.settled(&peer, stream, chunk);
                events.push(Event::Absent { peer, chunk });
            }
            Up::Skipped { peer, stream, chunk } => {
                self.settled(&peer, stream, chunk);
                events.push(Event::Returned { peer, chunks: vec![chunk], failed: false });
            }
            Up::Refused { peer } => events.push(Event::Refused(peer)),
            Up::Wrong { peer, chunk, detail } => events.push(Event::Wrong { peer, chunk, detail }),
            Up::Closed { peer, stream, error } => events.extend(self.closed(peer, stream, &error)),
            Up::Verified { peer, chunk } => {
                if self.transfer.needs(chunk) {
                    self.left_to_verify = self.left_to_verify.saturating_sub(1);
                }
                events.push(Event::Verified { peer, chunk });
                if self.left_to_verify == 0 {
                    self.flush.cancel();
                }
            }
            Up::Durable { chunks } => events.push(Event::Durable(chunks)),
            Up::Unkept { error } => return Next::Failed(error),
        }
        self.carry_on(events, useless).await
    }

    fn settled(&mut self, peer: &NodeId, stream: usize, chunk: u32) {
        if let Some(link) = self.links.get_mut(peer) {
            link.settled(stream, chunk);
        }
    }

    fn closed(&mut self, peer: NodeId, stream: usize, error: &str) -> Vec<Event> {
        let Some(link) = self.links.get_mut(&peer) else { return Vec::new() };
        tracing::debug!(%peer, error, version = %self.version.short(), "a data stream ended");
        self.trouble = Some(error.to_owned());
        let chunks = link.closed(&self.wiring, stream);
        let mut events = vec![Event::Returned { peer: peer.clone(), chunks, failed: true }];
        if !link.is_open() {
            events.push(Event::PeerLost(peer.clone()));
            self.progress.peer(&peer, false);
        }
        events
    }

    async fn tick(&mut self, useless: &mut Vec<NodeId>) -> Next {
        let mut events = Vec::new();
        for (peer, link) in &mut self.links {
            let bytes = link.progress();
            if bytes > 0 {
                events.push(Event::Progress { peer: peer.clone(), bytes });
            }
        }
        events.push(Event::Tick);
        let next = self.carry_on(events, useless).await;
        self.fill_places();
        self.progress.slow(self.transfer.is_slow());
        if matches!(next, Next::On) && self.is_hopeless() {
            let reason = self.trouble.take().unwrap_or_else(|| "no connected peer has the rest of it".to_owned());
            return Next::Failed(reason);
        }
        next
    }

    /// Nobody is there to fetch the rest from, and nobody is about to come. What a peer lacks may be mended there: the
    /// next attempt asks it anew.
    fn is_hopeless(&mut self) -> bool {
        if self.links.values().any(Link::is_open) {
            self.last_open = clock::monotonic();
        }
        // whoever has just been connected is asked before it counts
        let settled = self.links.values().all(|link| link.is_open() || !link.is_alive());
        let patience = self.shared.options.patience;
        let starved = self.transfer.starved_ms(self.now_ms()).map(Duration::from_millis);
        if starved.is_some_and(|starved| if self.waits { starved >= patience } else { settled }) {
            return true;
        }
        let alive = self.links.values().any(Link::is_alive);
        let too_long = clock::since(self.last_open) >= patience;
        self.left_to_verify > 0 && self.transfer.peers().next().is_none() && (!alive || too_long)
    }

    /// The moment as the decision counts it.
    fn now_ms(&self) -> u64 {
        u64::try_from(clock::since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes events in and carries the commands out, and what those lead to.
    async fn carry_on(&mut self, events: Vec<Event>, useless: &mut Vec<NodeId>) -> Next {
        let mut events: std::collections::VecDeque<Event> = events.into();
        while let Some(event) = events.pop_front() {
            for command in self.transfer.handle(event, self.now_ms()) {
                match command {
                    Command::Ask { peer, chunk } => {
                        let taken = self.links.get_mut(&peer).is_some_and(|link| link.ask(chunk));
                        if !taken {
                            events.push_back(Event::Returned { peer, chunks: vec![chunk], failed: true });
                        }
                    }
                    Command::Leave { peer, reason } => {
                        tracing::info!(%peer, %reason, version = %self.version.short(), "left a peer");
                        self.drop_link(&peer);
                        self.trouble = Some(format!("left node {peer}: {reason}"));
                        self.left.insert(peer.clone());
                        if !reason.may_pass() {
                            useless.push(peer);
                        }
                    }
                    Command::Blame { peer, chunk, detail } => {
                        self.drop_link(&peer);
                        self.trouble = Some(format!("node {peer} was caught lying: {detail}"));
                        self.left.insert(peer.clone());
                        useless.push(peer.clone());
                        let reason = format!("{detail} (chunk {chunk} of version {})", self.version);
                        self.shared.note(Note::Blame { peer, reason }).await;
                    }
                    Command::Starved => {}
                    Command::Done => return Next::Done,
                }
            }
        }
        Next::On
    }
}
