//! What to do when an actor fails: the restart policy as data, and the decisions as a pure state machine.
//!
//! Nothing here starts, stops or waits for anything: the root actor feeds events in and carries the commands out.

pub mod event;
pub mod machine;
pub mod plan;
pub mod policy;
#[cfg(test)]
mod tests;

pub use event::{Command, Ending, Event, Verdict};
pub use machine::{Phase, Supervision};
pub use plan::{ChildPlan, Limits, PlanError};
pub use policy::{Backoff, Beyond, Restart, RestartPolicy, Window};
