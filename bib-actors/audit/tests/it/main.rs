//! The audit chain from outside: its format, its files, its faults.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod canonical;
mod crashes;
mod faulty;
mod files;
mod full;
mod group;
mod log;
mod panics;
mod python;
mod secrets;
mod splices;
mod support;
mod tamper;
mod torn;
mod unsettled;
mod vectors;
