//! What to do when an actor fails: the restart policy as data, and the decisions as a pure state machine.
//!
//! Nothing here starts, stops or waits for anything: the root actor feeds events in and carries the commands out.

pub mod policy;

pub use policy::{Backoff, Beyond, Restart, RestartPolicy, Window};
