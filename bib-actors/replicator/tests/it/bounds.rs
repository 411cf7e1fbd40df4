//! What a peer causes by its catalogue is bounded: pages, writes, names, and readings, however often it announces.

use crate::support::{Fake, Manner, Node, Storage, eventually, run, version};
use bib_domain::NodeMode::Selective;
use bib_domain::backoff::Backoff;
use bib_proto::v1::Announce;
use bib_proto::v1::sync_request::Request;
use bib_replicator::ReplicatorOptions;
use std::time::Duration;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

async fn node(change: impl FnOnce(&mut ReplicatorOptions)) -> Node {
    let node = Node::with(1, Storage::Sqlite, Selective, change).await;
    node.topic("t").await;
    node.subscribe("t").await;
    node
}

fn reads(peer: &Fake) -> usize {
    peer.library.catalogs.lock().unwrap().len()
}

async fn announce(peer: &Fake, node: &Node) {
    peer.ask(&node.id, Request::Announce(Announce::default())).await;
}

async fn is_read(node: &Node) {
    eventually("its catalogue was read", || async { node.replicator.catalogs().await.unwrap().len() == 1 }).await;
}

#[test]
fn a_catalogue_without_end_is_left_after_some_pages() {
    run(async {
        let peer = Fake::start(9, Manner::Endless, &[]).await;
        let node = node(|options| {
            (options.reading.pages, options.reading.pages_per_position) = (6, 4);
            options.reading.unended = Backoff { first: LONG, max: LONG };
        })
        .await;
        peer.join(&node).await;
        eventually("a reading ended", || async {
            node.guardian.peers().await.unwrap().iter().any(|row| row.sync_cursor >= 6)
        })
        .await;
        for _ in 0..20 {
            announce(&peer, &node).await;
        }
        // what was told before is heard by now
        node.replicator.transfers().await.unwrap();
        assert!(reads(&peer) <= 18, "{:?}", peer.library.catalogs.lock().unwrap());
        // each write has two records
        assert!(node.records("peer.edit", "(cursor ").await <= 2 * 6, "not one for each page");
        assert!(node.blamed(&peer.id).await.is_empty(), "that is no lie");
    });
}

#[test]
fn what_does_not_fit_into_one_reading_comes_in_the_next() {
    run(async {
        let versions: Vec<_> = (1..=7).map(|number| version("t/d", number, 1000, 7)).collect();
        let peer = Fake::start(9, Manner::Honest, &versions.iter().collect::<Vec<_>>()).await;
        let node = node(|options| {
            (options.catalog_page, options.reading.pages) = (1, 2);
            options.reading.unended = Backoff { first: Duration::from_millis(1), max: Duration::from_millis(1) };
        })
        .await;
        peer.join(&node).await;
        for version in &versions {
            node.gets("t/d", version.signed.id()).await;
        }
        is_read(&node).await;
        // once more, from the beginning: the position that was reached says nothing about this reading
        peer.library.catalogs.lock().unwrap().clear();
        node.replicator.sync_now().await.unwrap();
        eventually("each page was read again", || async {
            peer.library.catalogs.lock().unwrap().ends_with(&[0, 1, 2, 3, 4, 5, 6])
        })
        .await;
    });
}

#[test]
fn a_long_catalogue_is_read_to_its_end_whoever_wants_its_beginning() {
    run(async {
        let versions: Vec<_> = (1..=7).map(|number| version("t/d", number, 1000, 7)).collect();
        let peer = Fake::start(9, Manner::Honest, &versions.iter().collect::<Vec<_>>()).await;
        let node = node(|options| {
            (options.catalog_page, options.reading.pages) = (1, 2);
            // it goes on only when somebody wants all of it read from its beginning
            options.reading.unended = Backoff { first: LONG, max: LONG };
        })
        .await;
        peer.join(&node).await;
        for version in &versions {
            let id = version.signed.id();
            eventually("it came", || async {
                node.replicator.sync_now().await.unwrap();
                node.version("t/d", id).await.is_some_and(|row| row.complete)
            })
            .await;
        }
        is_read(&node).await;
        // nobody asks any more, and the beginning was not forgotten
        eventually("then it is read from its beginning", || async {
            peer.library.catalogs.lock().unwrap().windows(2).any(|two| two == [6, 0])
        })
        .await;
    });
}

