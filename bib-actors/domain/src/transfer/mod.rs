//! The transfer of one version: which chunk is asked of which peer, and what becomes of the peers.
//!
//! A pure state machine: `(state, event, now) -> commands`. It owns the assignment of chunks to peers by their
//! measured throughput, how much is asked ahead, blame, stalls, and the end game. It holds no bytes, opens no
//! streams and hashes nothing: the replicator carries the commands out and reports what happened.
//!
//! * A chunk counts only when it is durable. One that was checked but not yet synced is not asked for again.
//! * One wrong chunk is proof of a lie (transport errors cannot forge bytes, and an honest peer checks what it
//!   reads): the peer is blamed at once and what it still owed goes to others.
//! * A peer that is only slow, gone or short of a chunk is left for this transfer, without blame.

mod chunks;
mod leave;
mod pace;
mod peer;
mod rules;
#[cfg(test)]
mod tests;
mod verdict;

use crate::NodeId;
use chunks::ChunkTable;
pub use leave::LeaveReason;
use pace::Pace;
use peer::Peer;
pub use rules::Rules;
use std::collections::{BTreeMap, BTreeSet};
pub use verdict::{Verdict, judge};

/// Something that happened to a transfer. Chunks are named by their place in the manifest's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A peer that may be used is connected, and its streams are being opened.
    PeerReady(NodeId),
    /// A peer is gone.
    PeerLost(NodeId),
    /// Bytes came from a peer since the last report.
    Progress {
        /// From which peer.
        peer: NodeId,
        /// How many.
        bytes: u64,
    },
    /// A whole chunk has come; it is being checked.
    Arrived {
        /// From which peer.
        peer: NodeId,
        /// Which chunk.
        chunk: u32,
    },
    /// A chunk's bytes have its name; they are on their way to the disk.
    Verified {
        /// From which peer.
        peer: NodeId,
        /// Which chunk.
        chunk: u32,
    },
    /// A peer sent bytes that are not the chunk.
    Wrong {
        /// From which peer.
        peer: NodeId,
        /// Which chunk.
        chunk: u32,
        /// What it sent instead.
        detail: String,
    },
    /// A peer does not have a chunk.
    Absent {
        /// Which peer.
        peer: NodeId,
        /// Which chunk.
        chunk: u32,
    },
    /// A peer serves nothing to this node.
    Refused(NodeId),
    /// Chunks will not come from a peer: their stream broke, or they were asked of two peers and have come.
    Returned {
        /// From which peer.
        peer: NodeId,
        /// Which chunks.
        chunks: Vec<u32>,
        /// Whether the peer's stream failed, rather than the chunk being needed no more.
        failed: bool,
    },
    /// Chunks are synced to the disk.
    Durable(Vec<u32>),
    /// Time has passed.
    Tick,
}

/// What is to be done for a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Ask a peer for a chunk.
    Ask {
        /// Which peer.
        peer: NodeId,
        /// Which chunk.
        chunk: u32,
    },
    /// Stop using a peer for this transfer.
    Leave {
        /// Which peer.
        peer: NodeId,
        /// Why.
        reason: LeaveReason,
    },
    /// Blame a peer for good, and stop using it.
    Blame {
        /// Which peer.
        peer: NodeId,
        /// For which chunk.
        chunk: u32,
        /// What it did.
        detail: String,
    },
    /// No peer can give what is missing: wait for another, or give up.
    Starved,
    /// Every chunk is durable.
    Done,
}

/// The state of one transfer.
#[derive(Debug, Clone)]
pub struct Transfer {
    rules: Rules,
    table: ChunkTable,
    peers: BTreeMap<NodeId, Peer>,
    /// Peers that are not used any more for this transfer, blamed or not.
    barred: BTreeSet<NodeId>,
    blamed: BTreeSet<NodeId>,
    /// Copies that have come and are being checked; kept apart from the peers, who may be gone by then.
    checking: BTreeSet<(u32, NodeId)>,
    pace: Pace,
    /// Since when no peer in use can give what is missing.
    starved_since: Option<u64>,
    done: bool,
}

impl Transfer {
    /// Begins a transfer of chunks of the given lengths, of which `missing` are not here yet. Lengths are those of
    /// the signed manifest. Its moments are counted from now on.
    #[must_use]
    pub fn new(lengths: Vec<u32>, missing: &[u32], rules: Rules) -> Self {
        let table = ChunkTable::new(lengths, missing);
        let (peers, checking) = (BTreeMap::new(), BTreeSet::new());
        let (barred, blamed) = (BTreeSet::new(), BTreeSet::new());
        Self { rules, table, peers, barred, blamed, checking, pace: Pace::new(), starved_since: None, done: false }
    }

