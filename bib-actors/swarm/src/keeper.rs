//! Paired peers and when to dial them: each is kept connected, with growing pauses while it does not answer.
//!
//! Decides only: it is told what happened and when, and says whom to dial. Never touches the swarm or a clock.

#[cfg(test)]
mod tests;

use crate::address::Target;
use crate::options::SwarmOptions;
use bib_domain::backoff::Backoff;
use libp2p::{Multiaddr, PeerId};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What is being done about a paired peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A connection is open since this moment.
    Connected(Instant),
    /// A dial is under way.
    Dialing,
    /// Dial at this moment.
    Waiting(Instant),
    /// Somebody disconnected it: leave it until it is wanted again.
    Paused,
}

#[derive(Debug)]
struct Kept {
    given: Vec<Multiaddr>,
    failures: u32,
    state: State,
}

impl Kept {
    /// Leaves its connection, if there is one: one that lasted makes up for the failures before it.
    fn settle(&mut self, now: Instant, steady_after: Duration) {
        if let State::Connected(since) = self.state
            && now.saturating_duration_since(since) >= steady_after
        {
            self.failures = 0;
        }
    }
}

/// The paired peers.
#[derive(Debug)]
pub(crate) struct Keeper {
    peers: HashMap<PeerId, Kept>,
    /// Where the local network says that nodes are, also those that are not paired yet.
    found: HashMap<PeerId, Vec<Multiaddr>>,
    backoff: Backoff,
    steady_after: Duration,
    max_addresses: usize,
    max_found: usize,
}

impl Keeper {
    pub(crate) fn new(options: &SwarmOptions) -> Self {
        Self {
            peers: HashMap::new(),
            found: HashMap::new(),
            backoff: options.redial,
            steady_after: options.steady_after,
            max_addresses: options.max_addresses_per_peer,
            max_found: options.max_discovered,
        }
    }

    /// Replaces the list; returns who was on it before and is not any more.
    pub(crate) fn set(
        &mut self,
        list: &[(PeerId, Vec<String>)],
        connected: impl Fn(&PeerId) -> bool,
        now: Instant,
    ) -> Vec<PeerId> {
        let mut before = std::mem::take(&mut self.peers);
        for (peer, texts) in list {
            let given = self.addresses_of(*peer, texts);
            let kept = match before.remove(peer) {
                // news about where it is: do not wait for the old pause to end
                Some(mut kept) => {
                    if kept.given != given {
                        kept.given = given;
                        kept.failures = 0;
                        if matches!(kept.state, State::Waiting(_)) {
                            kept.state = State::Waiting(now);
                        }
                    }
                    kept
                }
                None => {
                    let state = if connected(peer) { State::Connected(now) } else { State::Waiting(now) };
                    Kept { given, failures: 0, state }
                }
            };
            self.peers.insert(*peer, kept);
        }
        before.into_keys().filter(|peer| !self.peers.contains_key(peer)).collect()
    }

    fn addresses_of(&self, peer: PeerId, texts: &[String]) -> Vec<Multiaddr> {
        let mut addresses = Vec::new();
        for text in texts {
            match Target::parse(text) {
                Ok(target) if target.peer.is_none_or(|named| named == peer) => {
                    if !addresses.contains(&target.address) {
                        addresses.push(target.address);
                    }
                }
                Ok(_) => tracing::debug!(%peer, address = text, "left out an address that names another node"),
                Err(error) => tracing::debug!(%peer, %error, "left out an address"),
            }
        }
        addresses.truncate(self.max_addresses);
        addresses
    }

    /// The local network says that a node is at `address`: dial it at once if it is paired.
    pub(crate) fn found(&mut self, peer: PeerId, address: Multiaddr, now: Instant) {
        if !self.found.contains_key(&peer) && self.found.len() >= self.max_found {
            // names are cheap to make up: whoever is paired goes before them
            let stranger = self.found.keys().find(|other| !self.peers.contains_key(other)).copied();
            match stranger {
                Some(stranger) if self.peers.contains_key(&peer) => drop(self.found.remove(&stranger)),
                _ => return,
            }
        }
        let addresses = self.found.entry(peer).or_default();
        if !addresses.contains(&address) {
            addresses.insert(0, address);
            addresses.truncate(self.max_addresses);
        }
        self.change(&peer, |kept| {
            if matches!(kept.state, State::Waiting(_)) {
                kept.state = State::Waiting(now);
            }
        });
    }

