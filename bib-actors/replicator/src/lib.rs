//! The replicator: which versions this node still needs, from whom it takes them, and what it gives to others.
//!
//! What it owns: pairing by ticket, the catalogue exchange and the chunk transfers between paired nodes. What it never
//! does: keep a chunk that was not checked against its name, call a version whole before its chunks are synced, believe
//! a peer about bytes, serve anything to a node that is not paired, or serve anything at all from untrusted storage.
//!
//! Versions that this node does not follow are found and read piece by piece when somebody asks for them: see
//! [`ReplicatorHandle::find`] and [`ReplicatorHandle::fetch`].
//!
//! Restarts: its state is a cache of the guardian's. Versions that were begun are recorded there as incomplete, and
//! their chunks are verified on the disk, so a new incarnation fetches only what is missing, also after `kill -9`.
//! Every task belongs to one incarnation and dies with it.

mod actor;
mod answers;
mod driver;
mod error;
mod fetch;
mod frame;
mod handle;
mod handlers;
mod messages;
mod options;
mod pairing;
mod report;
mod serve;
mod shape;
mod shared;
mod transfer;
mod wire;

pub use actor::{NAME, Replicator, ReplicatorDeps, child, spec};
pub use error::ReplicatorError;
pub use fetch::Found;
pub use frame::{FrameError, read_frame, write_frame};
pub use handle::ReplicatorHandle;
pub use options::{InviteKey, ReplicatorOptions};
pub use pairing::Invite;
pub use report::{TransferRow, TransferState};