    /// Takes in one event.
    pub fn handle(&mut self, event: Event, now_ms: u64) -> Vec<Command> {
        let mut out = Vec::new();
        if self.done {
            return out;
        }
        match event {
            Event::PeerReady(peer) => self.ready(peer, now_ms),
            Event::PeerLost(peer) => self.drop_peer(&peer),
            Event::Progress { peer, bytes } => {
                self.pace.add(bytes);
                self.with(&peer, |peer| peer.progress(bytes, now_ms));
            }
            Event::Arrived { peer, chunk } => self.arrived(&peer, chunk, now_ms),
            Event::Verified { peer, chunk } => self.verified(&peer, chunk),
            Event::Wrong { peer, chunk, detail } => self.wrong(peer, chunk, detail, &mut out),
            Event::Absent { peer, chunk } => self.absent(&peer, chunk, &mut out),
            Event::Refused(peer) => self.leave(peer, LeaveReason::Refuses, &mut out),
            Event::Returned { peer, chunks, failed } => self.returned(&peer, &chunks, failed, &mut out),
            Event::Durable(chunks) => chunks.iter().for_each(|&chunk| self.table.durable(chunk)),
            Event::Tick => self.tick(now_ms, &mut out),
        }
        if self.table.all_durable() {
            self.done = true;
            out.push(Command::Done);
            return out;
        }
        self.assign(now_ms, &mut out);
        self.notice_starvation(now_ms, &mut out);
        out
    }

    /// The peers in use.
    pub fn peers(&self) -> impl Iterator<Item = &NodeId> {
        self.peers.keys()
    }

    /// For how long no peer in use could give what is missing, with nothing in flight; `None` if that is not so now.
    #[must_use]
    pub fn starved_ms(&self, now_ms: u64) -> Option<u64> {
        self.starved_since.map(|since| now_ms.saturating_sub(since))
    }

    /// Whether less came than [`Rules::least_rate`] wants. The transfer goes on; whoever has its place to give may ask.
    #[must_use]
    pub const fn is_slow(&self) -> bool {
        self.pace.is_slow()
    }

    /// Whether a chunk still has to come: nobody's copy of it was found right yet.
    #[must_use]
    pub fn needs(&self, chunk: u32) -> bool {
        !self.table.is_verified(chunk)
    }

    /// Bytes that were asked for and are not yet checked: this much may stand in memory.
    #[must_use]
    pub const fn in_flight_bytes(&self) -> u64 {
        self.table.in_flight_bytes()
    }

    fn with(&mut self, id: &NodeId, change: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self.peers.get_mut(id) {
            change(peer);
        }
    }

    fn ready(&mut self, id: NodeId, now_ms: u64) {
        if !self.barred.contains(&id) {
            self.peers.entry(id).or_insert_with(|| Peer::new(now_ms));
        }
    }

    fn arrived(&mut self, id: &NodeId, chunk: u32, now_ms: u64) {
        let length = self.table.length(chunk);
        if self.peers.get_mut(id).is_some_and(|peer| peer.take(chunk, length, now_ms)) {
            self.table.arrived(chunk);
            self.checking.insert((chunk, id.clone()));
        }
    }

    fn verified(&mut self, id: &NodeId, chunk: u32) {
        self.table.verified(chunk);
        if self.checking.remove(&(chunk, id.clone())) {
            self.table.checked(chunk);
        }
        self.with(id, Peer::gave_a_chunk);
    }

    fn wrong(&mut self, id: NodeId, chunk: u32, detail: String, out: &mut Vec<Command>) {
        self.drop_peer(&id);
        if self.checking.remove(&(chunk, id.clone())) {
            self.table.checked(chunk);
        }
        self.barred.insert(id.clone());
        if self.blamed.insert(id.clone()) {
            out.push(Command::Blame { peer: id, chunk, detail });
        }
    }

    fn absent(&mut self, id: &NodeId, chunk: u32, out: &mut Vec<Command>) {
        let length = self.table.length(chunk);
        let Some(peer) = self.peers.get_mut(id) else { return };
        if !peer.give_back(chunk, length) {
            return;
        }
        self.table.returned(chunk);
        if peer.lacks(chunk) > self.rules.absent_limit {
            self.leave(id.clone(), LeaveReason::Lacks, out);
        }
    }