    /// The local network has not heard of a node at `address` for long.
    pub(crate) fn vanished(&mut self, peer: &PeerId, address: &Multiaddr) {
        if let Some(addresses) = self.found.get_mut(peer) {
            addresses.retain(|known| known != address);
            if addresses.is_empty() {
                self.found.remove(peer);
            }
        }
    }

    /// Where the node may be: what was found on the local network first.
    pub(crate) fn addresses(&self, peer: &PeerId) -> Vec<Multiaddr> {
        let mut addresses = self.found.get(peer).cloned().unwrap_or_default();
        let given = self.peers.get(peer).map(|kept| kept.given.as_slice()).unwrap_or_default();
        for address in given {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        addresses
    }

    /// Whom to dial now, at most `slots` of them, the longest overdue first.
    pub(crate) fn due(&self, now: Instant, slots: usize) -> Vec<PeerId> {
        let mut due: Vec<(Instant, PeerId)> = self.waiting().filter(|(at, _)| *at <= now).collect();
        due.sort_unstable_by_key(|(at, _)| *at);
        due.into_iter().take(slots).map(|(_, peer)| peer).collect()
    }

    /// When somebody is due next.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.waiting().map(|(at, _)| at).min()
    }

    fn waiting(&self) -> impl Iterator<Item = (Instant, PeerId)> {
        self.peers.iter().filter_map(|(peer, kept)| match kept.state {
            State::Waiting(at) if !kept.given.is_empty() || self.found.contains_key(peer) => Some((at, *peer)),
            _ => None,
        })
    }

    /// How many dials are under way for the keeper.
    pub(crate) fn dialing(&self) -> usize {
        self.peers.values().filter(|kept| kept.state == State::Dialing).count()
    }

    /// A dial to the peer began, perhaps beside a connection that does not answer.
    pub(crate) fn started(&mut self, peer: &PeerId, now: Instant) {
        let steady_after = self.steady_after;
        self.change(peer, |kept| {
            kept.settle(now, steady_after);
            kept.state = State::Dialing;
        });
    }

    /// A connection with the peer is open.
    pub(crate) fn connected(&mut self, peer: &PeerId, now: Instant) {
        self.change(peer, |kept| {
            if !matches!(kept.state, State::Connected(_)) {
                kept.state = State::Connected(now);
            }
        });
    }

    /// A dial failed: come back after a pause. Nothing changes if the peer came by itself meanwhile.
    pub(crate) fn failed(&mut self, peer: &PeerId, now: Instant, random: u64) {
        self.back_off(peer, |state| state == State::Dialing, now, random);
    }

    /// The last connection was lost: come back after a pause. Nothing changes if it is being dialed already.
    pub(crate) fn lost(&mut self, peer: &PeerId, now: Instant, random: u64) {
        self.back_off(peer, |state| matches!(state, State::Connected(_)), now, random);
    }

    fn back_off(&mut self, peer: &PeerId, from: impl FnOnce(State) -> bool, now: Instant, random: u64) {
        let (backoff, steady_after) = (self.backoff, self.steady_after);
        self.change(peer, |kept| {
            if from(kept.state) {
                kept.settle(now, steady_after);
                kept.failures = kept.failures.saturating_add(1);
                kept.state = State::Waiting(now + backoff.delay(kept.failures, random));
            }
        });
    }

    /// Somebody disconnected the peer on purpose.
    pub(crate) fn pause(&mut self, peer: &PeerId) {
        self.change(peer, |kept| kept.state = State::Paused);
    }

    fn change(&mut self, peer: &PeerId, change: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.peers.get_mut(peer) {
            change(kept);
        }
    }
}
