//! The children of a node as the supervisor sees them, checked once.
//!
//! A plan that names an unknown dependency or lets a child depend on one of its own or a higher rank is refused.

use super::policy::{RestartPolicy, Window};
use std::time::Duration;

/// One child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildPlan {
    /// Its name.
    pub name: &'static str,
    /// Higher ranks depend on lower ones and are stopped before them.
    pub rank: u8,
    /// What happens when it fails.
    pub policy: RestartPolicy,
    /// The names of the children that must be up before it, and with which it is restarted.
    pub depends_on: Vec<&'static str>,
    /// How long an orderly stop may take.
    pub shutdown: Duration,
}

/// The limits of the node as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many children may be restarting at a time.
    pub restarts_at_once: usize,
    /// How many failures beyond a child's window the node takes before it stops.
    pub escalations: Window,
    /// The wait before the fresh start that follows such a failure.
    pub escalation_pause: Duration,
    /// The node counts as degraded for this long after such a failure.
    pub calm_after: Duration,
    /// How long a dependent may take to stop in order when what it depends on has failed.
    pub dependent_stop: Duration,
    /// How long an abort may take before the child counts as stuck.
    pub abort_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            restarts_at_once: 2,
            escalations: Window { max: 3, period: Duration::from_secs(300) },
            escalation_pause: Duration::from_secs(2),
            calm_after: Duration::from_secs(60),
            dependent_stop: Duration::from_secs(2),
            abort_grace: Duration::from_secs(12),
        }
    }
}

/// Why a plan is refused. Each is a mistake in the program, found when the node starts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Two children have one name.
    #[error("two children are named {name}, so they cannot be told apart; give one another name")]
    Duplicate {
        /// The name.
        name: &'static str,
    },
    /// A dependency that is not there.
    #[error("{name} depends on {on}, which is not among the children; add it or drop the dependency")]
    Unknown {
        /// The child.
        name: &'static str,
        /// What it depends on.
        on: &'static str,
    },
    /// A dependency on the same or a higher rank.
    #[error("{name} depends on {on}, which has no lower rank, so the order of starting is undefined; change a rank")]
    Upward {
        /// The child.
        name: &'static str,
        /// What it depends on.
        on: &'static str,
    },
}

/// Each child's dependencies as places in the plan.
pub(super) fn resolve(plan: &[ChildPlan]) -> Result<Vec<Vec<usize>>, PlanError> {
    let mut resolved = Vec::with_capacity(plan.len());
    for (index, child) in plan.iter().enumerate() {
        if plan[..index].iter().any(|earlier| earlier.name == child.name) {
            return Err(PlanError::Duplicate { name: child.name });
        }
        let mut needs = Vec::with_capacity(child.depends_on.len());
        for &on in &child.depends_on {
            let Some(place) = plan.iter().position(|other| other.name == on) else {
                return Err(PlanError::Unknown { name: child.name, on });
            };
            if plan[place].rank >= child.rank {
                return Err(PlanError::Upward { name: child.name, on });
            }
            needs.push(place);
        }
        resolved.push(needs);
    }
    Ok(resolved)
}
