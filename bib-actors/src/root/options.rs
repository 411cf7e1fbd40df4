//! The bounds of supervision.

use bib_domain::supervision::Limits;
use bib_kit::options::STALE_WAIT;
use std::time::Duration;

/// How the root watches its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootOptions {
    /// The limits of the node as a whole: restarts at a time, failures beyond a child's window.
    pub limits: Limits,
    /// How often each child is asked whether it turns; it has nearly as long for the answer.
    pub ping_every: Duration,
    /// After so many pings without an answer a child counts as hung. Fewer would take a busy machine for a hung actor.
    pub ping_misses: u32,
    /// How long the end of an incarnation waits for its background work before that counts as stuck.
    pub stale_wait: Duration,
    /// Whether faults may be injected. Never in production.
    pub faults: bool,
}

impl Default for RootOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            ping_every: Duration::from_secs(1),
            ping_misses: 4,
            stale_wait: STALE_WAIT,
            faults: false,
        }
    }
}
