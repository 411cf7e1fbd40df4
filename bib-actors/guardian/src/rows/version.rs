//! A version of a dataset as the catalogue knows it, and the answer to a publication.

use crate::recall::Weigh;
use bib_domain::{DatasetRef, VersionId};

/// One immutable version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// SHA-256 of its manifest.
    pub id: VersionId,
    /// The dataset it belongs to.
    pub dataset: DatasetRef,
    /// Its number within the dataset, from 1, given by its publisher.
    pub number: u64,
    /// What its publisher says about it.
    pub message: String,
    /// The Ed25519 public key that signed it.
    pub publisher: [u8; 32],
    /// When it was made, Unix milliseconds, by its publisher's clock.
    pub created_ms: i64,
    /// The versions it was made from.
    pub parents: Vec<VersionId>,
    /// How many files it has.
    pub files: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// How many chunks hold them.
    pub chunks: u64,
    /// Rows of all tables in it whose rows are counted.
    pub rows: u64,
    /// Whether every chunk is on this node.
    pub complete: bool,
    /// When the last chunk arrived here, Unix milliseconds; 0 while incomplete.
    pub completed_ms: i64,
    /// Its place among all entries of this node's catalogue; 0 while incomplete.
    pub position: u64,
    /// Bytes of its signed manifest.
    pub manifest_bytes: u64,
    /// Place of the audit record that was durable before it was stored.
    pub audit_seq: u64,
}

impl Weigh for VersionRow {
    fn heap_bytes(&self) -> usize {
        let names = self.dataset.topic.as_str().len() + self.dataset.name.as_str().len();
        names + self.message.capacity() + self.parents.capacity() * size_of::<VersionId>()
    }
}

/// What is known of a version's chunks when it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionState {
    /// Whether every chunk is durable in this node's store.
    pub complete: bool,
}

/// The answer to a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The version as it is stored.
    pub version: VersionRow,
    /// False when it was there before this request.
    pub created: bool,
    /// Place of the audit record that was durable before it was stored; its outcome carries the same operation id.
    pub audit_seq: u64,
}
