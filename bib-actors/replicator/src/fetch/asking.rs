//! Asking all connected peers the same thing at once, in bounds: each has only so many streams for this node, and one that
//! is opened beyond them is closed without an answer, which says nothing of what the peer has.

use crate::error::ReplicatorError;
use crate::frame::FrameError;
use crate::shared::Shared;
use crate::wire;
use bib_domain::NodeId;
use futures::StreamExt;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for streams to each peer, for those who can wait for one.
#[derive(Debug)]
pub(crate) struct Places {
    per_peer: usize,
    open: Mutex<HashMap<NodeId, Arc<Semaphore>>>,
}

impl Places {
    pub(crate) fn new(per_peer: usize) -> Self {
        Self { per_peer: per_peer.max(1), open: Mutex::default() }
    }

    /// Waits for a place; it is free again when this is dropped.
    pub(super) async fn take(&self, peer: &NodeId) -> Option<OwnedSemaphorePermit> {
        // nobody closes it
        self.of(peer).acquire_owned().await.ok()
    }

    fn of(&self, peer: &NodeId) -> Arc<Semaphore> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // whoever has or waits for a place holds the semaphore
        open.retain(|_, places| Arc::strong_count(places) > 1);
        Arc::clone(open.entry(peer.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.per_peer))))
    }
}

/// What came of asking several peers.
pub(super) struct Asked<T> {
    pub(super) answers: Vec<T>,
    /// Why one of them did not say it, if that may be another time.
    pub(super) trouble: Option<ReplicatorError>,
}

/// Asks these peers at once. One that fails is left out: the others' answers are as good as there are.
pub(super) async fn ask_all<T, F>(shared: &Shared, peers: BTreeSet<NodeId>, ask: impl Fn(NodeId) -> F) -> Asked<T>
where
    F: Future<Output = Result<T, ReplicatorError>>,
{
    let one = |peer: NodeId| {
        let answer = ask(peer.clone());
        async move {
            let said = in_time(shared, &peer, answer).await;
            if let Err(error) = &said {
                tracing::debug!(%peer, %error, "a peer did not say what it has");
            }
            said
        }
    };
    let all = futures::stream::iter(peers.into_iter().map(one)).buffer_unordered(shared.options.find_at_once.max(1));
    let (mut answers, mut trouble) = (Vec::new(), None);
    let mut all = std::pin::pin!(all);
    while let Some(said) = all.next().await {
        match said {
            Ok(answer) => answers.push(answer),
            Err(error) if may_pass(&error) => trouble = Some(error),
            Err(_) => {}
        }
    }
    Asked { answers, trouble }
}

/// The wait for a place and the answer have the same time each, so that a crowd of questions is no peer's fault.
async fn in_time<T>(
    shared: &Shared,
    peer: &NodeId,
    answer: impl Future<Output = Result<T, ReplicatorError>>,
) -> Result<T, ReplicatorError> {
    let after = shared.options.find_deadline;
    let late = |_| ReplicatorError::Exchange { peer: peer.clone(), source: FrameError::Timeout { after } };
    let _place = tokio::time::timeout(after, shared.asks.take(peer)).await.map_err(late)?;
    tokio::time::timeout(after, answer).await.map_err(late)?
}

/// Whether a peer may answer another time what it did not answer now. One that serves nobody has nothing to say, and one
/// that does not keep to the protocol is not worth waiting for.
fn may_pass(error: &ReplicatorError) -> bool {
    match error {
        ReplicatorError::Exchange { source, .. } => !source.is_violation(),
        ReplicatorError::Peer { code, .. } => code == wire::BUSY,
        ReplicatorError::Swarm(error) => error.is_transient(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(tail: char) -> NodeId {
        format!("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXT{tail}").parse().unwrap()
    }

    #[test]
    fn each_peer_has_its_places_and_nothing_is_kept_of_those_who_left() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (places, [a, b, c]) = (Places::new(2), ['a', 'b', 'c'].map(node));
            let (first, _second) = (places.take(&a).await, places.take(&a).await);
            let third = places.take(&a);
            tokio::pin!(third);
            tokio::select! {
                biased;
                _ = &mut third => panic!("there is none"),
                other = places.take(&b) => drop((first, other)),
            }
            assert!(third.await.is_some());
            let _other = places.take(&c).await;
            assert_eq!(places.open.lock().unwrap().len(), 2, "b is gone");
        });
    }

    #[test]
    fn only_what_may_pass_is_trouble() {
        let peer = node('a');
        let answered =
            |code: &str| ReplicatorError::Peer { peer: peer.clone(), code: code.to_owned(), message: String::new() };
        let broke = |source| ReplicatorError::Exchange { peer: peer.clone(), source };
        assert!(may_pass(&broke(FrameError::Closed)) && may_pass(&answered(wire::BUSY)));
        assert!(!may_pass(&broke(FrameError::Malformed { detail: String::new() })));
        assert!(!may_pass(&answered(wire::NOT_SERVING)) && !may_pass(&answered(wire::NOT_PAIRED)));
    }
}
