//! Tests of the command line as a whole; nothing here needs a node.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod errors;
mod keys;
mod own_files;
mod program;
mod reference;
mod tree;
