//! Integration tests of the guardian: one binary, one module per promise. The tests of the catalogue run on both
//! databases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod catalog;
mod grants;
mod kills;
mod lifecycle;
mod limited;
mod panics;
mod people;
mod recall;
mod retries;
mod support;
mod unnamed;
