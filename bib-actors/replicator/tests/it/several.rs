//! Several peers at once: they share the work, and one that stalls, lacks or breaks is left without blame.

use crate::support::{Fake, Manner, Node, Storage, eventually, run, version};
use bib_domain::NodeMode::Selective;
use bib_replicator::TransferState;
use bib_swarm::Identity;
use std::collections::BTreeSet;
use std::time::Duration;
use zeroize::Zeroizing;

#[test]
fn peers_share_the_work() {
    run(async {
        let good = version("t/d", 1, 8_000_000, 7);
        let peers = [
            Fake::start(7, Manner::Honest, &[&good]).await,
            Fake::start(8, Manner::Honest, &[&good]).await,
            Fake::start(9, Manner::Honest, &[&good]).await,
        ];
        let node = Node::with(1, Storage::Sqlite, Selective, |options| {
            // small windows, so that one fast peer does not take all before the others are connected
            options.transfer.first_window_bytes = 200_000;
            options.transfer.max_window_bytes = 200_000;
        });
        let node = node.await;
        node.topic("t").await;
        for peer in &peers {
            peer.join(&node).await;
        }
        eventually("all catalogues were read", || async {
            peers.iter().all(|peer| !peer.library.catalogs.lock().unwrap().is_empty())
        })
        .await;
        for peer in &peers {
            peer.allow_only(10);
        }
        node.subscribe("t").await;
        eventually("all of them send", || async { peers.iter().all(|peer| peer.sent() > 0) }).await;
        peers.iter().for_each(Fake::allow_all);
        node.gets("t/d", good.signed.id()).await;
        let total = good.signed.manifest().chunks.len();
        let sent: usize = peers.iter().map(Fake::sent).sum();
        assert!(sent <= total + total / 10 + 2, "hardly anything came twice: {sent} of {total}");
        let shown = node.transfer(good.signed.id()).await.unwrap();
        assert!(shown.bytes_fetched >= shown.bytes_total, "{shown:?}");
    });
}

async fn goes_on_without(manner: Manner) {
    let good = version("t/d", 1, 2_000_000, 7);
    let bad = Fake::start(8, manner, &[&good]).await;
    let honest = Fake::start(9, Manner::Honest, &[&good]).await;
    let node = Node::start(1, Storage::Sqlite, Selective).await;
    node.topic("t").await;
    node.subscribe("t").await;
    bad.join(&node).await;
    eventually("the bad one is asked", || async { !bad.library.asked.lock().unwrap().is_empty() }).await;
    honest.join(&node).await;
    node.gets("t/d", good.signed.id()).await;
    assert!(node.blamed(&bad.id).await.is_empty(), "that is no lie");
    assert!(honest.sent_names().len() == good.signed.manifest().chunks.len());
}

#[test]
fn a_silent_peer_is_left() {
    run(goes_on_without(Manner::Silent));
}

#[test]
fn a_peer_without_the_chunks_is_left() {
    run(goes_on_without(Manner::Empty));
}

#[test]
fn a_peer_that_talks_nonsense_is_left() {
    run(goes_on_without(Manner::Garbage));
}

#[test]
fn a_silent_holder_keeps_no_place_from_another() {
    run(async {
        let good = version("t/d", 1, 500_000, 7);
        // the silent one is the first in every list
        let mut seeds = [8, 9];
        seeds.sort_by_key(|seed| Identity::from_seed(Zeroizing::new([*seed; 32])).node_id().clone());
        let silent = Fake::start(seeds[0], Manner::Silent, &[&good]).await;
        let honest = Fake::start(seeds[1], Manner::Honest, &[&good]).await;
        let node = Node::with(1, Storage::Sqlite, Selective, |options| {
            options.peers_per_transfer = 1;
            // time for the other one to become known, also on a machine that is busy
            options.transfer.stall_ms = 20_000;
        });
        let node = node.await;
        node.topic("t").await;
        node.subscribe("t").await;
        silent.join(&node).await;
        eventually("the silent one is asked", || async { !silent.library.asked.lock().unwrap().is_empty() }).await;
        honest.join(&node).await;
        node.gets("t/d", good.signed.id()).await;
        assert!(node.blamed(&silent.id).await.is_empty(), "that is no lie");
        let asked = silent.library.asked.lock().unwrap().clone();
        let names: BTreeSet<_> = asked.iter().collect();
        assert_eq!(names.len(), asked.len(), "it was asked in one attempt, which went on with the other one");
    });
}

