//! A guardian under test: a data directory, the audit chain beneath it, and what tests put in.

mod flaky;
mod node;
mod secrets;
mod server;

pub(crate) use flaky::{Fail, FlakyLedger};
pub(crate) use node::{Backend, Home, Node};
pub(crate) use secrets::passwords;
pub(crate) use server::{connect, postmaster_pid, query};

use bib_chunks::{Entry, EntryKind, Manifest, SignedManifest};
use bib_domain::{ContentHash, NodeId, OpContext, TopicName, VersionId};
use bib_guardian::NewTopic;
use bib_kit::clock;
use ed25519_dalek::SigningKey;
use std::sync::Arc;
use std::time::Duration;

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A node id that ends in these characters.
pub(crate) fn node_id(end: &str) -> NodeId {
    format!("12D3KooW{}{end}", "x".repeat(44 - end.len())).parse().unwrap()
}

/// The key of the node under test.
pub(crate) fn own_key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

/// The key of another node.
pub(crate) fn other_key() -> SigningKey {
    SigningKey::from_bytes(&[2; 32])
}

/// An operation of somebody, with a new request id.
pub(crate) fn op() -> OpContext {
    OpContext::node(clock::new_request_id(), "test")
}

pub(crate) fn topic(name: &str) -> TopicName {
    name.parse().unwrap()
}

pub(crate) fn new_topic(name: &str) -> NewTopic {
    NewTopic {
        name: topic(name),
        description: format!("about {name}"),
        owner: node_id("a"),
        created_ms: 1_790_000_000_000,
        if_not_exists: false,
    }
}

/// A version without chunks: one empty file and one directory.
pub(crate) fn manifest(dataset: &str, number: u64, parents: &[VersionId], key: &SigningKey) -> Arc<SignedManifest> {
    let empty = ContentHash::from_slice(
        &hex::decode("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855").unwrap(),
    )
    .unwrap();
    let file = EntryKind::File {
        size: 0,
        content: empty,
        segments: Vec::new(),
        media_type: "text/plain".to_owned(),
        schema: None,
    };
    let entries = vec![
        Entry { path: "docs".to_owned(), mode: 0o755, kind: EntryKind::Directory },
        Entry { path: "docs/empty.txt".to_owned(), mode: 0o644, kind: file },
    ];
    let manifest = Manifest {
        dataset: dataset.to_owned(),
        number,
        created_ms: 1_790_000_000_000 + i64::try_from(number).unwrap(),
        message: format!("version {number}"),
        parents: parents.to_vec(),
        publisher: [0; 32],
        chunks: Vec::new(),
        entries,
    };
    Arc::new(SignedManifest::sign(manifest, key).unwrap())
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let begun = clock::monotonic();
    while !so().await {
        assert!(clock::since(begun) < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
