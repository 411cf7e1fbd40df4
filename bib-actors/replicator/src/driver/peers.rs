//! The peers as the driver sees them: reading their catalogues and announcing to them, one of each at a time.

use super::{Driver, Note};
use crate::fetch::{self, SyncOutcome};
use bib_domain::reading::{Ended, Pace, Reading, Waits, Why};
use bib_domain::{DatasetRef, NodeId, VersionId};
use bib_kit::clock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What is under way with one peer.
#[derive(Debug, Default)]
pub(super) struct PeerState {
    pub(super) connected: bool,
    /// When it connected last, by the steady clock.
    met_ms: Option<u64>,
    /// When its catalogue is read.
    pace: Pace,
    /// It is to be read from its beginning, since what was passed over may be wanted now.
    pub(super) from_beginning: bool,
    /// Where its next reading goes on, if that is not where the guardian says.
    resume: Option<u64>,
    /// When its catalogue was last read to its end, in Unix milliseconds; 0 if it was not.
    pub(super) read_ms: i64,
    announcing: bool,
    /// What it is still to be told; only the latest, since it reads the catalogue anyway.
    to_announce: Option<Option<(DatasetRef, VersionId)>>,
}

impl PeerState {
    /// A peer met for the first time in this life: its whole catalogue is read, since an earlier life may have ended
    /// before it acted on a part of it.
    fn met() -> Self {
        Self { from_beginning: true, ..Self::default() }
    }
}

impl Driver {
    /// Whether data may be taken from this peer now.
    pub(super) fn usable(&self, peer: &NodeId) -> bool {
        self.policy.may_use(peer).is_ok() && self.peers.get(peer).is_some_and(|state| state.connected)
    }

    /// Takes note of the peers that are connected already, and of those whose event was missed.
    pub(super) async fn meet_connected(&mut self) {
        match self.shared.swarm.peers().await {
            Ok(connected) => {
                let connected: BTreeSet<NodeId> = connected.into_iter().map(|peer| peer.node_id).collect();
                for (peer, state) in &mut self.peers {
                    state.connected &= connected.contains(peer);
                }
                connected.iter().for_each(|peer| self.met(peer));
                self.follow_sources();
            }
            Err(error) => tracing::debug!(%error, "the swarm did not say who is connected"),
        }
    }

    /// A peer is connected. Its catalogue is read if it was not before.
    pub(super) fn met(&mut self, peer: &NodeId) {
        if !self.peers.contains_key(peer) && self.policy.may_use(peer).is_ok() {
            self.search.begin_anew();
        }
        let (now_ms, steady_after) = (clock::uptime_ms(), self.shared.options.steady_after);
        let state = self.peers.entry(peer.clone()).or_insert_with(PeerState::met);
        if !std::mem::replace(&mut state.connected, true) {
            let before = state.met_ms.replace(now_ms).map(|before| now_ms.saturating_sub(before));
            // the pauses of a peer that comes and goes last as long as those of one that stays
            if before.map(Duration::from_millis).is_none_or(|before| before >= steady_after) {
                state.pace.met();
            }
            self.ask_sync(peer, Why::Peer);
        }
    }

    /// Reads the catalogue of a peer from its beginning, unless that is being done.
    pub(super) fn sync_newly_paired(&mut self, peer: &NodeId) {
        if self.peers.get(peer).is_some_and(|state| !state.pace.is_reading()) {
            self.ask_sync(peer, Why::Asked);
        }
    }

    /// Reads the catalogue of a peer, now or when its time has come.
    pub(super) fn ask_sync(&mut self, peer: &NodeId, why: Why) {
        if !self.usable(peer) {
            return;
        }
        let (now_ms, rules) = (clock::uptime_ms(), &self.shared.options.reading);
        if self.peers.get_mut(peer).is_some_and(|state| state.pace.ask(why, now_ms, rules)) {
            self.sync(peer);
        }
    }

    fn sync(&mut self, peer: &NodeId) {
        if !self.usable(peer) {
            return;
        }
        let Some(state) = self.peers.get_mut(peer) else { return };
        let now_ms = clock::uptime_ms();
        let from = state.pace.start(state.resume, state.from_beginning, now_ms);
        let from_beginning = from == Some(0);
        let (shared, policy, peer) = (Arc::clone(&self.shared), Arc::clone(&self.policy), peer.clone());
        let started = self.shared.spawn("catalogue", async move {
            let result = fetch::sync(&shared, &peer, &policy, from).await;
            shared.note(Note::Synced { peer, result }).await;
        });
        if started {
            state.pace.begun(from_beginning);
            state.resume = None;
            // what waits for the beginning goes on waiting while another reading goes to the end
            state.from_beginning &= !from_beginning;
        } else {
            state.pace.put_off(now_ms, self.shared.options.backlog.retry.max);
        }
    }

