//! A dataset as the catalogue knows it.

use super::VersionRow;
use crate::recall::Weigh;
use bib_domain::DatasetRef;

/// A dataset with its latest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetRow {
    /// `topic/name`.
    pub name: DatasetRef,
    /// The latest version that is whole on this node, or the latest one if none is.
    pub latest: Option<VersionRow>,
    /// How many versions are known.
    pub versions: u64,
    /// The highest number of any version, whole or not: the next local version takes the one after it.
    pub highest_number: u64,
    /// When this node first heard of it, Unix milliseconds.
    pub created_ms: i64,
    /// When this node last got a version of it, Unix milliseconds.
    pub updated_ms: i64,
}

impl Weigh for DatasetRow {
    fn heap_bytes(&self) -> usize {
        self.name.topic.as_str().len() + self.name.name.as_str().len() + self.latest.heap_bytes()
    }
}
