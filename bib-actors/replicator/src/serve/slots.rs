//! Places for inbound streams: so many in all, so many of one peer. The streams of one peer share what it may take of
//! something else, too.

use bib_domain::NodeId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// Places for the streams of one protocol.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    per_peer: usize,
    total: usize,
    share: usize,
    used: Arc<Mutex<HashMap<NodeId, Used>>>,
}

/// What a peer has.
#[derive(Debug)]
struct Used {
    streams: usize,
    share: Arc<Semaphore>,
}

/// A place that is taken; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    peer: NodeId,
    slots: Slots,
    share: Arc<Semaphore>,
}

impl Slots {
    /// `share`: what all streams of one peer may have together of what is counted there.
    pub(crate) fn new(per_peer: usize, total: usize, share: usize) -> Self {
        Self { per_peer, total, share: share.clamp(1, Semaphore::MAX_PERMITS), used: Arc::default() }
    }

    /// Takes a place for a stream of this peer, if there is one.
    pub(crate) fn take(&self, peer: &NodeId) -> Option<Slot> {
        let mut used = self.used();
        let all: usize = used.values().map(|used| used.streams).sum();
        let of_peer = used.get(peer).map_or(0, |used| used.streams);
        if all >= self.total || of_peer >= self.per_peer {
            return None;
        }
        let new = || Used { streams: 0, share: Arc::new(Semaphore::new(self.share)) };
        let used = used.entry(peer.clone()).or_insert_with(new);
        used.streams += 1;
        Some(Slot { peer: peer.clone(), slots: self.clone(), share: Arc::clone(&used.share) })
    }

    fn used(&self) -> MutexGuard<'_, HashMap<NodeId, Used>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// What the streams of this peer have together.
    pub(crate) fn share(&self) -> &Arc<Semaphore> {
        &self.share
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut used = self.slots.used();
        if let Some(of_peer) = used.get_mut(&self.peer) {
            of_peer.streams -= 1;
            if of_peer.streams == 0 {
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
        let slots = Slots::new(2, 3, 1);
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
    #[test]
    fn the_streams_of_a_peer_share_and_others_have_their_own() {
        let slots = Slots::new(2, 4, 1);
        let [first, second] = [(), ()].map(|()| slots.take(&node('a')).unwrap());
        let held = Arc::clone(first.share()).try_acquire_owned().unwrap();
        assert!(second.share().try_acquire().is_err());
        let other = slots.take(&node('b')).unwrap();
        assert!(other.share().try_acquire().is_ok());
        drop(held);
        assert!(second.share().try_acquire().is_ok());
    }
}
