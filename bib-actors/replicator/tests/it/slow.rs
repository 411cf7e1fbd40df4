//! Manifests over a slow line: they take as long as they must while they go on, and nothing waits for one that does not.

use crate::support::{Fake, Manner, Node, Storage, eventually, run, version, wide};
use bib_domain::NodeMode::Selective;
use bib_domain::VersionId;
use bib_domain::backoff::Backoff;
use std::time::Duration;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);
/// So many files that a manifest is sent in more than twenty pieces.
const FILES: usize = 3500;

async fn node() -> Node {
    let node = Node::with(1, Storage::Sqlite, Selective, |options| {
        options.answer_deadline = Duration::from_secs(1);
        options.answer_rate = 1024;
        options.reading.passed_over = Backoff { first: Duration::from_millis(50), max: Duration::from_millis(200) };
    })
    .await;
    node.topic("t").await;
    node.subscribe("t").await;
    node
}

fn slow(peer: &Fake, id: VersionId, pause: Duration) {
    peer.library.slow.lock().unwrap().insert(id, pause);
}

#[test]
fn a_manifest_may_take_longer_than_one_piece_of_it() {
    run(async {
        let (long, next) = (wide("t/a", 1, FILES, 7), version("t/b", 1, 50_000, 7));
        assert!(long.signed.bytes().len() > 20 * (32 << 10));
        let peer = Fake::start(9, Manner::Honest, &[&long, &next]).await;
        slow(&peer, long.signed.id(), Duration::from_millis(100));
        let node = node().await;
        peer.join(&node).await;
        node.gets("t/a", long.signed.id()).await;
        node.gets("t/b", next.signed.id()).await;
        assert!(node.blamed(&peer.id).await.is_empty());
    });
}

#[test]
fn a_manifest_that_stands_still_keeps_nothing_back() {
    run(async {
        let (stuck, next) = (wide("t/a", 1, FILES, 7), version("t/b", 1, 50_000, 7));
        let peer = Fake::start(9, Manner::Honest, &[&stuck, &next]).await;
        slow(&peer, stuck.signed.id(), LONG);
        let node = node().await;
        peer.join(&node).await;
        node.gets("t/b", next.signed.id()).await;
        eventually("the catalogue was read to its end", || async {
            node.replicator.catalogs().await.unwrap().len() == 1
        })
        .await;
        assert!(node.version("t/a", stuck.signed.id()).await.is_none());
        assert!(node.blamed(&peer.id).await.is_empty(), "that is no lie");
        peer.library.slow.lock().unwrap().clear();
        node.gets("t/a", stuck.signed.id()).await;
    });
}
