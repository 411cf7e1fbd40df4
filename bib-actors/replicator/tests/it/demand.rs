//! Versions that nobody subscribed to: found by name at the connected peers, and fetched chunk by chunk.

use crate::support::{Fake, Manner, Node, Storage, Version, eventually, run, version};
use bib_chunks::ChunkRef;
use bib_domain::NodeMode::Selective;
use bib_domain::{DatasetRef, VersionId};
use bib_replicator::{Found, ReplicatorError};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

fn dataset() -> DatasetRef {
    "t/d".parse().unwrap()
}

async fn joined(peers: &[&Fake]) -> Node {
    let node = Node::start(1, Storage::Sqlite, Selective).await;
    for peer in peers {
        peer.join(&node).await;
    }
    let all = peers.len();
    eventually("all are connected", || async { node.swarm.peers().await.unwrap().len() == all }).await;
    eventually("all catalogues were read", || async { node.replicator.catalogs().await.unwrap().len() == all }).await;
    node
}

async fn fetch(node: &Node, id: VersionId, chunks: &[ChunkRef], within: Duration) -> Result<u64, ReplicatorError> {
    node.replicator.fetch(&dataset(), id, chunks.to_vec(), within).await
}

fn bytes(chunks: &[ChunkRef]) -> u64 {
    chunks.iter().map(|chunk| u64::from(chunk.len)).sum()
}

#[test]
fn a_part_comes_first_and_a_subscription_brings_the_rest() {
    run(async {
        let (old, good) = (version("t/d", 1, 300_000, 7), version("t/d", 2, 2_000_000, 7));
        let peer = Fake::start(8, Manner::Honest, &[&old, &good]).await;
        let node = joined(&[&peer]).await;
        let id = good.signed.id();
        assert!(node.version("t/d", id).await.is_none(), "it was not subscribed to");
        assert_eq!(node.replicator.find(&dataset(), "").await.unwrap(), Found::Version(id), "the latest");
        assert_eq!(node.replicator.find(&dataset(), "1").await.unwrap(), Found::Version(old.signed.id()));
        assert_eq!(node.replicator.find(&dataset(), "3").await.unwrap(), Found::Nobody { asked: 1 });
        assert!(!node.version("t/d", id).await.unwrap().complete);
        assert_eq!(peer.sent(), 0, "a manifest is no chunk");

        let chunks = &good.signed.manifest().chunks;
        let some = &chunks[3..6];
        assert_eq!(fetch(&node, id, some, SOON).await.unwrap(), bytes(some));
        let here: Vec<ChunkRef> = chunks.iter().filter(|chunk| node.chunks.contains(&chunk.hash)).copied().collect();
        assert_eq!(here, some, "these and no others");

        node.subscribe("t").await;
        node.gets("t/d", id).await;
        node.gets("t/d", old.signed.id()).await;
        let all = chunks.len() + old.signed.manifest().chunks.len();
        assert_eq!((peer.sent(), peer.sent_names().len()), (all, all), "nothing came twice");
    });
}

#[test]
fn a_liar_is_blamed_and_the_honest_one_gives() {
    run(async {
        let good = version("t/d", 1, 4_000_000, 7);
        let liar = Fake::start(8, Manner::WrongBytes, &[&good]).await;
        let honest = Fake::start(9, Manner::Honest, &[&good]).await;
        let node = joined(&[&liar, &honest]).await;
        let id = good.signed.id();
        assert_eq!(node.replicator.find(&dataset(), "").await.unwrap(), Found::Version(id));
        let chunks = &good.signed.manifest().chunks;
        assert!(fetch(&node, id, chunks, SOON).await.unwrap() >= bytes(chunks));
        assert!(chunks.iter().all(|chunk| node.chunks.contains(&chunk.hash)));
        eventually("the liar is blamed or was never used", || async {
            let asked = liar.library.asked.lock().unwrap().len();
            asked == 0 || node.blamed(&liar.id).await.contains("sent bytes with the name")
        })
        .await;
        assert!(node.blamed(&honest.id).await.is_empty());
    });
}

async fn lies_about_a_manifest(manner: Manner, expected: &str) {
    let (good, other) = (version("t/d", 1, 300_000, 7), version("t/e", 1, 1000, 7));
    let liar = Fake::start(8, manner, &[&good, &other]).await;
    let node = joined(&[&liar]).await;
    let error = node.replicator.find(&dataset(), "").await.unwrap_err();
    assert!(matches!(error, ReplicatorError::Lied { .. }), "{error}");
    eventually("it is blamed", || async { node.blamed(&liar.id).await.contains(expected) }).await;
    assert!(node.version("t/d", good.signed.id()).await.is_none(), "nothing of it is believed");
}

