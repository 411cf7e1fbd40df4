//! Places for inbound streams: so many in all, so many of one peer.

use bib_domain::NodeId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places for the streams of one protocol.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    per_peer: usize,
    total: usize,
    used: Arc<Mutex<HashMap<NodeId, usize>>>,
}

/// A place that is taken; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    peer: NodeId,
    slots: Slots,
}

impl Slots {
    pub(crate) fn new(per_peer: usize, total: usize) -> Self {
        Self { per_peer, total, used: Arc::default() }
    }

    /// Takes a place for a stream of this peer, if there is one.
    pub(crate) fn take(&self, peer: &NodeId) -> Option<Slot> {
        let mut used = self.used();
        let all: usize = used.values().sum();
        let of_peer = used.get(peer).copied().unwrap_or(0);
        if all >= self.total || of_peer >= self.per_peer {
            return None;
        }
        used.insert(peer.clone(), of_peer + 1);
        Some(Slot { peer: peer.clone(), slots: self.clone() })
    }

    fn used(&self) -> MutexGuard<'_, HashMap<NodeId, usize>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut used = self.slots.used();
        if let Some(count) = used.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                used.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(tail: char) -> NodeId {
        format!("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXT{tail}").parse().unwrap()
    }

    #[test]
    fn are_bounded_and_given_back() {
        let slots = Slots::new(2, 3);
        let first = slots.take(&node('a')).unwrap();
        let _second = slots.take(&node('a')).unwrap();
        assert!(slots.take(&node('a')).is_none());
        let third = slots.take(&node('b')).unwrap();
        assert!(slots.take(&node('c')).is_none(), "all together");
        drop(third);
        assert!(slots.take(&node('c')).is_some());
        drop(first);
        assert!(slots.take(&node('a')).is_some());
    }
}
