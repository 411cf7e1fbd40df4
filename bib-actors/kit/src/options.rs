//! The bounds of the kit itself.
//!
//! Bounds that differ from actor to actor stand in its `ChildSpec`.

use std::time::Duration;

/// How many messages and how many futures an actor serves before it lets others on its thread have their turn. Larger
/// would save wake-ups and make timers of its neighbours late.
pub const TURN: usize = 32;

/// Places in the mailbox beyond the bound for what the kit itself sends.
pub(crate) const CONTROL_SLOTS: usize = 8;

/// How many events a topic of the router keeps for a slow listener. More would only delay the moment at which a
/// listener that has fallen behind must read from the source.
pub const ROUTER_CAPACITY: usize = 1024;

/// How long the end of an incarnation waits for its background work to end before that work counts as stuck. Blocking
/// calls cannot be ended from outside, so this must be longer than the longest of them normally takes.
pub const STALE_WAIT: Duration = Duration::from_secs(10);