#[test]
fn a_peer_that_goes_away_midway_is_replaced() {
    run(async {
        let good = version("t/d", 1, 4_000_000, 7);
        let total = good.signed.manifest().chunks.len();
        let gone = Fake::start(8, Manner::Honest, &[&good]).await;
        let stays = Fake::start(9, Manner::Honest, &[&good]).await;
        let node = Node::with(1, Storage::Sqlite, Selective, |options| {
            options.commit_after = Duration::from_millis(20);
        });
        let node = node.await;
        gone.allow_only(total / 2);
        gone.join(&node).await;
        node.topic("t").await;
        node.subscribe("t").await;
        // what is sent and still on its way when it goes comes again: any number of chunks
        let here = || total - node.chunks.missing(&good.signed).unwrap().len();
        eventually("half came from it", || async { gone.sent() == total / 2 && here() == total / 2 }).await;
        let sent = gone.sent();
        drop(gone);
        stays.join(&node).await;
        node.gets("t/d", good.signed.id()).await;
        assert!(stays.sent() <= total - sent + 2, "{} of {total} came again", stays.sent());
    });
}

#[test]
fn a_sole_holder_that_lacks_a_chunk_holds_up_nobody() {
    run(async {
        let (hurt, other) = (version("t/d", 1, 1_000_000, 7), version("t/e", 1, 300_000, 7));
        let peer = Fake::start(8, Manner::Honest, &[&hurt, &other]).await;
        let lost = hurt.signed.manifest().chunks[3].hash;
        peer.lose(lost);
        let node = Node::with(1, Storage::Sqlite, Selective, |options| {
            options.transfers_at_once = 1;
            options.patience = Duration::from_secs(1);
        });
        let node = node.await;
        peer.join(&node).await;
        node.subscribe("t").await;
        eventually("the lost chunk is asked for", || async { peer.was_asked(&lost) }).await;
        node.gets("t/e", other.signed.id()).await;
        assert!(!node.version("t/d", hurt.signed.id()).await.unwrap().complete);
        assert!(node.blamed(&peer.id).await.is_empty(), "that is no lie");

        // nobody connects anew and nobody tells: it is asked again all the same
        peer.mend();
        node.gets("t/d", hurt.signed.id()).await;
    });
}

#[test]
fn a_slow_transfer_gives_way_and_goes_on_afterwards() {
    run(async {
        let (big, small) = (version("t/d", 1, 3_000_000, 7), version("t/e", 1, 300_000, 7));
        let total = big.signed.manifest().chunks.len();
        let slow = Fake::start(8, Manner::Honest, &[&big]).await;
        let fast = Fake::start(9, Manner::Honest, &[&small]).await;
        slow.allow_only(10);
        let node = Node::with(1, Storage::Sqlite, Selective, |options| {
            options.transfers_at_once = 1;
            options.commit_after = Duration::from_millis(20);
            // it is not left as one that stalls
            options.transfer.stall_ms = 240_000;
            options.transfer.least_rate_over_ms = 500;
        });
        let node = node.await;
        slow.join(&node).await;
        node.subscribe("t").await;
        let here = || total - node.chunks.missing(&big.signed).unwrap().len();
        eventually("a part of it is here", || async { here() == 10 }).await;
        let shown = node.transfer(big.signed.id()).await.unwrap();
        assert_eq!((shown.state, shown.error.as_str()), (TransferState::Running, ""), "nobody waits for its place");

        fast.join(&node).await;
        node.gets("t/e", small.signed.id()).await;
        eventually("it goes on where it was", || async {
            let shown = node.transfer(big.signed.id()).await.unwrap();
            shown.state == TransferState::Running && shown.chunks_done == 10
        })
        .await;
        let shown = node.transfer(big.signed.id()).await.unwrap();
        assert!(shown.error.contains("let others go first"), "{shown:?}");
        assert!(node.blamed(&slow.id).await.is_empty(), "that is no lie");
        slow.allow_all();
        node.gets("t/d", big.signed.id()).await;
        eventually("it is shown as done", || async {
            node.transfer(big.signed.id()).await.is_some_and(|row| row.state == TransferState::Done)
        })
        .await;
        let shown = node.transfer(big.signed.id()).await.unwrap();
        assert!(shown.bytes_needed < shown.bytes_total, "what had come stayed: {shown:?}");
        assert_eq!(shown.bytes_fetched, shown.bytes_needed, "and did not come again");
    });
}
