//! A paired node as this one knows it.

use bib_domain::NodeId;

/// A paired node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRow {
    /// Its id.
    pub node_id: NodeId,
    /// Its name for people.
    pub name: String,
    /// `full`, `selective`, `proxy`, or empty if not known.
    pub mode: String,
    /// `postgres`, `sqlite`, or empty if not known.
    pub storage: String,
    /// Multiaddresses at which it was reached or said to be.
    pub addresses: Vec<String>,
    /// Whether this node takes its catalogue from it.
    pub base: bool,
    /// Why it was blamed; empty if it was not.
    pub blamed: String,
    /// When it was last seen, Unix milliseconds; 0 if never.
    pub last_seen_ms: i64,
    /// Up to which position of its catalogue this node has read.
    pub sync_cursor: u64,
}
