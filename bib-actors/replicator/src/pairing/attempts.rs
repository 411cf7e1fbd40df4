//! How often tickets may be tried. A secret of 32 bytes cannot be guessed; this keeps guesses from costing anything.
//!
//! Identities cost nothing, hosts do: whoever has one of them cannot use up the attempts of all others.

use bib_domain::NodeId;
use std::collections::HashMap;
use std::net::IpAddr;

const WINDOW_MS: u64 = 60_000;
/// Of so many parts of all attempts, one host makes one at most.
const HOST_PART: u32 = 3;

/// Attempts of the present minute.
#[derive(Debug)]
pub(crate) struct Attempts {
    per_peer: u32,
    total: u32,
    window_began_ms: u64,
    seen: u32,
    /// Those among them that were not the first of their host.
    repeated: u32,
    peers: HashMap<NodeId, u32>,
    /// Those whose host is not known are of one.
    hosts: HashMap<Option<IpAddr>, u32>,
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
        let (peers, hosts) = (HashMap::new(), HashMap::new());
        Self { per_peer, total, window_began_ms: 0, seen: 0, repeated: 0, peers, hosts, turned_away: 0, before: 0 }
    }

    /// Whether this attempt may be looked at. The tables are bounded: they never have more entries than attempts are let
    /// in.
    pub(crate) fn admit(&mut self, peer: &NodeId, host: Option<IpAddr>, now_ms: u64) -> Admission {
        if now_ms.saturating_sub(self.window_began_ms) >= WINDOW_MS || now_ms < self.window_began_ms {
            self.window_began_ms = now_ms;
            (self.seen, self.repeated) = (0, 0);
            self.peers.clear();
            self.hosts.clear();
            if self.turned_away > 0 {
                self.before = std::mem::take(&mut self.turned_away);
            }
        }
        let of_peer = self.peers.get(peer).copied().unwrap_or(0);
        let of_host = self.hosts.get(&host).copied().unwrap_or(0);
        if of_peer >= self.per_peer || !self.has_room(of_host) {
            self.turned_away += 1;
            return if self.turned_away == 1 {
                Admission::TurnedAway { before: std::mem::take(&mut self.before) }
            } else {
                Admission::Ignored
            };
        }
        self.seen += 1;
        self.repeated += u32::from(of_host > 0);
        self.peers.insert(peer.clone(), of_peer + 1);
        self.hosts.insert(host, of_host + 1);
        Admission::Admitted
    }

    /// Whether there is an attempt left for a host that made so many.
    const fn has_room(&self, of_host: u32) -> bool {
        let repeats = self.repeated < self.total / 2 && of_host < self.total / HOST_PART;
        self.seen < self.total && (of_host == 0 || repeats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(tail: char) -> NodeId {
        format!("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXT{tail}").parse().unwrap()
    }

    fn host(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    #[test]
    fn are_bounded_per_peer_and_in_all() {
        let mut attempts = Attempts::new(2, 6);
        let mut admitted =
            |tail: char, now_ms| attempts.admit(&node(tail), host(tail as u8), now_ms) == Admission::Admitted;
        assert!(admitted('a', 1000));
        assert!(admitted('a', 1001));
        assert!(!admitted('a', 1002));
        for tail in ['b', 'c', 'd', 'e'] {
            assert!(admitted(tail, 1003));
        }
        assert!(!admitted('f', 1004), "all together");
        assert!(!admitted('a', 59_999));
        assert!(admitted('a', 60_000), "another minute");
    }

    #[test]
    fn one_host_does_not_use_up_those_of_all() {
        let mut attempts = Attempts::new(6, 12);
        let tails = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
        let mut admitted = |from| {
            let results = tails.map(|tail| attempts.admit(&node(tail), from, 0));
            results.iter().filter(|result| **result == Admission::Admitted).count()
        };
        assert_eq!(admitted(host(1)), 4, "a third, under as many names as it likes");
        assert_eq!(admitted(host(2)), 4);
        assert_eq!(admitted(host(3)), 1, "what is left is for the first ones of others");
        assert_eq!(admitted(None), 1);
        assert_eq!(admitted(host(4)), 1);
        assert_eq!(admitted(host(5)), 1);
        assert_eq!(admitted(host(6)), 0, "all together");
    }

    #[test]
    fn one_of_those_that_are_turned_away_is_written_down() {
        let mut attempts = Attempts::new(1, 6);
        let mut admit = |tail: char, now_ms| attempts.admit(&node(tail), host(tail as u8), now_ms);
        assert_eq!(admit('a', 0), Admission::Admitted);
        assert_eq!(admit('a', 1), Admission::TurnedAway { before: 0 });
        for peer in ['a', 'b', 'a', 'a'] {
            let expected = if peer == 'b' { Admission::Admitted } else { Admission::Ignored };
            assert_eq!(admit(peer, 2), expected, "{peer}");
        }
        // a quiet minute in between forgets nothing
        assert_eq!(admit('a', 60_000), Admission::Admitted);
        assert_eq!(admit('a', 120_000), Admission::Admitted);
        assert_eq!(admit('a', 120_001), Admission::TurnedAway { before: 4 });
        assert_eq!(admit('a', 120_002), Admission::Ignored);
    }
}
