//! Whole nodes under fire: real processes, real faults, and a count of what was acknowledged and is not there.
//!
//! Each scenario runs as often as its extent says and answers with one [`Row`]: runs, runs in which nothing happened
//! that could have been lost, and violations. Every run follows from its seed, which the row carries. Each scenario
//! also breaks a promise on purpose at its end, and counts it as a violation when its own checks do not see that.

mod census;
mod clients;
mod dice;
mod flood;
mod ledger;
mod liar;
mod nodes;
mod outcomes;
mod report;
mod room;
pub mod scenarios;
mod setting;
mod tracer;
mod watch;

pub use report::{Row, table, write_report};
pub use setting::{Extent, Setting};
