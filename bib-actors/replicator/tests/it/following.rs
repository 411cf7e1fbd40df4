//! Following a peer: subscriptions, announcements, polling, and what full and selective nodes take.

use crate::support::{Fake, Manner, Node, Storage, eventually, run, version};
use bib_domain::NodeMode::{Full, Selective};
use bib_domain::backoff::Backoff;
use bib_proto::v1::Announce;
use bib_proto::v1::sync_request::Request;
use bib_replicator::TransferState;
use std::process::Command;
use std::time::Duration;

#[test]
fn a_subscription_brings_what_is_there_and_what_comes() {
    run(async {
        let server = Node::start(1, Storage::Postgres, Full).await;
        server.topic("flights").await;
        server.topic("weather").await;
        let first = server.publish("flights/2013", 1, 3_000_000).await;
        let other = server.publish("weather/all", 1, 100_000).await;
        let cache = Node::start(2, Storage::Sqlite, Selective).await;
        server.pair(&cache, true).await;
        cache.subscribe("flights").await;
        cache.gets("flights/2013", first).await;
        eventually("it is shown as done", || async {
            cache.transfer(first).await.is_some_and(|row| row.state == TransferState::Done)
        })
        .await;
        let shown = cache.transfer(first).await.unwrap();
        assert_eq!(shown.bytes_done, shown.bytes_total);
        assert!(shown.chunks_total > 40 && shown.chunks_done == shown.chunks_total, "{shown:?}");

        // polling is off: only the announcement can bring it
        let second = server.publish("flights/2013", 2, 200_000).await;
        cache.gets("flights/2013", second).await;
        assert!(cache.version("weather/all", other).await.is_none(), "it did not subscribe to that");
        let topics = cache.guardian.list_topics(None, 10).await.unwrap();
        assert_eq!(topics.iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>(), ["flights", "weather"]);
        assert_eq!(topics[1].owner, server.id, "topics keep their owner");

        cache.subscribe("weather").await;
        cache.gets("weather/all", other).await;
        assert!(cache.audited("dataset.complete", &other.to_string()).await);
        server.stop().await;
    });
}

/// How many chunk files of a node have nothing in the page cache. `fincore` looks without bringing it there.
fn cold_chunks(node: &Node) -> usize {
    let hex = |name: &str, length: usize| name.len() == length && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (mut folders, mut cold) = (vec![node.dir().join("blobs")], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && hex(&name, 2) {
                folders.push(path);
            } else if hex(&name, 64) {
                let look = Command::new("fincore").args(["--noheadings", "--output", "PAGES"]).arg(path).output();
                cold += usize::from(String::from_utf8_lossy(&look.unwrap().stdout).trim() == "0");
            }
        }
    }
    cold
}

#[test]
fn what_is_large_goes_past_the_page_cache() {
    run(async {
        let server = Node::start(1, Storage::Postgres, Full).await;
        server.topic("t").await;
        let id = server.publish("t/d", 1, 2_000_000).await;
        let mut cold = Vec::new();
        for (seed, from) in [(2, 2_000_000), (3, 2_000_001)] {
            let cache = Node::with(seed, Storage::Sqlite, Selective, |options| options.direct_from = from).await;
            server.pair(&cache, true).await;
            cache.subscribe("t").await;
            eventually("the version is whole", || async {
                cache.version("t/d", id).await.is_some_and(|row| row.complete)
            })
            .await;
            cold.push(cold_chunks(&cache));
            cache.gets("t/d", id).await;
            cache.stop().await;
        }
        assert!(cold[0] > 20 && cold[1] == 0, "{cold:?}");
        server.stop().await;
    });
}

#[test]
fn a_full_node_copies_its_base_node() {
    run(async {
        let version = version("any/thing", 1, 200_000, 7);
        let peer = Fake::start(9, Manner::Honest, &[&version]).await;
        let full = Node::start(1, Storage::Postgres, Full).await;
        peer.join(&full).await;
        eventually("its topics are known", || async {
            full.guardian.get_topic(&"any".parse().unwrap()).await.unwrap().is_some()
        })
        .await;
        assert!(full.version("any/thing", version.signed.id()).await.is_none(), "it is no base node");
        let mut row = full.guardian.peers().await.unwrap().remove(0);
        row.base = true;
        full.guardian.upsert_peer(&crate::support::op(), row).await.unwrap();
        full.gets("any/thing", version.signed.id()).await;
        eventually("what is whole here is announced onward", || async { *peer.library.announced.lock().unwrap() > 0 })
            .await;
        full.stop().await;
    });
}

