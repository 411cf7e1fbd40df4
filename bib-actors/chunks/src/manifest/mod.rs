//! The manifest: what a version contains, and the proof of who published it.
//!
//! A manifest has one encoding. Its SHA-256 is the version's name, so whatever can be written in two ways is refused
//! in all but one of them.

mod content;
mod decode;
mod encode;
mod entry;
mod signed;
mod table;

pub use content::check_content;
pub use entry::{ChunkRef, Entry, EntryKind, Segment};
pub use signed::SignedManifest;
pub use table::{Column, ColumnType, TableSchema};

use crate::{ManifestError, ManifestLimits};
use bib_domain::VersionId;
use sha2::{Digest, Sha256};

/// The first element of an encoded manifest: its format.
pub const FORMAT: &str = "bib-manifest/1";

/// The highest number of a version: every reader of JSON keeps it exactly.
const NUMBER_MAX: u64 = 1 << 53;

/// What a version contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The dataset, as `topic/name`.
    pub dataset: String,
    /// The version's number in its dataset, from 1.
    pub number: u64,
    /// When it was made, in Unix milliseconds, by its publisher's clock.
    pub created_ms: i64,
    /// What its maker says about it.
    pub message: String,
    /// The versions on which it is built.
    pub parents: Vec<VersionId>,
    /// The publisher's Ed25519 public key.
    pub publisher: [u8; 32],
    /// The chunks, each once, in the order in which the entries first need them.
    pub chunks: Vec<ChunkRef>,
    /// Files, directories and links, sorted by the bytes of their paths.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// The canonical bytes: CBOR, arrays only, shortest forms.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode::manifest(self)
    }

    /// Reads canonical bytes, within the default limits.
    ///
    /// # Errors
    /// [`ManifestError`] when the bytes are anything but what [`Self::encode`] makes of a sound manifest.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        Self::decode_within(bytes, &ManifestLimits::default())
    }

    /// Reads canonical bytes, within `limits`.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_within(bytes: &[u8], limits: &ManifestLimits) -> Result<Self, ManifestError> {
        if bytes.len() > limits.bytes {
            return Err(ManifestError::Limit { what: "bytes", limit: limits.bytes as u64 });
        }
        let manifest = decode::manifest(bytes, limits)?;
        manifest.check(limits)?;
        if manifest.encode() == bytes { Ok(manifest) } else { Err(ManifestError::NotCanonical) }
    }

    /// Checks everything that the encoding alone does not say: names, order, and that segments fit their chunks.
    ///
    /// # Errors
    /// [`ManifestError`] for the first thing that is wrong.
    pub fn check(&self, limits: &ManifestLimits) -> Result<(), ManifestError> {
        if let Err(error) = self.dataset.parse::<bib_domain::DatasetRef>() {
            return Err(ManifestError::Contents { path: "dataset".to_owned(), detail: error.to_string() });
        }
        for (what, count, limit) in
            [("bytes in its message", self.message.len(), limits.text), ("parents", self.parents.len(), limits.parents)]
        {
            if count > limit {
                return Err(ManifestError::Limit { what, limit: limit as u64 });
            }
        }
        check_content(&self.entries, &self.chunks, limits)
    }

    /// Checks what nothing that is kept already is refused for: a number that later versions can go on from, and a message
    /// that is a text.
    ///
    /// # Errors
    /// [`ManifestError`] for the first thing that is wrong.
    pub fn check_new(&self) -> Result<(), ManifestError> {
        if self.number == 0 || self.number > NUMBER_MAX {
            let detail = format!("{} is no number of a version: they go from 1 to {NUMBER_MAX}", self.number);
            return Err(ManifestError::Contents { path: "number".to_owned(), detail });
        }
        if self.message.chars().any(|c| c.is_control() && c != '\n') {
            let detail = "it has control characters other than ends of lines".to_owned();
            return Err(ManifestError::Contents { path: "message".to_owned(), detail });
        }
        Ok(())
    }

    /// The version's name: SHA-256 of [`Self::encode`].
    #[must_use]
    pub fn id(&self) -> VersionId {
        VersionId::from_bytes(Sha256::digest(self.encode()).into())
    }

    /// The entry with this path.
    #[must_use]
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|entry| entry.path.as_bytes().cmp(path.as_bytes())).ok()?;
        self.entries.get(at)
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.entries.iter().map(Entry::size).sum()
    }

    /// Bytes of all chunks together: less than [`Self::file_bytes`] when files share content.
    #[must_use]
    pub fn chunk_bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.len)).sum()
    }
}
