//! The root actor: it starts the children, watches them, restarts them and stops them in order.
//!
//! What is to be done is decided by `bib_domain::supervision`; the root only carries it out and keeps the health board.
//! It is asked by no other actor and takes part in no request, so nothing but the node's life depends on it. A failure of
//! the root itself ends the process.

mod actor;
pub mod bench;
mod builder;
mod handle;
mod options;
mod reason;
#[cfg(test)]
mod tests;

pub use actor::Root;
pub use builder::RootBuilder;
pub use handle::RootHandle;
pub use options::RootOptions;
pub use reason::ExitReason;
