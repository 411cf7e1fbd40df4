//! The audit chain: an append-only log of who did what, in files, written ahead.
//!
//! Owns the directory `audit/` of a node: it alone writes there, and the files are the only source of truth; the table
//! in the database is an index made from its events. One writer gives each record its place, binds it to the one before
//! by a hash, and answers when it is durable. It never changes or drops a record, never stores a parameter's value, and
//! never goes on after a failed write: its actor fails and opens the log anew. It knows nothing of who asks.
//!
//! Format, files and guarantees: `docs/reference/audit-log.md`.

mod actor;
pub mod bench;
mod clock;
mod draft;
mod error;
pub mod format;
mod handle;
mod handlers;
mod log;
mod messages;
mod options;
mod outcome;
mod params;
mod queue;
mod read;
mod record;
mod sequencer;
mod storage;
mod writer;

pub use actor::{AuditActor, AuditChain};
pub use draft::AuditDraft;
pub use error::AuditError;
pub use handle::{AuditAppended, AuditHandle, Pending, Receipt, Unsettled};
pub use log::Head;
pub use options::AuditOptions;
pub use outcome::Outcome;
pub use params::ParamKey;
pub use read::{AuditVerdict, ListFilter};
pub use record::AuditRecord;
pub use storage::{AuditFile, AuditFs, DiskFs};

/// The name of the audit chain in health, logs, errors and dependencies.
pub const NAME: &str = "audit";
