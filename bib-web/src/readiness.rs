//! What `/readyz` says: whether the node serves, and how each of its actors is.

use serde::Serialize;
use std::sync::Arc;

/// Gives the present readiness; called once for each request, so it must be quick and must not block.
pub type ReadinessFn = Arc<dyn Fn() -> Readiness + Send + Sync>;

/// Whether the node serves, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether every actor runs.
    pub ready: bool,
    /// One entry for each actor, by rank.
    pub actors: Vec<ActorState>,
}

/// How one actor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActorState {
    /// The actor's name.
    pub name: String,
    /// Its rank: an actor asks only those of a lower one.
    pub rank: u8,
    /// starting, running, restarting, stopped or failed
    pub state: String,
    /// Counts up by one with every start.
    pub incarnation: u64,
    /// How often it was restarted since the node started.
    pub restarts: u64,
}