#[test]
fn announcements_without_end_cause_one_reading() {
    run(async {
        let peer = Fake::start(9, Manner::Honest, &[]).await;
        let node = node(|options| options.reading.rest = LONG).await;
        peer.join(&node).await;
        is_read(&node).await;
        let before = reads(&peer);
        for _ in 0..50 {
            announce(&peer, &node).await;
        }
        let version = version("t/d", 1, 1000, 7);
        peer.add(&version);
        node.replicator.sync_now().await.unwrap();
        node.gets("t/d", version.signed.id()).await;
        assert!(reads(&peer) <= before + 2, "{} after {before}: people do not wait, and it does", reads(&peer));
    });
}

#[test]
fn one_that_is_renamed_all_the_time_is_written_down_once() {
    run(async {
        let peer = Fake::start(9, Manner::Renamed, &[]).await;
        let node = node(|options| {
            options.reading.rest = Duration::from_millis(1);
            options.description_every = LONG;
        })
        .await;
        peer.join(&node).await;
        is_read(&node).await;
        let name = || async { node.guardian.peers().await.unwrap().remove(0).name };
        let first = name().await;
        assert!(first.starts_with("fake "), "{first}: the first one is written at once");
        let written = node.records("peer.upsert", peer.id.as_str()).await;
        for _ in 0..5 {
            let before = reads(&peer);
            announce(&peer, &node).await;
            eventually("it is read again", || async { reads(&peer) > before }).await;
        }
        assert_eq!(name().await, first);
        assert_eq!(node.records("peer.upsert", peer.id.as_str()).await, written);
    });
}

#[test]
fn new_topics_are_counted_over_readings() {
    run(async {
        let peer = Fake::start(9, Manner::Talkative, &[]).await;
        let node = node(|options| {
            options.reading.rest = Duration::from_millis(1);
            options.new_topics = 15;
        })
        .await;
        peer.join(&node).await;
        for _ in 0..6 {
            let before = reads(&peer);
            announce(&peer, &node).await;
            eventually("it is read again", || async { reads(&peer) > before }).await;
        }
        is_read(&node).await;
        // and the one that the test made
        assert_eq!(node.guardian.list_topics(None, 1000).await.unwrap().len(), 15 + 1);
    });
}

#[test]
fn a_full_backlog_is_no_hot_loop() {
    run(async {
        let versions: Vec<_> = ["t/a", "t/b", "t/c", "t/d", "t/e"].map(|name| version(name, 1, 100_000, 7)).into();
        let peer = Fake::start(9, Manner::Honest, &versions.iter().collect::<Vec<_>>()).await;
        peer.allow_only(0);
        let node = node(|options| {
            options.backlog.capacity = 2;
            options.backlog.retry = Backoff { first: Duration::from_millis(1), max: LONG };
            options.reading.rest = Duration::from_millis(1);
            options.transfer.stall_ms = 120_000;
        })
        .await;
        peer.join(&node).await;
        eventually("it is full", || async { node.replicator.transfers().await.unwrap().len() == 2 }).await;
        for _ in 0..50 {
            announce(&peer, &node).await;
        }
        node.replicator.transfers().await.unwrap();
        assert!(reads(&peer) <= 4, "{}", reads(&peer));
        peer.allow_all();
        for version in &versions {
            node.gets(&version.signed.manifest().dataset, version.signed.id()).await;
        }
    });
}

#[test]
fn what_waits_is_not_looked_at_again() {
    run(async {
        let version = version("t/d", 1, 200_000, 7);
        let (id, peer) = (version.signed.id(), Fake::start(9, Manner::Honest, &[&version]).await);
        peer.allow_only(0);
        let node = node(|options| options.transfer.stall_ms = 120_000).await;
        peer.join(&node).await;
        eventually("it is being fetched", || async { !peer.library.asked.lock().unwrap().is_empty() }).await;
        let looked = || async { node.records("dataset.manifest", &id.to_string()).await };
        node.topic("a").await;
        let before = looked().await;
        assert!(before > 0, "the transfer looked at it");
        for _ in 0..3 {
            let read = reads(&peer);
            node.replicator.sync_now().await.unwrap();
            eventually("it is read again", || async { reads(&peer) > read }).await;
        }
        is_read(&node).await;
        // this is recorded after whatever was read before
        node.topic("b").await;
        assert_eq!(looked().await, before);
        peer.allow_all();
        node.gets("t/d", id).await;
    });
}
