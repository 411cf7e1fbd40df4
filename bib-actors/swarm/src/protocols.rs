//! Names of the protocols that BIB nodes speak on streams. Never says what is in them.

/// Pairing: the only protocol that an unpaired node may open.
pub const PAIR: &str = "/bib/pair/1.0.0";
/// The catalogue: what a node has, and announcements.
pub const SYNC: &str = "/bib/sync/1.0.0";
/// Chunks, on streams of their own.
pub const DATA: &str = "/bib/data/1.0.0";

/// What identify says that this is; both sides only log it.
pub(crate) const IDENTIFY: &str = "/bib/id/1.0.0";

/// Program and version, as identify tells them to others.
pub(crate) const AGENT: &str = concat!("bib/", env!("CARGO_PKG_VERSION"));
