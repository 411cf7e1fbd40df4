//! The peers as the driver sees them: reading their catalogues and announcing to them, one of each at a time.

use super::{Driver, Note};
use crate::fetch::{self, SyncOutcome};
use bib_domain::{DatasetRef, NodeId, VersionId};
use bib_kit::clock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// What is under way with one peer.
#[derive(Debug, Default)]
pub(super) struct PeerState {
    pub(super) connected: bool,
    /// Its catalogue is being read.
    syncing: bool,
    /// There was a reason to read it again meanwhile.
    again: bool,
    /// It is to be read from its beginning, since what was passed over may be wanted now.
    pub(super) from_beginning: bool,
    /// How often in a row it could not be read, and when to try again.
    failures: u32,
    retry_at: Option<Instant>,
    /// When its catalogue was last read to its end, in Unix milliseconds; 0 if it was not.
    pub(super) read_ms: i64,
    announcing: bool,
    /// What it is still to be told; only the latest, since it reads the catalogue anyway.
    to_announce: Option<Option<(DatasetRef, VersionId)>>,
}

impl PeerState {
    /// A peer met for the first time in this life: its whole catalogue is read, since an earlier life may have ended
    /// before it acted on a part of it.
    const fn met() -> Self {
        Self {
            connected: false,
            syncing: false,
            again: false,
            from_beginning: true,
            failures: 0,
            retry_at: None,
            read_ms: 0,
            announcing: false,
            to_announce: None,
        }
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
        let state = self.peers.entry(peer.clone()).or_insert_with(PeerState::met);
        if !std::mem::replace(&mut state.connected, true) {
            self.sync(peer);
        }
    }

    /// Reads the catalogue of a peer from its beginning, unless that is being done.
    pub(super) fn sync_newly_paired(&mut self, peer: &NodeId) {
        if self.peers.get(peer).is_some_and(|state| !state.syncing) {
            self.sync(peer);
        }
    }

    /// Reads the catalogue of a peer, now or after the present reading of it.
    pub(super) fn sync(&mut self, peer: &NodeId) {
        if !self.usable(peer) {
            return;
        }
        let Some(state) = self.peers.get_mut(peer) else { return };
        if state.syncing {
            state.again = true;
            return;
        }
        let from_beginning = state.from_beginning;
        let (shared, policy, peer) = (Arc::clone(&self.shared), Arc::clone(&self.policy), peer.clone());
        let started = self.shared.spawn("catalogue", async move {
            let result = fetch::sync(&shared, &peer, &policy, from_beginning).await;
            shared.note(Note::Synced { peer, result }).await;
        });
        if started {
            state.syncing = true;
            state.from_beginning = false;
            state.retry_at = None;
        } else {
            state.retry_at = Some(clock::monotonic() + self.shared.options.backlog.retry.max);
        }
    }

    /// Reads again the catalogues that could not be read, when their time has come.
    pub(super) fn retry_syncs(&mut self) {
        let now = clock::monotonic();
        let due = |state: &PeerState| !state.syncing && state.retry_at.is_some_and(|at| at <= now);
        let peers: Vec<NodeId> =
            self.peers.iter().filter(|(_, state)| due(state)).map(|(peer, _)| peer.clone()).collect();
        peers.iter().for_each(|peer| self.sync(peer));
    }

    pub(super) fn sync_all(&mut self) {
        let peers: Vec<NodeId> = self.peers.keys().cloned().collect();
        peers.iter().for_each(|peer| self.sync(peer));
    }

    pub(super) async fn synced(&mut self, peer: NodeId, result: Result<SyncOutcome, crate::ReplicatorError>) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.syncing = false;
        let again = std::mem::take(&mut state.again);
        if result.is_ok() {
            if matches!(result, Ok(SyncOutcome::Whole)) {
                state.read_ms = clock::unix_ms();
            }
            state.failures = 0;
        } else {
            state.failures = state.failures.saturating_add(1);
        }
        let pause = self.shared.options.backlog.retry.delay(state.failures.max(1), super::work::dice());
        match result {
            Ok(SyncOutcome::Whole) if again => self.sync(&peer),
            Ok(SyncOutcome::Whole) => {}
            Ok(SyncOutcome::BacklogFull) => {
                state.from_beginning = true;
                state.retry_at = Some(clock::monotonic() + pause);
            }
            Err(error) => {
                state.from_beginning = true;
                state.retry_at = Some(clock::monotonic() + pause);
                if let Some((liar, detail)) = error.lie() {
                    let (liar, detail) = (liar.clone(), detail.to_owned());
                    self.blame(&liar, &detail).await;
                } else if state.failures > 1 && state.connected {
                    tracing::info!(%peer, %error, "could not read the catalogue of a peer, trying again");
                } else {
                    // usual just after pairing, when the other side has not let this one in yet
                    tracing::debug!(%peer, %error, "could not read the catalogue of a peer, trying again");
                }
            }
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
