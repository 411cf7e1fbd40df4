//! What the node knows about the health of its actors.
//!
//! The root writes it, everybody may read it. Reading never asks an actor, so it works when one hangs.

use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// What a child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorState {
    /// Waits for a child that it depends on.
    Waiting,
    /// Is being made.
    Starting,
    /// Takes messages.
    Up,
    /// Failed and waits for its restart.
    Backoff,
    /// Is being stopped.
    Stopping,
    /// Is not there and will not be started again.
    Down,
}

impl ActorState {
    /// The word for people and for machines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Backoff => "backoff",
            Self::Stopping => "stopping",
            Self::Down => "down",
        }
    }
}

/// The node as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeHealth {
    /// Not all children have been up yet.
    Starting,
    /// All children are up.
    Ready,
    /// A child is not up, or one failed beyond its window a short while ago.
    Degraded,
    /// The node shuts down.
    Stopping,
}

/// One child's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorHealth {
    /// Its name.
    pub name: &'static str,
    /// Its rank.
    pub rank: u8,
    /// What it is doing.
    pub state: ActorState,
    /// The number of its present or last incarnation; 0 before the first.
    pub incarnation: u64,
    /// How often it was restarted.
    pub restarts: u64,
    /// How it failed last.
    pub last_failure: Option<String>,
    /// When it failed last, in milliseconds since 1970.
    pub last_failure_ms: Option<i64>,
    /// How many messages it has in hand.
    pub mailbox_used: usize,
    /// How many it may have in hand.
    pub mailbox_capacity: usize,
}

/// Counts the messages that a child has in hand.
#[derive(Clone)]
pub struct Gauge {
    permits: Arc<Semaphore>,
    capacity: usize,
}

impl Gauge {
    pub(crate) const fn new(permits: Arc<Semaphore>, capacity: usize) -> Self {
        Self { permits, capacity }
    }

    /// How many messages the child has in hand, from the ask to the reply.
    #[must_use]
    pub fn used(&self) -> usize {
        self.capacity.saturating_sub(self.permits.available_permits())
    }

    /// How many it may have in hand.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }
}

/// The health of all children; a cheap clone of one board.
#[derive(Clone)]
pub struct HealthBoard {
    board: Arc<RwLock<Board>>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Board {
    node: Option<NodeHealth>,
    children: Vec<(ActorHealth, Option<Gauge>)>,
    warnings: BTreeMap<&'static str, String>,
}

impl Default for HealthBoard {
    fn default() -> Self {
        Self::new()
    }
}

impl HealthBoard {
    /// A board without children.
    #[must_use]
    pub fn new() -> Self {
        Self { board: Arc::default(), changes: watch::Sender::new(0) }
    }

    /// Resolves at each change from now on; the value only counts them.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Adds a child that is not up yet, or replaces the entry of that name.
    pub fn register(&self, name: &'static str, rank: u8, gauge: Option<Gauge>) {
        let entry = ActorHealth {
            name,
            rank,
            state: ActorState::Waiting,
            incarnation: 0,
            restarts: 0,
            last_failure: None,
            last_failure_ms: None,
            mailbox_used: 0,
            mailbox_capacity: gauge.as_ref().map_or(0, Gauge::capacity),
        };
        let mut board = self.board.write();
        board.children.retain(|(child, _)| child.name != name);
        board.children.push((entry, gauge));
        board.children.sort_by_key(|(child, _)| child.rank);
        drop(board);
        self.changed();
    }

    /// Changes a child's entry.
    pub fn update(&self, name: &str, change: impl FnOnce(&mut ActorHealth)) {
        let mut board = self.board.write();
        let Some((child, _)) = board.children.iter_mut().find(|(child, _)| child.name == name) else { return };
        let before = child.clone();
        change(child);
        let changed = *child != before;
        drop(board);
        if changed {
            self.changed();
        }
    }

    /// Says what needs attention beside the actors, or with `None` that it does not any more. There is one warning under
    /// each name.
    pub fn warn(&self, name: &'static str, warning: Option<String>) {
        let before = {
            let mut board = self.board.write();
            match &warning {
                Some(text) => board.warnings.insert(name, text.clone()),
                None => board.warnings.remove(name),
            }
        };
        if before != warning {
            self.changed();
        }
    }

    /// What needs attention beside the actors.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.board.read().warnings.values().cloned().collect()
    }

    /// Says how the node is as a whole.
    pub fn set_node(&self, health: NodeHealth) {
        let before = self.board.write().node.replace(health);
        if before != Some(health) {
            self.changed();
        }
    }

    /// How the node is as a whole.
    #[must_use]
    pub fn node(&self) -> NodeHealth {
        self.board.read().node.unwrap_or(NodeHealth::Starting)
    }

    /// All children by rank, with their mailboxes as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ActorHealth> {
        let board = self.board.read();
        board
            .children
            .iter()
            .map(|(child, gauge)| {
                let mut child = child.clone();
                child.mailbox_used = gauge.as_ref().map_or(0, Gauge::used);
                child
            })
            .collect()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// One child.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<ActorHealth> {
        self.snapshot().into_iter().find(|child| child.name == name)
    }
}
