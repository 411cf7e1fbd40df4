//! bib-chunks: chunking, the content-addressed store, manifests.
//!
//! A library, not an actor: synchronous and blocking, so call it from a blocking thread. It knows no network, no
//! database and no clock. What it promises:
//!
//! * A chunk is named by the SHA-256 of its bytes. It gets its name only after its bytes are on the disk, and is
//!   acknowledged only after the name is on the disk too ([`Batch::commit`], [`VersionWriter::finish`]).
//! * Bytes that leave the store have been hashed and match their name. Bytes that do not match are moved to
//!   quarantine and reported, never served.
//! * Bytes that are put in and are here already are compared with what is here. What decayed on the disk is replaced.
//! * A version is named by the SHA-256 of its canonical manifest, which its publisher signed; what is read from
//!   outside is refused unless it is exactly what our own encoder would have written.
//! * Memory grows with the number of entries and chunks of a version, never with the size of its files.

pub mod bench;
pub mod error;
pub mod fs;
pub mod ingest;
pub mod manifest;
pub mod options;
pub mod sweep;

mod ahead;
mod batch;
mod buffers;
mod check;
mod commit;
mod direct;
mod hold;
mod hurt;
mod layout;
mod present;
mod range;
mod reader;
mod serve;
mod shelf;
mod stats;
mod store;
mod temp;
mod verified;
mod verify;
mod warm;

pub use batch::{Batch, BatchReport, PutOutcome};
pub use buffers::{Buffer, Buffers};
pub use error::{ChunkError, ManifestError};
pub use hold::Hold;
pub use ingest::{Content, VersionWriter};
pub use manifest::{
    ChunkRef, Column, ColumnType, Entry, EntryKind, Manifest, Segment, SignedManifest, TableSchema, check_content,
};
pub use options::{IngestOptions, ManifestLimits, StoreOptions, VerifyOptions};
pub use reader::{FileReader, Piece};
pub use stats::StoreStats;
pub use store::{ChunkStore, name_of as hash_of};
pub use sweep::{Sweep, SweepOwner, SweepReport};
pub use verify::{Damage, DamageKind, Progress, VerifyReport, verify_version, verify_version_with};
