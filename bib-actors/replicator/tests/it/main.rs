//! The replicator over real swarms, real guardians and real chunk stores, on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounds;
mod chain;
mod demand;
mod following;
mod hostile;
mod liars;
mod pairing;
mod partial;
mod questions;
mod resume;
mod several;
mod shares;
mod slow;
mod support;
mod throughput;