    /// Reads the catalogues that had to wait, when their time has come.
    pub(super) fn retry_syncs(&mut self) {
        let (now_ms, has_room) = (clock::uptime_ms(), self.backlog.has_room());
        let due = |state: &PeerState| state.pace.is_due(now_ms, has_room);
        let peers: Vec<NodeId> =
            self.peers.iter().filter(|(_, state)| due(state)).map(|(peer, _)| peer.clone()).collect();
        peers.iter().for_each(|peer| self.sync(peer));
    }

    /// Reads all catalogues: somebody wants it, or other things are wanted now.
    pub(super) fn sync_all(&mut self) {
        self.ask_all(Why::Asked);
    }

    /// Reads all catalogues but those that are read later anyway.
    pub(super) fn poll_all(&mut self) {
        self.ask_all(Why::Poll);
    }

    fn ask_all(&mut self, why: Why) {
        let peers: Vec<NodeId> = self.peers.keys().cloned().collect();
        peers.iter().for_each(|peer| self.ask_sync(peer, why));
    }

    pub(super) async fn synced(&mut self, peer: NodeId, result: Result<SyncOutcome, crate::ReplicatorError>) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let (ended, reading) = match &result {
            Ok(outcome) => (outcome.ended, outcome.reading),
            Err(_) => (Ended::Failed, Reading::default()),
        };
        match ended {
            Ended::Whole => state.read_ms = clock::unix_ms(),
            Ended::Unended => state.resume = result.as_ref().ok().and_then(|outcome| outcome.resume),
            Ended::Full | Ended::Failed => state.from_beginning = true,
        }
        let options = &self.shared.options;
        let waits = Waits { rules: &options.reading, retry: options.backlog.retry, random: super::work::dice() };
        let at_once = state.pace.ended(ended, reading, clock::uptime_ms(), &waits);
        let often = state.pace.failures() > 1 && state.connected;
        let left = ended == Ended::Whole && state.from_beginning;
        if at_once {
            self.sync(&peer);
        } else if left {
            self.ask_sync(&peer, Why::Poll);
        }
        let Err(error) = result else { return };
        if let Some((liar, detail)) = error.lie() {
            let (liar, detail) = (liar.clone(), detail.to_owned());
            self.blame(&liar, &detail).await;
        } else if often {
            tracing::info!(%peer, %error, "could not read the catalogue of a peer, trying again");
        } else {
            // usual just after pairing, when the other side has not let this one in yet
            tracing::debug!(%peer, %error, "could not read the catalogue of a peer, trying again");
        }
    }

    /// Whose catalogues were read to their end, and when.
    pub(super) fn catalogs(&self) -> BTreeMap<NodeId, i64> {
        let read = self.peers.iter().filter(|(_, state)| state.read_ms > 0);
        read.map(|(peer, state)| (peer.clone(), state.read_ms)).collect()
    }

    /// Tells all connected peers that something new is here. A node on untrusted storage has nothing to offer.
    pub(super) fn announce(&mut self, latest: Option<&(DatasetRef, VersionId)>) {
        if !self.shared.serves() {
            return;
        }
        let peers: Vec<NodeId> = self.peers.keys().filter(|peer| self.usable(peer)).cloned().collect();
        for peer in peers {
            if let Some(state) = self.peers.get_mut(&peer) {
                state.to_announce = Some(latest.cloned());
            }
            self.announce_to(&peer);
        }
    }

    fn announce_to(&mut self, peer: &NodeId) {
        let Some(state) = self.peers.get_mut(peer).filter(|state| !state.announcing) else { return };
        let Some(latest) = state.to_announce.take() else { return };
        let (shared, peer) = (Arc::clone(&self.shared), peer.clone());
        state.announcing = self.shared.spawn("announce", async move {
            let result = fetch::announce(&shared, &peer, latest).await;
            shared.note(Note::Announced { peer, result }).await;
        });
    }

    pub(super) fn announced(&mut self, peer: &NodeId, result: Result<(), crate::ReplicatorError>) {
        if let Err(error) = result {
            tracing::debug!(%peer, %error, "a peer was not told of something new; it will see it when it polls");
        }
        if let Some(state) = self.peers.get_mut(peer) {
            state.announcing = false;
        }
        self.announce_to(peer);
    }

    /// Blames a peer, leaves it, and goes on without it.
    pub(super) async fn blame(&mut self, peer: &NodeId, reason: &str) {
        tracing::error!(%peer, reason, "a peer was caught lying: nothing is taken from it until it is paired anew");
        self.backlog.forget_holder(peer, None);
        if let Err(error) = self.shared.blame(peer, reason).await {
            tracing::error!(%peer, %error, "could not write down that a peer lied");
        }
        self.refresh().await;
        if let Err(error) = self.shared.swarm.disconnect(peer).await {
            tracing::debug!(%peer, %error, "a peer that lied was not disconnected");
        }
    }
}
