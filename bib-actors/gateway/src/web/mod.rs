//! The pages' actor: a child of its own beside the gateway, so that either can fail and start again alone.
//!
//! It owns the listener of the pages and of `/livez` and `/readyz`. It asks nobody: what the pages show they fetch
//! through the API like any other client, over a connection within the process that [`Door`] gives.

mod actor;
mod announced;
mod calls;
mod door;
mod handle;
mod options;
mod tls;

pub use actor::{NAME, PagesActor, child, spec};
pub use announced::Announced;
pub(crate) use calls::Calls;
pub use door::Door;
pub(crate) use door::Opening;
pub use handle::PagesHandle;
pub use options::PagesOptions;
