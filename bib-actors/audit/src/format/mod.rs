//! The record format BIB-AUDIT/1: constants, canonical encoding, strict decoding, leaf hashes.
//!
//! Pure functions of bytes. Nothing here opens a file, reads a clock or draws a random number.

mod decode;
mod encode;
mod items;
mod leaf;
mod text;

pub use decode::{FormatError, RecordView};
pub use encode::encode_record;
pub use leaf::{Hash, ZERO_HASH, leaf_hash};
pub(crate) use text::{tidy, tidy_pairs};

/// The version that stands first in every record.
pub const RECORD_VERSION: u64 = 1;

/// How many elements the record's array has, always.
pub const RECORD_FIELDS: u64 = 24;

/// The longest record in bytes: its length is written with two bytes, here and in the entry bundles of C2SP tlog-tiles.
pub const RECORD_MAX_BYTES: usize = 65_535;

/// Set in `clock_flags` when the wall clock stands before that of the record before.
pub const CLOCK_WENT_BACK: u64 = 1;

/// Set in `clock_flags` on the first record after the log was opened: the monotonic clock counts from there anew.
pub const CLOCK_RESTARTED: u64 = 2;

/// Bits of `clock_flags` that have a meaning.
pub const CLOCK_FLAGS_KNOWN: u64 = CLOCK_WENT_BACK | CLOCK_RESTARTED;

/// The bounds of a record's fields, in bytes of UTF-8 or in elements. Their sum, with every head, stays below
/// [`RECORD_MAX_BYTES`], so that an encoded record never has to be refused; a test holds this.
pub(crate) mod bound {
    pub(crate) const ACTOR: usize = 512;
    pub(crate) const JOB_ID: usize = 256;
    pub(crate) const ROLE: usize = 128;
    pub(crate) const ACTION: usize = 256;
    pub(crate) const OBJECT: usize = 8_192;
    pub(crate) const FINGERPRINT: usize = 4_096;
    pub(crate) const COMPONENT: usize = 128;
    pub(crate) const PARAMS: usize = 64;
    pub(crate) const PARAM_NAME: usize = 160;
    pub(crate) const METADATA: usize = 64;
    pub(crate) const METADATA_NAME: usize = 96;
    pub(crate) const METADATA_VALUE: usize = 384;
}
