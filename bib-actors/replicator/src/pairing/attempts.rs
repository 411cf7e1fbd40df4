//! How often tickets may be tried. A secret of 32 bytes cannot be guessed; this keeps guesses from costing anything.

use bib_domain::NodeId;
use std::collections::HashMap;

const WINDOW_MS: u64 = 60_000;

/// Attempts of the present minute.
#[derive(Debug)]
pub(crate) struct Attempts {
    per_peer: u32,
    total: u32,
    window_began_ms: u64,
    seen: u32,
    peers: HashMap<NodeId, u32>,
    /// How many were not looked at, in this window and in the one before that had some.
    turned_away: u64,
    before: u64,
}

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is looked at.
    Admitted,
    /// It is not, and that is written down; so many were not in the window before.
    TurnedAway {
        /// Not looked at and not written down before.
        before: u64,
    },
    /// It is not, and what was written down in this window says so: nobody makes a node write by knocking.
    Ignored,
}

impl Attempts {
    pub(crate) fn new(per_peer: u32, total: u32) -> Self {
        Self { per_peer, total, window_began_ms: 0, seen: 0, peers: HashMap::new(), turned_away: 0, before: 0 }
    }

    /// Whether this attempt may be looked at. The table is bounded: it never has more peers than attempts are let in.
    pub(crate) fn admit(&mut self, peer: &NodeId, now_ms: u64) -> Admission {
        if now_ms.saturating_sub(self.window_began_ms) >= WINDOW_MS || now_ms < self.window_began_ms {
            self.window_began_ms = now_ms;
            self.seen = 0;
            self.peers.clear();
            if self.turned_away > 0 {
                self.before = std::mem::take(&mut self.turned_away);
            }
        }
        let of_peer = self.peers.get(peer).copied().unwrap_or(0);
        if self.seen >= self.total || of_peer >= self.per_peer {
            self.turned_away += 1;
            return if self.turned_away == 1 {
                Admission::TurnedAway { before: std::mem::take(&mut self.before) }
            } else {
                Admission::Ignored
            };
        }
        self.seen += 1;
        self.peers.insert(peer.clone(), of_peer + 1);
        Admission::Admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(tail: char) -> NodeId {
        format!("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXT{tail}").parse().unwrap()
    }

    #[test]
    fn are_bounded_per_peer_and_in_all() {
        let mut attempts = Attempts::new(2, 3);
        let mut admitted = |tail, now_ms| attempts.admit(&node(tail), now_ms) == Admission::Admitted;
        assert!(admitted('a', 1000));
        assert!(admitted('a', 1001));
        assert!(!admitted('a', 1002));
        assert!(admitted('b', 1003));
        assert!(!admitted('c', 1004), "all together");
        assert!(!admitted('a', 59_999));
        assert!(admitted('a', 60_000), "another minute");
    }

    #[test]
    fn one_of_those_that_are_turned_away_is_written_down() {
        let mut attempts = Attempts::new(1, 2);
        assert_eq!(attempts.admit(&node('a'), 0), Admission::Admitted);
        assert_eq!(attempts.admit(&node('a'), 1), Admission::TurnedAway { before: 0 });
        for peer in ['a', 'b', 'c', 'a'] {
            let expected = if peer == 'b' { Admission::Admitted } else { Admission::Ignored };
            assert_eq!(attempts.admit(&node(peer), 2), expected, "{peer}");
        }
        // a quiet minute in between forgets nothing
        assert_eq!(attempts.admit(&node('a'), 60_000), Admission::Admitted);
        assert_eq!(attempts.admit(&node('a'), 120_000), Admission::Admitted);
        assert_eq!(attempts.admit(&node('a'), 120_001), Admission::TurnedAway { before: 4 });
        assert_eq!(attempts.admit(&node('a'), 120_002), Admission::Ignored);
    }
}
