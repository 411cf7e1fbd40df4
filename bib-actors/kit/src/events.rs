//! Events: notices that go up, to whoever listens.
//!
//! A topic is a bounded broadcast. A listener that is too slow misses the oldest events and is told how many, so that it
//! can catch up from the source of truth; nobody waits for it.

use crate::options::ROUTER_CAPACITY;
use parking_lot::Mutex;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::broadcast;

/// What a listener gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<E> {
    /// An event.
    Item(E),
    /// So many events were lost because this listener was too slow.
    Missed(u64),
    /// There will be no more.
    Closed,
}

/// One kind of event.
pub struct Topic<E> {
    tx: broadcast::Sender<E>,
}

impl<E> Clone for Topic<E> {
    fn clone(&self) -> Self {
        Self { tx: self.tx.clone() }
    }
}

impl<E: Clone + Send + 'static> Topic<E> {
    /// A topic that keeps at most `capacity` events for a slow listener.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { tx: broadcast::Sender::new(capacity.max(1)) }
    }

    /// Tells all listeners; how many there are.
    pub fn publish(&self, event: E) -> usize {
        self.tx.send(event).unwrap_or(0)
    }

    /// Listens from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription<E> {
        Subscription { rx: self.tx.subscribe() }
    }
}

/// The end of a topic at which a listener waits.
pub struct Subscription<E> {
    rx: broadcast::Receiver<E>,
}

impl<E: Clone + Send + 'static> Subscription<E> {
    /// The next event. Nothing is lost if the future is dropped.
    pub async fn recv(&mut self) -> Event<E> {
        match self.rx.recv().await {
            Ok(event) => Event::Item(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Event::Missed(count),
            Err(broadcast::error::RecvError::Closed) => Event::Closed,
        }
    }
}

/// The node's topics, one per type of event.
#[derive(Clone, Default)]
pub struct Router {
    topics: Arc<Mutex<HashMap<TypeId, Box<dyn Any + Send>>>>,
}

impl Router {
    /// A router without topics.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The topic of this type of event; made when it is first asked for.
    #[must_use]
    pub fn topic<E: Clone + Send + 'static>(&self) -> Topic<E> {
        let mut topics = self.topics.lock();
        let entry = topics.entry(TypeId::of::<E>()).or_insert_with(|| Box::new(Topic::<E>::new(ROUTER_CAPACITY)));
        entry.downcast_ref::<Topic<E>>().expect("a topic is kept under the type of its events").clone()
    }
}
