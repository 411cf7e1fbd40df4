//! What the supervisor hears and what it says.
//!
//! Children are named by their place in the plan. Everything is `Copy` data: texts stay with the root.

/// How an incarnation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself or because it was told to.
    Stopped,
    /// By a panic, an error or an abort, or because its factory could not make it just now.
    Failed,
    /// Its factory could not make it, for a reason that does not pass by itself.
    Refused,
    /// Its background work could not be ended, so no other incarnation may be started beside it.
    Stale,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// The node starts.
    Boot,
    /// An incarnation takes messages.
    Ready {
        /// Which child.
        child: usize,
        /// Which incarnation.
        incarnation: u64,
    },
    /// An incarnation ended.
    Ended {
        /// Which child.
        child: usize,
        /// Which incarnation.
        incarnation: u64,
        /// How.
        ending: Ending,
        /// A random number between 0 and 1 for the jitter.
        dice: f64,
    },
    /// An incarnation does not answer pings any more.
    Hung {
        /// Which child.
        child: usize,
        /// Which incarnation.
        incarnation: u64,
    },
    /// Time has passed.
    Clock,
    /// The node is to stop.
    Shutdown,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Start this incarnation.
    Start {
        /// Which child.
        child: usize,
        /// The number of the new incarnation.
        incarnation: u64,
    },
    /// Ask the present incarnation to end in order.
    Stop {
        /// Which child.
        child: usize,
    },
    /// End the present incarnation by force.
    Abort {
        /// Which child.
        child: usize,
    },
    /// Nothing is left to be done: the node ends.
    Finish(Verdict),
}

/// Why the node ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was told to.
    Stopped,
    /// A child could not be made when the node started.
    Refused {
        /// Which child.
        child: usize,
    },
    /// A child failed beyond what its policy and the root's window allow.
    BeyondWindow {
        /// Which child.
        child: usize,
    },
    /// A child could not be ended.
    Stuck {
        /// Which child.
        child: usize,
    },
}
