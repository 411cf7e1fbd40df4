//! What the root needs to know about a child, as data.

use bib_domain::supervision::RestartPolicy;
use std::error::Error;
use std::time::Duration;

/// Where a child runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// On a thread of its own, so that it and the others cannot delay each other.
    Own,
    /// On the thread of its supervisor: for tests and for children that hardly work.
    Current,
}

/// Name, rank, policy and bounds of one child.
#[derive(Debug, Clone, Copy)]
pub struct ChildSpec {
    /// The name in health, logs and errors.
    pub name: &'static str,
    /// Lower ranks are asked by higher ones and are stopped after them.
    pub rank: u8,
    /// What happens when it fails.
    pub policy: RestartPolicy,
    /// The children that must be up before it, and with which it is restarted.
    pub depends_on: &'static [&'static str],
    /// Where it runs.
    pub placement: Placement,
    /// How many messages it may hold, counted from the ask to the reply.
    pub mailbox: usize,
    /// How long an orderly stop may take before it is aborted.
    pub shutdown: Duration,
    /// Whether what its factory could not do may be done a moment later without anybody's doing: then it has failed, and is
    /// started again, also the first time. What is wrong for good ends the node at its first start.
    pub passes: fn(&(dyn Error + 'static)) -> bool,
}

impl ChildSpec {
    /// A child on a thread of its own with the usual policy and bounds.
    #[must_use]
    pub const fn new(name: &'static str, rank: u8) -> Self {
        Self {
            name,
            rank,
            policy: RestartPolicy::permanent(),
            depends_on: &[],
            placement: Placement::Own,
            mailbox: 256,
            shutdown: Duration::from_secs(5),
            passes: |_| false,
        }
    }

    /// The same with another policy.
    #[must_use]
    pub const fn with_policy(mut self, policy: RestartPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The same with dependencies.
    #[must_use]
    pub const fn with_depends_on(mut self, names: &'static [&'static str]) -> Self {
        self.depends_on = names;
        self
    }

    /// The same at another place.
    #[must_use]
    pub const fn with_placement(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// The same with another mailbox bound.
    #[must_use]
    pub const fn with_mailbox(mut self, messages: usize) -> Self {
        self.mailbox = messages;
        self
    }

    /// The same with errors of its factory that pass by themselves.
    #[must_use]
    pub const fn with_passing(mut self, passes: fn(&(dyn Error + 'static)) -> bool) -> Self {
        self.passes = passes;
        self
    }

    /// The same with another limit on an orderly stop.
    #[must_use]
    pub const fn with_shutdown(mut self, limit: Duration) -> Self {
        self.shutdown = limit;
        self
    }
}
