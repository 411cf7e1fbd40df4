//! The audit chain from outside: its format, its files, its faults.

mod canonical;
mod crashes;
mod faulty;
mod files;
mod group;
mod log;
mod panics;
mod python;
mod secrets;
mod support;
mod tamper;
mod torn;
mod vectors;
