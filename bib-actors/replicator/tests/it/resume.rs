//! A transfer that is cut off goes on where it was, by what is verified on the disk.

use crate::support::{Fake, Manner, Node, Storage, eventually, run, version};
use bib_domain::ChunkHash;
use bib_domain::NodeMode::Selective;
use bib_replicator::TransferState;
use std::os::unix::fs::FileExt;
use std::time::Duration;

#[test]
fn a_new_incarnation_fetches_only_the_rest() {
    run(async {
        let good = version("t/d", 1, 6_000_000, 7);
        let total = good.signed.manifest().chunks.len();
        let peer = Fake::start(9, Manner::Honest, &[&good]).await;
        peer.allow_only(total / 2);
        let mut node = Node::with(1, Storage::Sqlite, Selective, |options| {
            options.commit_after = Duration::from_millis(20);
            options.transfer.stall_ms = 60_000;
        })
        .await;
        peer.join(&node).await;
        node.subscribe("t").await;
        let chunks = || async {
            let signed = &good.signed;
            total - node.chunks.missing(signed).unwrap().len()
        };
        eventually("half of it is on the disk", || async { chunks().await >= total / 2 }).await;
        let shown = node.transfer(good.signed.id()).await.unwrap();
        assert_eq!((shown.state, shown.peers), (TransferState::Running, vec![peer.id.clone()]));
        assert!(!node.version("t/d", good.signed.id()).await.unwrap().complete, "begun, and written down as such");

        node.replicator_guard.abort().await;
        let missing: u64 = node.chunks.missing(&good.signed).unwrap().iter().map(|chunk| u64::from(chunk.len)).sum();
        peer.allow_all();
        node.replicator_guard.start().await.unwrap();
        node.gets("t/d", good.signed.id()).await;
        eventually("it is shown as done", || async {
            node.transfer(good.signed.id()).await.is_some_and(|row| row.state == TransferState::Done)
        })
        .await;
        let shown = node.transfer(good.signed.id()).await.unwrap();
        assert_eq!(shown.bytes_fetched, missing, "only what was missing came");
    });
}

#[test]
fn it_gets_there_between_a_liar_a_silent_peer_and_many_ends() {
    run(async {
        let good = version("t/d", 1, 6_000_000, 7);
        let total = good.signed.manifest().chunks.len();
        let liar = Fake::start(7, Manner::WrongBytes, &[&good]).await;
        let silent = Fake::start(8, Manner::Silent, &[&good]).await;
        let honest = Fake::start(9, Manner::Honest, &[&good]).await;
        let mut node = Node::with(1, Storage::Sqlite, Selective, |options| {
            options.commit_after = Duration::from_millis(20);
        })
        .await;
        honest.allow_only(0);
        for peer in [&honest, &silent, &liar] {
            peer.join(&node).await;
        }
        node.subscribe("t").await;
        let here = |node: &Node| total - node.chunks.missing(&good.signed).unwrap().len();
        for round in 1..=5 {
            let before = here(&node);
            honest.library.allowance.add_permits(20);
            eventually("more is on the disk", || async { here(&node) >= (before + 10).min(total) }).await;
            node.replicator_guard.abort().await;
            assert!(here(&node) < total, "round {round} was not the last");
            // else streams of the incarnation that is gone would use up what the next one may have
            eventually("the honest peer knows that it is gone", || async { honest.is_idle() }).await;
            node.replicator_guard.start().await.unwrap();
        }
        honest.allow_all();
        node.gets("t/d", good.signed.id()).await;
        assert!(!node.blamed(&liar.id).await.is_empty());
        assert!(node.blamed(&silent.id).await.is_empty() && node.blamed(&honest.id).await.is_empty());
        assert!(honest.sent() <= total + 5 * 20, "{} of {total}", honest.sent());
    });
}

#[test]
fn a_swarm_that_restarts_is_survived() {
    run(async {
        let good = version("t/d", 1, 3_000_000, 7);
        let total = good.signed.manifest().chunks.len();
        let peer = Fake::start(9, Manner::Honest, &[&good]).await;
        peer.allow_only(total / 2);
        let mut node = Node::start(1, Storage::Sqlite, Selective).await;
        peer.join(&node).await;
        node.subscribe("t").await;
        eventually("it has begun", || async { peer.sent() == total / 2 }).await;
        node.swarm_guard.abort().await;
        peer.allow_all();
        node.swarm_guard.start().await.unwrap();
        node.gets("t/d", good.signed.id()).await;
    });
}

