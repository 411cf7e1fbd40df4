//! One page of the catalogue, for peers.

use super::{Topic, VersionRow};

/// What came into the catalogue after a position, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogPage {
    /// Topics of this part of the catalogue, and those of the versions below.
    pub topics: Vec<Topic>,
    /// Versions that are whole on this node.
    pub versions: Vec<VersionRow>,
    /// Position to go on from.
    pub next: u64,
    /// Whether there is more after it.
    pub more: bool,
}
