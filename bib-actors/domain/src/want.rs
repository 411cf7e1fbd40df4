//! What to fetch: a node's policy over the versions that its peers offer.
//!
//! Owns the rule alone. Which versions are here already, who is connected and when to try again are told from
//! outside; how the chunks of a wanted version are shared out over peers is decided in [`crate::transfer`].

use crate::{NodeId, NodeMode, TopicName};
use std::collections::{BTreeMap, BTreeSet};

/// What the rule must know about a paired peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerFacts {
    /// This node takes its catalogue from that one.
    pub base: bool,
    /// It was caught lying: nothing is taken from it until it is paired anew.
    pub blamed: bool,
}

/// Everything that decides what this node fetches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What kind of node this is.
    pub mode: NodeMode,
    /// The topics that it subscribed to.
    pub subscribed: BTreeSet<TopicName>,
    /// The paired peers.
    pub peers: BTreeMap<NodeId, PeerFacts>,
}

/// What to do about a version that a peer offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Fetch it.
    Fetch,
    /// Keep the topic's name, so that people see it and can subscribe; do not fetch.
    KnowTopic,
    /// Take nothing from this peer.
    Ignore(Reason),
}

/// Why nothing is taken from a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is not paired with this node.
    NotPaired,
    /// It was blamed.
    Blamed,
}

impl Policy {
    /// Decides about one version of `topic` that `peer` says it has.
    #[must_use]
    pub fn decide(&self, peer: &NodeId, topic: &TopicName) -> Decision {
        let facts = match self.facts(peer) {
            Ok(facts) => facts,
            Err(reason) => return Decision::Ignore(reason),
        };
        let copies_base = self.mode == NodeMode::Full && facts.base;
        match self.mode {
            // it keeps nothing, and its people see what there is
            NodeMode::Proxy => Decision::KnowTopic,
            _ if copies_base || self.subscribed.contains(topic) => Decision::Fetch,
            _ => Decision::KnowTopic,
        }
    }

    /// Whether a version of `topic` that was begun earlier is still wanted, whoever offered it.
    #[must_use]
    pub fn still_wanted(&self, topic: &TopicName) -> bool {
        self.peers.keys().any(|peer| self.decide(peer, topic) == Decision::Fetch)
            || (self.mode != NodeMode::Proxy && self.subscribed.contains(topic))
    }

    /// Whether chunks and manifests may be taken from `peer`. Being paired is enough: what it sends is checked
    /// against the publisher's signature, so a peer that is no base node serves as well as one that is.
    ///
    /// # Errors
    /// The reason when nothing may be taken from it.
    pub fn may_use(&self, peer: &NodeId) -> Result<(), Reason> {
        self.facts(peer).map(|_| ())
    }

    fn facts(&self, peer: &NodeId) -> Result<PeerFacts, Reason> {
        match self.peers.get(peer) {
            None => Err(Reason::NotPaired),
            Some(facts) if facts.blamed => Err(Reason::Blamed),
            Some(facts) => Ok(*facts),
        }
    }
}

/// Whether the catalogues of all peers must be read again from their beginning after the policy went from `old` to
/// `new`: what was passed over then is wanted now.
#[must_use]
pub fn wants_more(old: &Policy, new: &Policy) -> bool {
    let subscribed_more = !new.subscribed.is_subset(&old.subscribed);
    let became_full = new.mode == NodeMode::Full && old.mode != NodeMode::Full;
    let left_proxy = old.mode == NodeMode::Proxy && new.mode != NodeMode::Proxy;
    let takes_more_from = |(peer, facts): (&NodeId, &PeerFacts)| {
        let before = old.peers.get(peer).copied();
        before.is_some_and(|before| (facts.base && !before.base) || (before.blamed && !facts.blamed))
    };
    subscribed_more || became_full || left_proxy || new.peers.iter().any(takes_more_from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(n: u8) -> NodeId {
        format!(
            "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nX{}{}",
            char::from(b'a' + n / 20),
            char::from(b'p' + n % 10)
        )
        .parse()
        .unwrap()
    }

    fn topic(name: &str) -> TopicName {
        name.parse().unwrap()
    }

    fn policy(mode: NodeMode, subscribed: &[&str], peers: &[(u8, bool, bool)]) -> Policy {
        let peers = peers.iter().map(|&(n, base, blamed)| (node(n), PeerFacts { base, blamed })).collect();
        Policy { mode, subscribed: subscribed.iter().map(|name| topic(name)).collect(), peers }
    }

    #[test]
    fn a_full_node_copies_its_base_nodes() {
        let full = policy(NodeMode::Full, &["flights"], &[(1, true, false), (2, false, false)]);
        assert_eq!(full.decide(&node(1), &topic("weather")), Decision::Fetch);
        assert_eq!(full.decide(&node(2), &topic("weather")), Decision::KnowTopic);
        assert_eq!(full.decide(&node(2), &topic("flights")), Decision::Fetch, "it may subscribe besides");
    }

    #[test]
    fn a_selective_node_fetches_what_it_subscribed_to() {
        let selective = policy(NodeMode::Selective, &["flights"], &[(1, true, false), (2, false, false)]);
        for peer in [1, 2] {
            assert_eq!(selective.decide(&node(peer), &topic("flights")), Decision::Fetch);
            assert_eq!(selective.decide(&node(peer), &topic("weather")), Decision::KnowTopic);
        }
        assert!(selective.still_wanted(&topic("flights")));
        assert!(!selective.still_wanted(&topic("weather")));
    }

    #[test]
    fn a_proxy_keeps_nothing() {
        let proxy = policy(NodeMode::Proxy, &["flights"], &[(1, true, false)]);
        assert_eq!(proxy.decide(&node(1), &topic("flights")), Decision::KnowTopic);
        assert!(!proxy.still_wanted(&topic("flights")));
    }

    fn set(policy: &mut Policy, peer: u8, facts: PeerFacts) {
        policy.peers.insert(node(peer), facts);
    }

    #[test]
    fn says_when_the_catalogues_must_be_read_again() {
        let old = policy(NodeMode::Selective, &["a"], &[(1, false, false), (2, false, true)]);
        let same = |change: fn(&mut Policy)| {
            let mut new = old.clone();
            change(&mut new);
            wants_more(&old, &new)
        };
        assert!(!same(|_| ()));
        assert!(!same(|new| new.subscribed.clear()));
        assert!(!same(|new| set(new, 3, PeerFacts::default())), "a new peer begins at 0 anyway");
        assert!(same(|new| new.subscribed.extend([topic("b")])));
        assert!(same(|new| new.mode = NodeMode::Full));
        assert!(same(|new| set(new, 1, PeerFacts { base: true, blamed: false })));
        assert!(same(|new| set(new, 2, PeerFacts::default())));
    }

    proptest! {
        #[test]
        fn nothing_is_taken_from_strangers_and_liars(
            mode in prop::sample::select(vec![NodeMode::Full, NodeMode::Selective, NodeMode::Proxy]),
            base: bool, subscribed: bool, blamed: bool
        ) {
            let topics: &[&str] = if subscribed { &["t"] } else { &[] };
            let rule = policy(mode, topics, &[(1, base, blamed)]);
            let stranger = matches!(rule.decide(&node(9), &topic("t")), Decision::Ignore(_));
            prop_assert!(stranger);
            prop_assert!(rule.may_use(&node(9)).is_err());
            prop_assert_eq!(rule.may_use(&node(1)).is_err(), blamed);
            if blamed {
                prop_assert_eq!(rule.decide(&node(1), &topic("t")), Decision::Ignore(Reason::Blamed));
            }
        }
    }
}
