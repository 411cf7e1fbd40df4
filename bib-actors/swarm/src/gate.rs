//! Who may open which stream, and where inbound streams go. Shared by the event loop and every connection.
//!
//! Locks are held for a look-up only, never over an await. Queues are bounded: what does not fit is closed and counted.

use crate::inbound::InboundStreams;
use crate::node_id::node_of;
use crate::protocols;
use bib_domain::NodeId;
use libp2p::{PeerId, Stream, StreamProtocol};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// An inbound stream on its way to its consumer.
pub(crate) type Arrival = (NodeId, Stream);

/// The paired peers and the consumers of this incarnation.
pub(crate) struct Gate {
    state: Mutex<State>,
    queue: usize,
    overflowed: AtomicU64,
}

struct State {
    paired: HashSet<PeerId>,
    consumers: HashMap<StreamProtocol, mpsc::Sender<Arrival>>,
    open: bool,
}

impl Gate {
    /// A gate with nobody paired and no consumers; each consumer's queue holds `queue` streams.
    pub(crate) fn new(queue: usize) -> Self {
        let state = State { paired: HashSet::new(), consumers: HashMap::new(), open: true };
        Self { state: Mutex::new(state), queue, overflowed: AtomicU64::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the peer is paired.
    pub(crate) fn is_paired(&self, peer: &PeerId) -> bool {
        self.state().paired.contains(peer)
    }

    /// Replaces the list of paired peers.
    pub(crate) fn set_paired(&self, paired: HashSet<PeerId>) {
        self.state().paired = paired;
    }

    /// Makes the caller the consumer of a protocol. An earlier consumer of it sees its streams end.
    pub(crate) fn accept(&self, protocol: StreamProtocol) -> InboundStreams {
        let (sender, receiver) = mpsc::channel(self.queue.max(1));
        let mut state = self.state();
        if state.open {
            state.consumers.insert(protocol, sender);
        }
        InboundStreams::new(receiver)
    }

    /// What `peer` may ask for now.
    pub(crate) fn offer(&self, peer: &PeerId) -> Vec<StreamProtocol> {
        let state = self.state();
        let paired = state.paired.contains(peer);
        state
            .consumers
            .iter()
            .filter(|(protocol, consumer)| !consumer.is_closed() && (paired || protocol.as_ref() == protocols::PAIR))
            .map(|(protocol, _)| protocol.clone())
            .collect()
    }

    /// Hands an inbound stream to its consumer, or drops it, which closes it.
    pub(crate) fn deliver(&self, peer: &PeerId, protocol: &StreamProtocol, stream: Stream) {
        let consumer = {
            let state = self.state();
            if protocol.as_ref() != protocols::PAIR && !state.paired.contains(peer) {
                tracing::debug!(%peer, %protocol, "closed a stream of a node that is not paired any more");
                return;
            }
            state.consumers.get(protocol).cloned()
        };
        let Some(consumer) = consumer else { return };
        match consumer.try_send((node_of(peer), stream)) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                let total = self.overflowed.fetch_add(1, Relaxed) + 1;
                tracing::warn!(%peer, %protocol, total, "closed an inbound stream: too many wait for their consumer");
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                tracing::debug!(%peer, %protocol, "closed an inbound stream: its consumer is gone");
            }
        }
    }

    /// How many inbound streams were closed because their queue was full.
    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed.load(Relaxed)
    }

    /// Ends all consumers' streams; later consumers get ended ones.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.open = false;
        state.consumers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: StreamProtocol = StreamProtocol::new(protocols::SYNC);
    const PAIR: StreamProtocol = StreamProtocol::new(protocols::PAIR);

    #[test]
    fn strangers_are_offered_pairing_only() {
        let gate = Gate::new(1);
        let (friend, stranger) = (PeerId::random(), PeerId::random());
        let _sync = gate.accept(SYNC);
        assert!(gate.offer(&stranger).is_empty());
        let pair = gate.accept(PAIR);
        assert_eq!(gate.offer(&stranger), [PAIR]);
        gate.set_paired([friend].into());
        let mut offered = gate.offer(&friend);
        offered.sort_by_key(|p| p.as_ref().to_owned());
        assert_eq!(offered, [PAIR, SYNC]);
        drop(pair);
        assert!(gate.offer(&stranger).is_empty(), "nobody takes pairing requests any more");
    }

    #[tokio::test]
    async fn the_newest_consumer_wins_and_closing_ends_all() {
        let gate = Gate::new(1);
        let mut old = gate.accept(SYNC);
        let mut new = gate.accept(SYNC);
        assert!(old.recv().await.is_none());
        gate.close();
        assert!(new.recv().await.is_none());
        assert!(gate.accept(SYNC).recv().await.is_none());
    }
}