#[test]
fn a_broken_manifest_is_a_lie() {
    run(lies_about_a_manifest(Manner::BrokenManifest, "is none"));
}

#[test]
fn another_manifest_is_a_lie() {
    run(lies_about_a_manifest(Manner::OtherManifest, "sent the manifest of"));
}

#[test]
fn a_wrong_number_is_a_lie() {
    run(lies_about_a_manifest(Manner::OtherNumber, "as number 2, and it is number 1"));
}

async fn fails(manner: Manner, within: Duration) -> ReplicatorError {
    let good: Version = version("t/d", 1, 300_000, 7);
    let peer = Fake::start(8, manner, &[&good]).await;
    let node = joined(&[&peer]).await;
    let id = good.signed.id();
    assert_eq!(node.replicator.find(&dataset(), "").await.unwrap(), Found::Version(id));
    let error = fetch(&node, id, &good.signed.manifest().chunks, within).await.unwrap_err();
    assert!(node.blamed(&peer.id).await.is_empty(), "that is no lie");
    error
}

#[test]
fn a_failure_has_a_reason() {
    run(async {
        let error = fails(Manner::Empty, SOON).await;
        assert!(matches!(error, ReplicatorError::Unfetched { .. }), "{error}");
        let error = fails(Manner::Silent, Duration::from_millis(300)).await;
        assert!(matches!(error, ReplicatorError::Late), "{error}");
        let node = joined(&[]).await;
        assert_eq!(node.replicator.find(&dataset(), "").await.unwrap(), Found::Unconnected { paired: 0 });
        let good = version("t/d", 1, 300_000, 7);
        let error = fetch(&node, good.signed.id(), &good.signed.manifest().chunks, SOON).await.unwrap_err();
        assert!(matches!(error, ReplicatorError::Alone), "{error}");
    });
}

/// The same chunk with a length that its bytes do not have.
fn mislabelled(chunk: &ChunkRef) -> ChunkRef {
    ChunkRef { len: chunk.len + 1, ..*chunk }
}

#[test]
fn only_a_holder_can_lie_about_a_length() {
    run(async {
        let (good, other) = (version("t/d", 1, 300_000, 7), version("t/d", 2, 300_000, 7));
        let peer = Fake::start(8, Manner::Honest, &[&good]).await;
        let node = joined(&[&peer]).await;
        let chunks = &good.signed.manifest().chunks;

        // a version that it never had names one of its chunks, and a length of somebody's own
        let named = [mislabelled(&chunks[1]), chunks[2], chunks[3]];
        let error = fetch(&node, other.signed.id(), &named, SOON).await.unwrap_err();
        assert!(matches!(error, ReplicatorError::Unfetched { .. }), "{error}");
        assert!(peer.was_asked(&chunks[1].hash));
        let here = |chunk: &ChunkRef| node.chunks.contains(&chunk.hash);
        assert!(!here(&chunks[1]) && here(&chunks[2]) && here(&chunks[3]), "what follows on the stream is read");
        let error = fetch(&node, other.signed.id(), &named[..1], SOON).await.unwrap_err();
        assert!(matches!(error, ReplicatorError::Unfetched { .. }), "{error}");
        assert!(node.blamed(&peer.id).await.is_empty(), "that is no lie");

        // one that says that it has the version whole has compared its bytes with that length
        fetch(&node, good.signed.id(), &[mislabelled(&chunks[4])], SOON).await.unwrap_err();
        eventually("it is blamed", || async { node.blamed(&peer.id).await.contains("sent a header") }).await;
    });
}

#[test]
fn a_chunk_that_nobody_could_keep_is_asked_of_nobody() {
    run(async {
        let good = version("t/d", 1, 300_000, 7);
        let peer = Fake::start(8, Manner::Honest, &[&good]).await;
        let node = joined(&[&peer]).await;
        let huge = ChunkRef { len: u32::MAX, ..good.signed.manifest().chunks[0] };
        let error = fetch(&node, good.signed.id(), &[huge], SOON).await.unwrap_err();
        assert!(error.to_string().contains("its publisher signed"), "{error}");
        assert!(!peer.was_asked(&huge.hash) && node.blamed(&peer.id).await.is_empty());
    });
}
