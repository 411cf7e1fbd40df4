//! Integration tests of the kit: one binary, one module per promise.

mod asks;
mod flood;
mod hang;
mod panics;
mod shutdown;
mod stale;
mod subject;
mod timers;
