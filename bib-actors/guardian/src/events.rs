//! What the guardian tells the node when the catalogue changes. Events are hints: who misses some reads the catalogue.

use bib_domain::{DatasetRef, TopicName, VersionId};

/// A version was stored, or became whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPublished {
    /// Its dataset.
    pub dataset: DatasetRef,
    /// Its id.
    pub version: VersionId,
    /// Whether this node signed it.
    pub local: bool,
    /// Whether every chunk is on this node.
    pub complete: bool,
}

/// A peer was added, changed, blamed or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeersChanged;

/// A topic was subscribed to or left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionsChanged {
    /// The topic.
    pub topic: TopicName,
    /// Whether this node is subscribed to it now.
    pub subscribed: bool,
}
