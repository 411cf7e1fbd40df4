//! Paired peers and when to dial them: each is kept connected, with growing pauses while it does not answer.
//!
//! Decides only: it is told what happened and when, and says whom to dial. Never touches the swarm or a clock.

use crate::address::Target;
use bib_domain::backoff::Backoff;
use libp2p::{Multiaddr, PeerId};
use std::collections::HashMap;
use std::time::Instant;

/// What is being done about a paired peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A connection is open.
    Connected,
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

/// The paired peers.
#[derive(Debug)]
pub(crate) struct Keeper {
    peers: HashMap<PeerId, Kept>,
    /// Where the local network says that nodes are, also those that are not paired yet.
    found: HashMap<PeerId, Vec<Multiaddr>>,
    backoff: Backoff,
    max_addresses: usize,
    max_found: usize,
}

impl Keeper {
    pub(crate) fn new(backoff: Backoff, max_addresses: usize, max_found: usize) -> Self {
        Self { peers: HashMap::new(), found: HashMap::new(), backoff, max_addresses, max_found }
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
                    let state = if connected(peer) { State::Connected } else { State::Waiting(now) };
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
        self.change(&peer, |kept, _| {
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

    /// A dial to the peer began.
    pub(crate) fn started(&mut self, peer: &PeerId) {
        self.change(peer, |kept, _| kept.state = State::Dialing);
    }

    /// A connection with the peer is open.
    pub(crate) fn connected(&mut self, peer: &PeerId) {
        self.change(peer, |kept, _| {
            kept.state = State::Connected;
            kept.failures = 0;
        });
    }

    /// A dial failed: come back after a pause. Nothing changes if the peer came by itself meanwhile.
    pub(crate) fn failed(&mut self, peer: &PeerId, now: Instant, random: u64) {
        self.back_off(peer, State::Dialing, now, random);
    }

    /// The last connection was lost: come back after a pause. Nothing changes if it is being dialed already.
    pub(crate) fn lost(&mut self, peer: &PeerId, now: Instant, random: u64) {
        self.back_off(peer, State::Connected, now, random);
    }

    fn back_off(&mut self, peer: &PeerId, from: State, now: Instant, random: u64) {
        self.change(peer, |kept, backoff| {
            if kept.state == from {
                kept.failures = kept.failures.saturating_add(1);
                kept.state = State::Waiting(now + backoff.delay(kept.failures, random));
            }
        });
    }

    /// Somebody disconnected the peer on purpose.
    pub(crate) fn pause(&mut self, peer: &PeerId) {
        self.change(peer, |kept, _| kept.state = State::Paused);
    }

    fn change(&mut self, peer: &PeerId, change: impl FnOnce(&mut Kept, &Backoff)) {
        if let Some(kept) = self.peers.get_mut(peer) {
            change(kept, &self.backoff);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_kit::clock;
    use std::time::Duration;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(8) };
    const HERE: &str = "/ip4/10.0.0.1/tcp/1";

    fn keeper_of(peer: PeerId, addresses: &[&str], now: Instant) -> Keeper {
        let mut keeper = Keeper::new(BACKOFF, 2, 3);
        let texts = addresses.iter().map(ToString::to_string).collect();
        assert!(keeper.set(&[(peer, texts)], |_| false, now).is_empty());
        keeper
    }

    #[test]
    fn dials_at_once_then_with_growing_pauses() {
        let (peer, now) = (PeerId::random(), clock::monotonic());
        let mut keeper = keeper_of(peer, &[HERE], now);
        assert_eq!(keeper.due(now, 8), [peer]);
        assert_eq!(keeper.due(now, 0), []);
        keeper.started(&peer);
        assert_eq!((keeper.dialing(), keeper.due(now, 8), keeper.next_due()), (1, vec![], None));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            keeper.started(&peer);
            keeper.failed(&peer, now, 0);
            pauses.push(keeper.next_due().unwrap() - now);
        }
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 4_000, 4_000].map(Duration::from_millis));
        keeper.connected(&peer);
        assert_eq!(keeper.next_due(), None);
        keeper.failed(&peer, now, 0);
        assert_eq!(keeper.next_due(), None, "it came by itself while the dial failed");
        keeper.lost(&peer, now, 0);
        assert_eq!(keeper.next_due(), Some(now + Duration::from_millis(500)), "a success starts over");
        keeper.started(&peer);
        keeper.lost(&peer, now, 0);
        assert_eq!((keeper.dialing(), keeper.next_due()), (1, None), "an old connection ends during a dial");
    }

    #[test]
    fn news_end_the_pause() {
        let (peer, now) = (PeerId::random(), clock::monotonic());
        let mut keeper = keeper_of(peer, &[HERE], now);
        keeper.started(&peer);
        keeper.failed(&peer, now, u64::MAX);
        assert!(keeper.due(now, 8).is_empty());
        keeper.found(peer, "/ip4/10.0.0.9/tcp/1".parse().unwrap(), now);
        assert_eq!(keeper.due(now, 8), [peer]);
        assert_eq!(keeper.addresses(&peer)[0].to_string(), "/ip4/10.0.0.9/tcp/1");
        keeper.started(&peer);
        keeper.failed(&peer, now, u64::MAX);
        keeper.set(&[(peer, vec!["/ip4/10.0.0.2/tcp/1".to_owned()])], |_| false, now);
        assert_eq!(keeper.due(now, 8), [peer]);
    }

    #[test]
    fn what_was_found_before_pairing_counts_after_it() {
        let (peer, now) = (PeerId::random(), clock::monotonic());
        let address: Multiaddr = HERE.parse().unwrap();
        let mut keeper = Keeper::new(BACKOFF, 2, 3);
        keeper.found(peer, address.clone(), now);
        assert!(keeper.due(now, 8).is_empty(), "not paired");
        keeper.set(&[(peer, Vec::new())], |_| false, now);
        assert_eq!(keeper.due(now, 8), [peer]);
        assert_eq!(keeper.addresses(&peer), std::slice::from_ref(&address));
        keeper.vanished(&peer, &address);
        assert!(keeper.due(now, 8).is_empty() && keeper.addresses(&peer).is_empty());
    }

    #[test]
    fn made_up_names_do_not_crowd_out_a_paired_node() {
        let (peer, now) = (PeerId::random(), clock::monotonic());
        let mut keeper = keeper_of(peer, &[], now);
        for _ in 0..100 {
            keeper.found(PeerId::random(), HERE.parse().unwrap(), now);
        }
        assert_eq!(keeper.found.len(), 3);
        keeper.found(peer, HERE.parse().unwrap(), now);
        assert_eq!((keeper.found.len(), keeper.due(now, 8)), (3, vec![peer]));
    }

    #[test]
    fn the_same_list_again_keeps_the_pause() {
        let (peer, now) = (PeerId::random(), clock::monotonic());
        let mut keeper = keeper_of(peer, &[HERE], now);
        keeper.started(&peer);
        keeper.failed(&peer, now, 0);
        keeper.set(&[(peer, vec![HERE.to_owned()])], |_| false, now);
        assert!(keeper.due(now, 8).is_empty());
    }

    #[test]
    fn who_left_the_list_is_named_and_forgotten() {
        let (peer, now) = (PeerId::random(), clock::monotonic());
        let mut keeper = keeper_of(peer, &[HERE], now);
        assert_eq!(keeper.set(&[], |_| true, now), [peer]);
        assert!(keeper.due(now, 8).is_empty() && keeper.addresses(&peer).is_empty());
    }

    #[test]
    fn addresses_are_checked_and_bounded() {
        let (peer, now) = (PeerId::random(), clock::monotonic());
        let foreign = format!("{HERE}/p2p/{}", PeerId::random());
        let own = format!("/ip4/10.0.0.2/tcp/1/p2p/{peer}");
        let keeper = keeper_of(peer, &["nonsense//", &foreign, HERE, HERE, &own, "/ip4/10.0.0.3/tcp/1"], now);
        let kept: Vec<String> = keeper.addresses(&peer).iter().map(ToString::to_string).collect();
        assert_eq!(kept, [HERE, "/ip4/10.0.0.2/tcp/1"]);
    }

    #[test]
    fn a_peer_without_addresses_or_disconnected_on_purpose_is_left_alone() {
        let (peer, now) = (PeerId::random(), clock::monotonic());
        assert_eq!(keeper_of(peer, &[], now).next_due(), None);
        let mut keeper = keeper_of(peer, &[HERE], now);
        keeper.pause(&peer);
        keeper.lost(&peer, now, 0);
        keeper.failed(&peer, now, 0);
        assert_eq!(keeper.next_due(), None);
        keeper.connected(&peer);
        keeper.lost(&peer, now, 0);
        assert!(keeper.next_due().is_some());
    }
}
