//! What this node asks of others about their catalogues, what it tells them about its own, and single good chunks.

mod announce;
mod asking;
mod catalog;
mod demand;
mod find;
mod list;
mod manifest;
mod repair;
mod session;
mod tally;

pub(crate) use announce::announce;
pub(crate) use asking::Places;
pub(crate) use catalog::{SyncOutcome, sync};
pub(crate) use demand::demand;
pub use find::Found;
pub(crate) use find::find;
pub(crate) use list::{datasets, topics, versions};
pub(crate) use repair::repair;
pub(crate) use session::Session;
