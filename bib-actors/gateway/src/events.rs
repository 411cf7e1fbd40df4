//! What has changed in the node, as signals for whoever watches: a ring of the last ones, filled by listeners to the
//! actors below.
//!
//! A watcher holds a position in the ring and nothing else, so a slow one costs nothing: when what it has not read yet
//! was overwritten, it is told to read everything again.

use crate::shared::Shared;
use bib_audit::{AuditAppended, Outcome};
use bib_guardian::{PeersChanged, SubscriptionsChanged, VersionPublished};
use bib_kit::{Event, Subscription};
use bib_swarm::SwarmEvent;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// What a signal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Topics and subscriptions.
    Topics,
    /// Datasets and versions.
    Datasets,
    /// Peers and connections.
    Peers,
    /// Versions that are being fetched.
    Transfers,
    /// The node's actors.
    Health,
}

impl Kind {
    /// The word used on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Topics => "topics",
            Self::Datasets => "datasets",
            Self::Peers => "peers",
            Self::Transfers => "transfers",
            Self::Health => "health",
        }
    }
}

/// One signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signal {
    /// Its position.
    pub(crate) seq: u64,
    /// What it is about.
    pub(crate) kind: Kind,
    /// Which one of them; empty if several or none.
    pub(crate) subject: String,
}

/// What a watcher finds after its position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// These signals; none if nothing happened.
    Signals(Vec<Signal>),
    /// Some were overwritten; the watcher goes on from here.
    Gap(u64),
}

struct Ring {
    signals: VecDeque<Signal>,
    /// The position of the last signal, or where this incarnation began.
    last: u64,
    began: u64,
}

/// The ring and those who wait at it.
pub(crate) struct Hub {
    capacity: usize,
    ring: Mutex<Ring>,
    moved: watch::Sender<u64>,
}

impl Hub {
    /// A ring of `capacity` signals. Positions begin with the time, so that those of a later incarnation are larger.
    pub(crate) fn new(capacity: usize, unix_ms: i64) -> Arc<Self> {
        let began = u64::try_from(unix_ms).unwrap_or_default() * 1000;
        let ring = Ring { signals: VecDeque::new(), last: began, began };
        Arc::new(Self { capacity, ring: Mutex::new(ring), moved: watch::Sender::new(began) })
    }

    /// Tells all watchers.
    pub(crate) fn tell(&self, kind: Kind, subject: impl Into<String>) {
        let mut ring = self.ring.lock();
        ring.last += 1;
        let seq = ring.last;
        if ring.signals.len() >= self.capacity {
            ring.signals.pop_front();
        }
        ring.signals.push_back(Signal { seq, kind, subject: subject.into() });
        drop(ring);
        self.moved.send_replace(seq);
    }

    /// The position of the last signal.
    pub(crate) fn last(&self) -> u64 {
        self.ring.lock().last
    }

    /// What came after `position`.
    pub(crate) fn after(&self, position: u64) -> News {
        let ring = self.ring.lock();
        let first = ring.signals.front().map_or(ring.last + 1, |signal| signal.seq);
        if position > ring.last || position < ring.began || position + 1 < first {
            return News::Gap(ring.last);
        }
        News::Signals(ring.signals.iter().filter(|signal| signal.seq > position).cloned().collect())
    }

    /// Resolves when there are signals after those that are there now.
    pub(crate) fn moves(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }
}

type Feeder = (&'static str, BoxFuture<'static, ()>);

