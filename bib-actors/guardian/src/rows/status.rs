//! What the guardian tells about itself.

use bib_domain::StorageKind;

/// Where the metadata is kept and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageInfo {
    /// PostgreSQL or SQLite.
    pub kind: StorageKind,
    /// `process` or `sqlite`.
    pub runtime: &'static str,
    /// Version of the database program.
    pub version: String,
    /// What the storage cannot do and why, empty if nothing is missing.
    pub notice: String,
}

/// How much there is in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Topics.
    pub topics: u64,
    /// Datasets.
    pub datasets: u64,
    /// Versions, whole or not.
    pub versions: u64,
    /// Paired nodes.
    pub peers: u64,
}

/// How far the audit table follows the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditIndexStatus {
    /// Position of the last record in the table; `None` while it is empty.
    pub indexed_to: Option<u64>,
    /// How many records the table has.
    pub records: u64,
    /// Whether the table has every record up to `indexed_to` and its last hash is the log's.
    pub ok: bool,
}
