//! The swarm over real sockets on the loopback interface, one module a concern.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dialing;
mod discovery;
mod hostile;
mod identity;
mod limits;
mod pairing;
mod restart;
mod silence;
mod streams;
mod support;
mod throughput;