/// Flips a bit of a chunk's file, so that neither its size nor the time of its last change tells.
fn rot(node: &Node, hash: &ChunkHash) {
    let hex = hash.to_hex();
    let path = node.dir().join("blobs").join(&hex[..2]).join(&hex[2..4]).join(&hex);
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let changed = file.metadata().unwrap().modified().unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 100).unwrap();
    file.write_all_at(&[byte[0] ^ 4], 100).unwrap();
    file.set_modified(changed).unwrap();
}

#[test]
fn what_decayed_meanwhile_is_fetched_too() {
    run(async {
        let good = version("t/d", 1, 3_000_000, 7);
        let total = good.signed.manifest().chunks.len();
        let peer = Fake::start(9, Manner::Honest, &[&good]).await;
        peer.allow_only(total / 2);
        let mut node = Node::with(1, Storage::Sqlite, Selective, |options| {
            options.commit_after = Duration::from_millis(20);
            options.transfer.stall_ms = 60_000;
        })
        .await;
        peer.join(&node).await;
        node.subscribe("t").await;
        let lacks = |node: &Node| node.chunks.missing(&good.signed).unwrap();
        eventually("half of it is on the disk", || async { lacks(&node).len() <= total - total / 2 }).await;
        node.replicator_guard.abort().await;
        let missing = lacks(&node);
        let here = good.signed.manifest().chunks.iter().find(|chunk| !missing.contains(chunk)).unwrap();
        rot(&node, &here.hash);
        assert_eq!(lacks(&node), missing, "its size does not tell");
        let lacking: u64 = missing.iter().chain([here]).map(|chunk| u64::from(chunk.len)).sum();

        peer.allow_all();
        node.replicator_guard.start().await.unwrap();
        node.gets("t/d", good.signed.id()).await;
        eventually("it is shown as done", || async {
            node.transfer(good.signed.id()).await.is_some_and(|row| row.state == TransferState::Done)
        })
        .await;
        assert_eq!(node.transfer(good.signed.id()).await.unwrap().bytes_fetched, lacking);
        let name = here.hash.to_hex();
        eventually("the damage is recorded", || node.audited("chunk.damaged", &name)).await;
    });
}

#[test]
fn what_is_good_again_needs_no_peer() {
    run(async {
        let node = Node::start(1, Storage::Sqlite, Selective).await;
        let bytes = vec![5; 5000];
        let put = || {
            let mut batch = node.chunks.batch();
            let put = batch.put_bytes(&bytes).unwrap();
            batch.commit().unwrap();
            put
        };
        let hash = put().hash;
        rot(&node, &hash);
        let heal = || async { node.replicator.heal(vec![hash]).await.unwrap() };
        assert!(node.chunks.read(&hash).is_err());
        assert_eq!(heal().await, 1, "nobody has it");
        assert!(put().new);
        assert_eq!(heal().await, 0);
        eventually("that is recorded", || node.audited("chunk.repair", "")).await;
    });
}

#[test]
fn a_damaged_chunk_is_fetched_again() {
    run(async {
        let good = version("t/d", 1, 500_000, 7);
        let peer = Fake::start(9, Manner::Honest, &[&good]).await;
        let node = Node::start(1, Storage::Sqlite, Selective).await;
        peer.join(&node).await;
        node.subscribe("t").await;
        node.gets("t/d", good.signed.id()).await;
        let hash = good.signed.manifest().chunks[1].hash;
        let hex = hash.to_hex();
        let path = node.dir().join("blobs").join(&hex[..2]).join(&hex[2..4]).join(&hex);
        std::fs::write(&path, b"rot").unwrap();
        assert!(node.chunks.read(&hash).is_err());
        node.replicator.repair(vec![hash]).await.unwrap();
        eventually("a good copy is here", || async { node.chunks.read(&hash).is_ok() }).await;
        eventually("that is recorded", || async { node.audited("chunk.repair", &hex).await }).await;
    });
}