/// The tasks that fill the ring for as long as the gateway lives.
pub(crate) fn feeders(shared: &Arc<Shared>) -> Vec<Feeder> {
    let (router, hub) = (&shared.deps.router, &shared.events);
    vec![
        hear(router.topic::<VersionPublished>().subscribe(), hub, |hub, event: VersionPublished| {
            hub.tell(Kind::Datasets, event.dataset.to_string());
            hub.tell(Kind::Topics, event.dataset.topic.to_string());
        }),
        hear(router.topic::<SubscriptionsChanged>().subscribe(), hub, |hub, event: SubscriptionsChanged| {
            hub.tell(Kind::Topics, event.topic.to_string());
        }),
        hear(router.topic::<PeersChanged>().subscribe(), hub, |hub, _| hub.tell(Kind::Peers, "")),
        hear(router.topic::<SwarmEvent>().subscribe(), hub, |hub, event: SwarmEvent| match event {
            SwarmEvent::Connected(id) | SwarmEvent::Disconnected(id) => hub.tell(Kind::Peers, id.to_string()),
            SwarmEvent::Discovered { .. } => {}
        }),
        hear(router.topic::<AuditAppended>().subscribe(), hub, |hub, event: AuditAppended| {
            // what is looked at is in the log too, and must not call for another look
            let made =
                |record: &&bib_audit::AuditRecord| record.outcome == Outcome::Ok && record.action == "topic.create";
            if let Some(record) = event.records.iter().find(made) {
                hub.tell(Kind::Topics, record.object.clone());
            }
        }),
        ("events: health", Box::pin(follow_health(Arc::clone(shared)))),
        ("events: transfers", Box::pin(follow_transfers(Arc::clone(shared)))),
    ]
}

/// Turns the events of one topic into signals. What was missed by being slow becomes one signal of every kind.
fn hear<E: Clone + Send + 'static>(
    mut from: Subscription<E>,
    hub: &Arc<Hub>,
    tell: impl Fn(&Hub, E) + Send + 'static,
) -> Feeder {
    let hub = Arc::clone(hub);
    let work = async move {
        loop {
            match from.recv().await {
                Event::Item(event) => tell(&hub, event),
                Event::Missed(_) => {
                    for kind in [Kind::Topics, Kind::Datasets, Kind::Peers] {
                        hub.tell(kind, "");
                    }
                }
                Event::Closed => return,
            }
        }
    };
    ("events", Box::pin(work))
}

async fn follow_health(shared: Arc<Shared>) {
    let mut changes = shared.deps.health.changes();
    while changes.changed().await.is_ok() {
        shared.events.tell(Kind::Health, "");
    }
}

/// Transfers have no events of their own: they are looked at now and then, while somebody watches.
async fn follow_transfers(shared: Arc<Shared>) {
    let limits = &shared.options.transfers;
    let mut ticks = tokio::time::interval(limits.transfer_tick);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut before = Vec::new();
    loop {
        ticks.tick().await;
        if shared.watchers.available_permits() == limits.event_streams {
            continue;
        }
        // a replicator that restarts is seen in its health
        let Ok(now) = shared.deps.replicator.transfers().await else { continue };
        if now != before {
            before = now;
            shared.events.tell(Kind::Transfers, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_gets_what_came_after_its_position() {
        let hub = Hub::new(3, 1);
        let begin = hub.last();
        assert_eq!(hub.after(begin), News::Signals(Vec::new()));
        hub.tell(Kind::Topics, "a");
        hub.tell(Kind::Peers, "");
        let News::Signals(signals) = hub.after(begin) else { panic!("nothing was overwritten") };
        assert_eq!(signals.iter().map(|signal| signal.kind).collect::<Vec<_>>(), [Kind::Topics, Kind::Peers]);
        assert_eq!(hub.after(begin + 2), News::Signals(Vec::new()));
    }

    #[test]
    fn whoever_was_away_too_long_or_before_a_restart_is_told() {
        let hub = Hub::new(2, 1000);
        let begin = hub.last();
        for _ in 0..3 {
            hub.tell(Kind::Health, "");
        }
        assert_eq!(hub.after(begin), News::Gap(begin + 3));
        assert!(matches!(hub.after(begin + 1), News::Signals(signals) if signals.len() == 2));
        let later = Hub::new(2, 2000);
        assert_eq!(later.after(begin + 3), News::Gap(later.last()), "a position of the incarnation before");
        assert_eq!(hub.after(later.last()), News::Gap(begin + 3), "a clock that went back");
    }
}