    fn returned(&mut self, id: &NodeId, chunks: &[u32], failed: bool, out: &mut Vec<Command>) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        for &chunk in chunks {
            if peer.give_back(chunk, self.table.length(chunk)) {
                self.table.returned(chunk);
            }
        }
        if failed && peer.failed() > self.rules.failure_limit {
            self.leave(id.clone(), LeaveReason::Breaks, out);
        }
    }

    fn tick(&mut self, now_ms: u64, out: &mut Vec<Command>) {
        self.pace.measure(now_ms, &self.rules);
        for peer in self.peers.values_mut() {
            peer.measure(now_ms);
        }
        let stall = self.rules.stall_ms;
        let stalled: Vec<NodeId> =
            self.peers.iter().filter(|(_, peer)| peer.is_stalled(now_ms, stall)).map(|(id, _)| id.clone()).collect();
        for id in stalled {
            self.leave(id, LeaveReason::Stalled, out);
        }
    }

    fn leave(&mut self, id: NodeId, reason: LeaveReason, out: &mut Vec<Command>) {
        self.drop_peer(&id);
        if self.barred.insert(id.clone()) {
            out.push(Command::Leave { peer: id, reason });
        }
    }

    /// Forgets a peer; what it owed goes back to be asked of others.
    fn drop_peer(&mut self, id: &NodeId) {
        if let Some(peer) = self.peers.remove(id) {
            // the first one owed must come out first again
            peer.asked().rev().for_each(|chunk| self.table.returned(chunk));
        }
    }

    /// Asks every peer for as much as its window holds, one chunk a turn, so that a small budget is shared fairly.
    fn assign(&mut self, now_ms: u64, out: &mut Vec<Command>) {
        let ids: Vec<NodeId> = self.peers.keys().cloned().collect();
        loop {
            let before = out.len();
            for id in &ids {
                if let Some(chunk) = self.next_for(id, now_ms)
                    && let Some(peer) = self.peers.get_mut(id)
                {
                    peer.ask(chunk, self.table.length(chunk), now_ms);
                    self.table.asked(chunk);
                    out.push(Command::Ask { peer: id.clone(), chunk });
                }
            }
            if out.len() == before {
                return;
            }
        }
    }

    fn next_for(&mut self, id: &NodeId, now_ms: u64) -> Option<u32> {
        let peer = self.peers.get(id)?;
        let budget = self.rules.in_flight_bytes.saturating_sub(self.table.in_flight_bytes());
        let nothing_in_flight = self.table.in_flight_bytes() == 0;
        let fits =
            |length: u32| (nothing_in_flight || u64::from(length) <= budget) && peer.has_room(length, &self.rules);
        if let Some(chunk) = self.table.first_missing(|chunk| !peer.is_without(chunk)) {
            return fits(self.table.length(chunk)).then(|| self.table.take_missing(chunk));
        }
        let chunk = if self.table.nothing_missing() { self.end_game(id, peer, now_ms) } else { None }?;
        fits(self.table.length(chunk)).then_some(chunk)
    }

    /// With nothing left to hand out, an idle peer takes over what another would bring later than it can.
    fn end_game(&self, id: &NodeId, idle: &Peer, now_ms: u64) -> Option<u32> {
        if !idle.is_idle() {
            return None;
        }
        let suits = |chunk: &u32| {
            self.table.copies(*chunk) < self.rules.copies && self.needs(*chunk) && !idle.is_without(*chunk)
        };
        let others = self.peers.iter().filter(|(other, _)| *other != id);
        // the slowest one may owe nothing that suits, and the next one does
        let offers = others.filter_map(|(_, peer)| {
            let chunk = peer.asked().rev().find(suits)?;
            let left = peer.time_left_ms(now_ms, self.rules.queue_ms);
            let mine = idle.time_for_ms(self.table.length(chunk));
            (left > mine.saturating_add(mine / 4)).then_some((left, chunk))
        });
        offers.max_by_key(|(left, _)| *left).map(|(_, chunk)| chunk)
    }

    fn notice_starvation(&mut self, now_ms: u64, out: &mut Vec<Command>) {
        if !self.table.idle() || self.table.nothing_missing() {
            self.starved_since = None;
        } else if self.starved_since.is_none() {
            self.starved_since = Some(now_ms);
            out.push(Command::Starved);
        }
    }
}
