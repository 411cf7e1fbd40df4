//! Whole nodes as processes, for the demo, the benchmarks and the end-to-end tests.
//!
//! Everything here goes through the programs that users run: `bibd` and `bib`. Nothing of the node is linked.

mod actors;
mod deeds;
pub mod demo;
pub mod faults;
mod lab;
mod node;
mod outcome;
mod ports;
mod wait;

pub use actors::{ACTORS, ROOT, dependents};
pub use deeds::{chunk_files, has, pair};
pub use lab::Lab;
pub use node::{Node, NodeSpec};
pub use outcome::Outcome;
pub use ports::free_port;
pub use wait::{interrupt, is_interrupted, until, until_some};
