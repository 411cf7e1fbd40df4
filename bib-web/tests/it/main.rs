//! The web server over a real socket, without a node behind it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guard;
mod server;
mod support;
