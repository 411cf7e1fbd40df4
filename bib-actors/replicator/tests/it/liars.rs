//! Peers that lie: caught at the first wrong byte, blamed by id, left, and the work goes on with others.

use crate::support::{Fake, Manner, Node, Storage, eventually, op, run, version};
use bib_domain::NodeMode::Selective;
use bib_swarm::{Identity, protocols};
use zeroize::Zeroizing;

async fn caught(manner: Manner, expected: &str) {
    let good = version("t/d", 1, 2_000_000, 7);
    let other = version("t/e", 1, 1000, 7);
    let liar = Fake::start(8, manner, &[&good, &other]).await;
    let honest = Fake::start(9, Manner::Honest, &[&good]).await;
    let node = Node::start(1, Storage::Sqlite, Selective).await;
    node.topic("t").await;
    node.subscribe("t").await;
    liar.join(&node).await;
    eventually("it is blamed", || async { !node.blamed(&liar.id).await.is_empty() }).await;
    let reason = node.blamed(&liar.id).await;
    assert!(reason.contains(expected), "{reason}");
    assert!(node.audited("peer.edit", liar.id.as_str()).await, "the blame is recorded");
    eventually("it is left", || async {
        !node.swarm.peers().await.unwrap().iter().any(|peer| peer.node_id == liar.id)
    })
    .await;

    honest.join(&node).await;
    node.gets("t/d", good.signed.id()).await;
    assert!(node.blamed(&honest.id).await.is_empty());
    let asked = liar.library.asked.lock().unwrap().len();
    // both have what comes next, and a round that brings it asks whom it asks
    let next = version("t/d", 2, 50_000, 7);
    for fake in [&liar, &honest] {
        fake.add(&next);
    }
    node.replicator.sync_now().await.unwrap();
    node.gets("t/d", next.signed.id()).await;
    assert_eq!(liar.library.asked.lock().unwrap().len(), asked, "nothing more is asked of it");
    assert!(liar.swarm.open_stream(&node.id, protocols::SYNC).await.is_err(), "nor given to it");
}

#[test]
fn wrong_bytes_are_caught() {
    run(caught(Manner::WrongBytes, "sent bytes with the name"));
}

#[test]
fn a_wrong_size_is_caught() {
    run(caught(Manner::WrongSize, "sent a header"));
}

#[test]
fn a_manifest_of_another_version_is_caught() {
    run(caught(Manner::OtherManifest, "sent the manifest of"));
}

#[test]
fn a_broken_signature_is_caught() {
    run(caught(Manner::BrokenManifest, "is none"));
}

#[test]
fn a_version_under_another_name_is_caught() {
    run(caught(Manner::OtherDataset, "its publisher signed it as"));
}

#[test]
fn a_liar_among_others_costs_little() {
    run(async {
        let good = version("t/d", 1, 4_000_000, 7);
        let liar = Fake::start(8, Manner::WrongBytes, &[&good]).await;
        let honest = Fake::start(9, Manner::Honest, &[&good]).await;
        let node = Node::start(1, Storage::Sqlite, Selective).await;
        honest.join(&node).await;
        liar.join(&node).await;
        node.subscribe("t").await;
        node.gets("t/d", good.signed.id()).await;
        eventually("the liar is blamed or was never used", || async {
            let asked = liar.library.asked.lock().unwrap().len();
            asked == 0 || !node.blamed(&liar.id).await.is_empty()
        })
        .await;
        let total = good.signed.manifest().chunks.len();
        assert!(honest.sent() >= total, "the honest one sent everything");
        assert!(honest.sent() <= total + total / 10 + 2, "{} of {total}", honest.sent());
    });
}

#[test]
fn a_liar_that_is_asked_first_does_not_end_a_repair() {
    run(async {
        let good = version("t/d", 1, 500_000, 7);
        let id = |seed: u8| Identity::from_seed(Zeroizing::new([seed; 32])).node_id().clone();
        // those with lower ids are asked first
        let [first, second] = if id(8) < id(9) { [8, 9] } else { [9, 8] };
        let honest = Fake::start(second, Manner::Honest, &[&good]).await;
        let node = Node::start(1, Storage::Sqlite, Selective).await;
        honest.join(&node).await;
        node.subscribe("t").await;
        node.gets("t/d", good.signed.id()).await;
        let liar = Fake::start(first, Manner::WrongBytes, &[&good]).await;
        liar.join(&node).await;
        eventually("both are known", || async { node.replicator.catalogs().await.unwrap().len() == 2 }).await;
        let hash = good.signed.manifest().chunks[1].hash;
        let hex = hash.to_hex();
        let path = node.dir().join("blobs").join(&hex[..2]).join(&hex[2..4]).join(&hex);
        std::fs::write(&path, b"rot").unwrap();
        assert!(node.chunks.read(&hash).is_err());
        assert_eq!(node.replicator.heal(vec![hash]).await.unwrap(), 0);
        assert!(node.chunks.read(&hash).is_ok());
        assert!(node.blamed(&liar.id).await.contains("sent bytes with the name"));
        assert!(node.blamed(&honest.id).await.is_empty());
    });
}

#[test]
fn one_that_is_paired_anew_is_used_again() {
    run(async {
        let good = version("t/d", 1, 300_000, 7);
        let peer = Fake::start(8, Manner::Honest, &[&good]).await;
        let node = Node::start(1, Storage::Sqlite, Selective).await;
        node.topic("t").await;
        node.subscribe("t").await;
        peer.join(&node).await;
        node.gets("t/d", good.signed.id()).await;
        node.guardian.blame_peer(&op(), &peer.id, "it was in the wrong place").await.unwrap();
        eventually("it is let in no more", || async {
            peer.swarm.open_stream(&node.id, protocols::SYNC).await.is_err()
        })
        .await;
        let second = version("t/d", 2, 300_000, 7);
        peer.add(&second);
        peer.join(&node).await;
        node.gets("t/d", second.signed.id()).await;
        assert!(node.blamed(&peer.id).await.is_empty());
    });
}
