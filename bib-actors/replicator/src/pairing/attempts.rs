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
}

impl Attempts {
    pub(crate) fn new(per_peer: u32, total: u32) -> Self {
        Self { per_peer, total, window_began_ms: 0, seen: 0, peers: HashMap::new() }
    }

    /// Whether this attempt may be looked at. The table is bounded: it never has more peers than attempts are let in.
    pub(crate) fn admit(&mut self, peer: &NodeId, now_ms: u64) -> bool {
        if now_ms.saturating_sub(self.window_began_ms) >= WINDOW_MS || now_ms < self.window_began_ms {
            self.window_began_ms = now_ms;
            self.seen = 0;
            self.peers.clear();
        }
        let of_peer = self.peers.get(peer).copied().unwrap_or(0);
        if self.seen >= self.total || of_peer >= self.per_peer {
            return false;
        }
        self.seen += 1;
        self.peers.insert(peer.clone(), of_peer + 1);
        true
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
        assert!(attempts.admit(&node('a'), 1000));
        assert!(attempts.admit(&node('a'), 1001));
        assert!(!attempts.admit(&node('a'), 1002));
        assert!(attempts.admit(&node('b'), 1003));
        assert!(!attempts.admit(&node('c'), 1004), "all together");
        assert!(!attempts.admit(&node('a'), 59_999));
        assert!(attempts.admit(&node('a'), 60_000), "another minute");
    }
}