#[test]
fn an_announcement_is_enough_and_a_poll_repairs_a_missed_one() {
    run(async {
        let (first, second, third) =
            (version("t/d", 1, 50_000, 7), version("t/d", 2, 50_000, 7), version("t/d", 3, 50_000, 7));
        let peer = Fake::start(9, Manner::Honest, &[&first]).await;
        let other = Fake::start(8, Manner::Honest, &[]).await;
        let node = Node::start(1, Storage::Sqlite, Selective).await;
        for fake in [&peer, &other] {
            fake.join(&node).await;
        }
        node.subscribe("t").await;
        node.gets("t/d", first.signed.id()).await;

        peer.add(&second);
        peer.ask(&node.id, Request::Announce(Announce::default())).await;
        node.gets("t/d", second.signed.id()).await;
        let read = || peer.library.catalogs.lock().unwrap().clone();
        let before = read();
        assert_eq!(before.last(), Some(&1), "only what is new was read: {before:?}");

        peer.add(&third);
        // another peer's announcement comes later, and is followed to its end
        let elsewhere = version("t/e", 1, 50_000, 8);
        other.add(&elsewhere);
        other.ask(&node.id, Request::Announce(Announce::default())).await;
        node.gets("t/e", elsewhere.signed.id()).await;
        assert!(node.version("t/d", third.signed.id()).await.is_none(), "nobody told");
        node.replicator.sync_now().await.unwrap();
        node.gets("t/d", third.signed.id()).await;
        assert_eq!(read().len(), before.len() + 1, "it was read once, when that was asked for");
    });
}

#[test]
fn polling_goes_on_by_itself() {
    run(async {
        let (first, second) = (version("t/d", 1, 50_000, 7), version("t/d", 2, 50_000, 7));
        let peer = Fake::start(9, Manner::Honest, &[&first]).await;
        let node = Node::with(1, Storage::Sqlite, Selective, |options| {
            options.poll_interval = Duration::from_millis(200);
        });
        let node = node.await;
        peer.join(&node).await;
        node.subscribe("t").await;
        node.gets("t/d", first.signed.id()).await;
        peer.add(&second);
        node.gets("t/d", second.signed.id()).await;
    });
}

#[test]
fn what_nobody_has_is_looked_for_ever_more_seldom() {
    run(async {
        let (wanted, other) = (version("t/d", 1, 2_000_000, 7), version("t/e", 1, 50_000, 7));
        let holder = Fake::start(8, Manner::Honest, &[&wanted]).await;
        let stays = Fake::start(9, Manner::Honest, &[&other]).await;
        holder.allow_only(5);
        let node = Node::with(1, Storage::Sqlite, Selective, |options| {
            options.poll_interval = Duration::from_millis(20);
            options.reading.rest = Duration::from_millis(1);
            options.search = Backoff { first: Duration::from_millis(50), max: Duration::from_secs(3600) };
        });
        let node = node.await;
        stays.join(&node).await;
        holder.join(&node).await;
        node.subscribe("t").await;
        node.gets("t/e", other.signed.id()).await;
        eventually("it has begun", || async { holder.sent() == 5 }).await;
        let away = holder.id.clone();
        drop(holder);
        eventually("its holder is gone", || async {
            node.swarm.peers().await.unwrap().iter().all(|peer| peer.node_id != away)
        })
        .await;
        let reads = || stays.library.catalogs.lock().unwrap().clone();
        let before = reads().len();
        eventually("it is polled often", || async { reads().len() >= before + 100 }).await;
        let searches = reads()[before..].iter().filter(|after| **after == 0).count();
        assert!((1..=20).contains(&searches), "{searches}: {:?}", reads());

        let comes = Fake::start(7, Manner::Honest, &[&wanted]).await;
        comes.join(&node).await;
        node.gets("t/d", wanted.signed.id()).await;
    });
}

#[test]
fn leaving_a_topic_stops_its_transfer() {
    run(async {
        let version = version("t/d", 1, 2_000_000, 7);
        let peer = Fake::start(9, Manner::Honest, &[&version]).await;
        peer.allow_only(5);
        let node = Node::with(1, Storage::Sqlite, Selective, |options| options.transfer.stall_ms = 60_000).await;
        peer.join(&node).await;
        node.subscribe("t").await;
        eventually("it has begun", || async { peer.sent() == 5 }).await;
        node.guardian.set_subscribed(&crate::support::op(), &"t".parse().unwrap(), false).await.unwrap();
        eventually("it is not shown any more", || async { node.transfer(version.signed.id()).await.is_none() }).await;
        peer.allow_all();
        node.guardian.set_subscribed(&crate::support::op(), &"t".parse().unwrap(), true).await.unwrap();
        node.gets("t/d", version.signed.id()).await;
    });
}
