//! The storage guardian: the managed PostgreSQL or the limited SQLite, the catalogue, people, peers, and the audit
//! table as an index of the audit log.
//!
//! Contract: a mutation is answered when its intent and its transaction are durable, and not otherwise. The intent is
//! recorded before the transaction, the outcome after it: durable before the answer, or taken by the log where the
//! transaction itself says what became of the request. Every mutation is idempotent by its request id.
//! Killing the guardian at any moment loses nothing that was answered; a new incarnation adopts the running database.
//!
//! It never opens a TCP port, never lets anybody but itself into the database, never writes a credential into a log,
//! and never reads or writes bytes of chunks.

mod actor;
mod agreed;
mod audited;
mod ballast;
mod continuity;
mod core;
mod credentials;
mod database;
mod error;
mod events;
mod files;
mod filesystem;
mod handle;
mod handlers;
mod index;
mod ledger;
mod manifests;
mod messages;
mod migrations;
mod ops;
mod options;
mod orphans;
mod passing;
mod postgres;
mod process;
mod recall;
mod rows;
mod runtime;
mod seal;
mod settle;
mod setup;
mod space;
mod sqlite;

pub use actor::{Guardian, NAME, StorageGuardian, shut_down};
pub use agreed::Agreed;
pub use error::{GuardianError, InviteError};
pub use events::{PeersChanged, SubscriptionsChanged, VersionPublished};
pub use filesystem::refuse_file_system;
pub use handle::GuardianHandle;
pub use ledger::Ledger;
pub use options::{DatabaseRuntime, GuardianOptions, IndexPace, OrphanOptions, PoolSizes, SealKey, SpaceOptions};
pub use passing::passes;
pub use rows::{
    AuditIndexStatus, CatalogPage, Counts, DatasetRow, NewTopic, PeerRow, Published, SessionRow, StorageInfo, Topic,
    UserRow, VersionRow, VersionState,
};
pub use space::Space;
