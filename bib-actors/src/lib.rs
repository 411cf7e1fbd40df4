//! The BIB node: root actor, composition root, configuration, and the `bibd` daemon.
//!
//! [`Node::start`] puts the actors together and starts them under the root; nothing else in the tree knows all of them.
//! See `ARCHITECTURE.md` for the map.

pub mod config;
pub mod daemon;
mod data_dir;
pub mod logging;
mod node;
mod notify;
pub mod quick_copies;
pub mod root;
mod vigil;

pub use data_dir::{DataDir, DataDirError};
pub use node::{Node, NodeError};
