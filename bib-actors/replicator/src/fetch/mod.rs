//! What this node asks of others about their catalogues, what it tells them about its own, and single good chunks.

mod announce;
mod catalog;
mod repair;
mod session;

pub(crate) use announce::announce;
pub(crate) use catalog::{SyncOutcome, sync};
pub(crate) use repair::repair;
pub(crate) use session::Session;
