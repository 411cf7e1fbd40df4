//! The catalogue does the same on both databases.

use crate::support::{Backend, Home, Node, manifest, new_topic, op, other_key, own_key, topic};
use bib_domain::{DatasetRef, VersionId};
use bib_guardian::{GuardianError, Published, SubscriptionsChanged, VersionPublished, VersionState};
use bib_kit::{Event, probe};

const WHOLE: VersionState = VersionState { complete: true };
const PARTIAL: VersionState = VersionState { complete: false };

macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        // one server for all of them, emptied in between: making one takes longer than using it
        #[test]
        fn postgres() {
            on(Backend::Postgres, async |node| {
                $(
                    println!("{}", stringify!($name));
                    $name(node).await;
                    node.clear().await;
                )*
            });
        }
        mod sqlite {
            use super::*;
            $(#[test] fn $name() { on(Backend::Sqlite, async |node| super::$name(node).await); })*
        }
    };
}
pub(crate) use on_both;

/// Runs a test on a node of its own and ends the node in order.
pub(crate) fn on(backend: Backend, test: impl AsyncFnOnce(&mut Node)) {
    probe::run(async {
        let home = Home::new();
        let mut node = home.start(backend).await;
        test(&mut node).await;
        node.stop().await;
    });
}

on_both!(topics, versions, latest, selectors, pages, catalog_order, numbers, manifests);

fn dataset(name: &str) -> DatasetRef {
    name.parse().unwrap()
}

async fn publish(node: &Node, name: &str, number: u64, parents: &[VersionId]) -> Published {
    node.guardian.publish(&op(), manifest(name, number, parents, &own_key()), WHOLE).await.unwrap()
}

async fn topics(node: &mut Node) {
    let g = &node.guardian;
    let mut news = node.router.topic::<SubscriptionsChanged>().subscribe();
    let made = g.create_topic(&op(), new_topic("flights")).await.unwrap();
    assert_eq!((made.name.as_str(), made.datasets, made.bytes, made.subscribed), ("flights", 0, 0, false));
    assert_eq!((made.description.as_str(), made.created_ms), ("about flights", 1_790_000_000_000));

    let refused = g.create_topic(&op(), new_topic("flights")).await.unwrap_err();
    assert!(matches!(&refused, GuardianError::TopicExists { name } if name.as_str() == "flights"), "{refused}");
    let mut again = new_topic("flights");
    (again.if_not_exists, again.description) = (true, "changed".to_owned());
    assert_eq!(g.create_topic(&op(), again).await.unwrap().description, "about flights");

    assert!(g.set_subscribed(&op(), &topic("flights"), true).await.unwrap().subscribed);
    assert_eq!(news.recv().await, Event::Item(SubscriptionsChanged { topic: topic("flights"), subscribed: true }));
    assert!(g.get_topic(&topic("flights")).await.unwrap().unwrap().subscribed);
    assert!(!g.set_subscribed(&op(), &topic("flights"), false).await.unwrap().subscribed);
    let refused = g.set_subscribed(&op(), &topic("nothing"), true).await.unwrap_err();
    assert!(matches!(refused, GuardianError::TopicNotFound { .. }), "{refused}");
    assert_eq!(g.get_topic(&topic("nothing")).await.unwrap(), None);

    for name in ["weather", "a-topic", "b.topic"] {
        g.create_topic(&op(), new_topic(name)).await.unwrap();
    }
    let names = |topics: Vec<bib_guardian::Topic>| topics.into_iter().map(|t| t.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(g.list_topics(None, 0).await.unwrap()), ["a-topic", "b.topic", "flights", "weather"]);
    assert_eq!(names(g.list_topics(Some(topic("a-topic")), 2).await.unwrap()), ["b.topic", "flights"]);
    assert_eq!(g.counts().await.unwrap().topics, 4);
}

async fn versions(node: &mut Node) {
    let g = &node.guardian;
    let mut news = node.router.topic::<VersionPublished>().subscribe();
    let refused = g.publish(&op(), manifest("flights/2013", 1, &[], &own_key()), WHOLE).await.unwrap_err();
    assert!(matches!(refused, GuardianError::TopicNotFound { .. }), "{refused}");
    g.create_topic(&op(), new_topic("flights")).await.unwrap();

    let first = publish(node, "flights/2013", 1, &[]).await;
    assert!(first.created && first.version.complete && first.audit_seq > 0);
    let told =
        VersionPublished { dataset: dataset("flights/2013"), version: first.version.id, local: true, complete: true };
    assert_eq!(news.recv().await, Event::Item(told));
    assert_eq!((first.version.files, first.version.number, first.version.chunks), (1, 1, 0));
    assert_eq!(first.version.publisher, own_key().verifying_key().to_bytes());
    assert!(first.version.manifest_bytes > 0 && first.version.completed_ms > 0 && first.version.position > 0);

    let second = publish(node, "flights/2013", 2, &[first.version.id]).await;
    assert_eq!(second.version.parents, [first.version.id]);
    let all = g.versions(&dataset("flights/2013")).await.unwrap();
    assert_eq!(all.iter().map(|version| version.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(all[0], second.version);

    // the same version again, by another request
    let again = g.publish(&op(), manifest("flights/2013", 1, &[], &own_key()), WHOLE).await.unwrap();
    assert_eq!((again.created, again.version.id), (false, first.version.id));
    let found = g.get_dataset(&dataset("flights/2013")).await.unwrap().unwrap();
    assert_eq!((found.versions, found.highest_number, found.latest), (2, 2, Some(second.version)));
    assert_eq!(g.get_dataset(&dataset("flights/2014")).await.unwrap(), None);
    let refused = g.versions(&dataset("flights/2014")).await.unwrap_err();
    assert!(matches!(refused, GuardianError::DatasetNotFound { .. }), "{refused}");
    let counts = g.counts().await.unwrap();
    assert_eq!((counts.topics, counts.datasets, counts.versions), (1, 1, 2));
}

async fn latest(node: &mut Node) {
    let g = &node.guardian;
    g.create_topic(&op(), new_topic("t")).await.unwrap();
    let name = dataset("t/d");
    let first = g.publish(&op(), manifest("t/d", 1, &[], &other_key()), PARTIAL).await.unwrap().version;
    assert_eq!(g.find_version(&name, "").await.unwrap().id, first.id, "there is nothing better yet");
    assert_eq!(g.incomplete_versions().await.unwrap(), [first.id]);
    let first = g.mark_complete(&op(), first.id).await.unwrap();
    assert!(first.complete && first.position > 0);

    let second = g.publish(&op(), manifest("t/d", 2, &[], &other_key()), PARTIAL).await.unwrap().version;
    assert_eq!(g.find_version(&name, "").await.unwrap().id, first.id, "readers keep what is whole");
    let row = g.get_dataset(&name).await.unwrap().unwrap();
    assert_eq!((row.latest.unwrap().id, row.highest_number, row.versions), (first.id, 2, 2));
    let mut news = node.router.topic::<VersionPublished>().subscribe();
    g.mark_complete(&op(), second.id).await.unwrap();
    let told = VersionPublished { dataset: name.clone(), version: second.id, local: false, complete: true };
    assert_eq!(news.recv().await, Event::Item(told));
    assert_eq!(g.find_version(&name, "").await.unwrap().id, second.id);
    let again = g.mark_complete(&op(), second.id).await.unwrap();
    assert_eq!(again.position, g.find_version(&name, "2").await.unwrap().position, "it keeps its place");
    assert_eq!(g.incomplete_versions().await.unwrap(), []);
    let refused = g.mark_complete(&op(), VersionId::from_bytes([9; 32])).await.unwrap_err();
    assert!(matches!(refused, GuardianError::NoSuchVersion { .. }), "{refused}");
}

async fn selectors(node: &mut Node) {
    let g = &node.guardian;
    g.create_topic(&op(), new_topic("t")).await.unwrap();
    let name = dataset("t/d");
    let mut ids = Vec::new();
    for number in 1..=40 {
        ids.push(publish(node, "t/d", number, &[]).await.version.id);
    }
    assert_eq!(g.find_version(&name, "7").await.unwrap().id, ids[6]);
    let hex = ids[4].to_hex();
    for selector in [hex.clone(), ids[4].to_string(), format!("sha256:{}", &hex[..16]), hex[..15].to_owned()] {
        // a prefix of digits only could be a number, which is as it should be
        if selector.bytes().any(|c| !c.is_ascii_digit()) {
            assert_eq!(g.find_version(&name, &selector).await.unwrap().id, ids[4], "{selector}");
        }
    }
    // of 40 ids two begin with the same digit
    let digit = |id: &VersionId| id.to_hex()[..1].to_owned();
    let shared = ids.iter().map(digit).find(|d| ids.iter().filter(|id| digit(id) == *d).count() > 1).unwrap();
    let refused = g.find_version(&name, &format!("sha256:{shared}")).await.unwrap_err();
    assert!(matches!(&refused, GuardianError::Ambiguous { matches, .. } if matches.len() > 1), "{refused}");
    for selector in ["41", "sha256:", "nonsense", &"0".repeat(64)] {
        let refused = g.find_version(&name, selector).await.unwrap_err();
        assert!(matches!(refused, GuardianError::VersionNotFound { .. }), "{selector}: {refused}");
    }
    let refused = g.find_version(&dataset("t/other"), "").await.unwrap_err();
    assert!(matches!(refused, GuardianError::DatasetNotFound { .. }), "{refused}");
}

async fn pages(node: &mut Node) {
    let g = &node.guardian;
    for name in ["a", "b"] {
        g.create_topic(&op(), new_topic(name)).await.unwrap();
        for d in ["x", "y", "z"] {
            publish(node, &format!("{name}/{d}"), 1, &[]).await;
        }
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = g.list_datasets(None, after.clone(), 4).await.unwrap();
        seen.extend(page.iter().map(|row| row.name.to_string()));
        let Some(last) = page.last() else { break };
        after = Some(last.name.clone());
    }
    assert_eq!(seen, ["a/x", "a/y", "a/z", "b/x", "b/y", "b/z"]);
    let of_b = g.list_datasets(Some(topic("b")), Some(dataset("b/x")), 0).await.unwrap();
    assert_eq!(of_b.iter().map(|row| row.name.to_string()).collect::<Vec<_>>(), ["b/y", "b/z"]);
    assert_eq!(g.get_topic(&topic("a")).await.unwrap().unwrap().datasets, 3);
}

async fn catalog_order(node: &mut Node) {
    let g = &node.guardian;
    g.create_topic(&op(), new_topic("a")).await.unwrap();
    let first = publish(node, "a/x", 1, &[]).await.version;
    let partial = g.publish(&op(), manifest("a/y", 1, &[], &other_key()), PARTIAL).await.unwrap().version;
    g.create_topic(&op(), new_topic("b")).await.unwrap();
    let page = g.catalog_page(0, 0).await.unwrap();
    assert_eq!(page.versions.iter().map(|version| version.id).collect::<Vec<_>>(), [first.id], "only what is whole");
    assert_eq!(page.topics.len(), 2);
    assert!(!page.more);

    // what becomes whole later comes after what was there
    let cursor = page.next;
    assert_eq!(g.catalog_page(cursor, 0).await.unwrap().next, cursor);
    g.mark_complete(&op(), partial.id).await.unwrap();
    let page = g.catalog_page(cursor, 0).await.unwrap();
    assert_eq!(page.versions.iter().map(|version| version.id).collect::<Vec<_>>(), [partial.id]);
    assert_eq!(
        page.topics.iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>(),
        ["a"],
        "a page is whole by itself"
    );

    let (mut after, mut versions, mut topics) = (0, 0, std::collections::BTreeSet::new());
    loop {
        let page = g.catalog_page(after, 1).await.unwrap();
        versions += page.versions.len();
        topics.extend(page.topics.into_iter().map(|topic| topic.name));
        assert!(page.next > after);
        after = page.next;
        if !page.more {
            break;
        }
    }
    assert_eq!((versions, topics.len()), (2, 2));
}

async fn numbers(node: &mut Node) {
    let g = &node.guardian;
    g.create_topic(&op(), new_topic("t")).await.unwrap();
    publish(node, "t/d", 1, &[]).await;
    let other = manifest("t/d", 1, &[VersionId::from_bytes([3; 32])], &own_key());
    let refused = g.publish(&op(), other, WHOLE).await.unwrap_err();
    assert!(matches!(&refused, GuardianError::NumberTaken { number: 1, .. }), "{refused}");
    // another node may have a version of the same number: names are hashes
    g.publish(&op(), manifest("t/d", 1, &[], &other_key()), WHOLE).await.unwrap();
    let refused = g.find_version(&dataset("t/d"), "1").await.unwrap_err();
    assert!(matches!(refused, GuardianError::Ambiguous { .. }), "{refused}");

    // many at once: each number is given once
    let uploads = (0..16_u8).map(|i| {
        let (g, version) = (g.clone(), manifest("t/d", 2, &[VersionId::from_bytes([i; 32])], &own_key()));
        async move { g.publish(&op(), version, WHOLE).await }
    });
    let done = futures::future::join_all(uploads).await;
    assert_eq!(done.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(done.iter().all(|result| matches!(result, Ok(_) | Err(GuardianError::NumberTaken { .. }))));

    // nobody else uses the numbers up
    let far = manifest("t/d", 1 << 52, &[], &other_key());
    let refused = g.publish(&op(), far, WHOLE).await.unwrap_err();
    assert!(matches!(&refused, GuardianError::NumberFar { highest: 2, .. }) && refused.is_refusal(), "{refused}");
    g.publish(&op(), manifest("t/d", 7, &[], &other_key()), WHOLE).await.unwrap();
    assert_eq!(publish(node, "t/d", 3, &[]).await.version.number, 3, "a number in between is free");
    assert_eq!(g.get_dataset(&dataset("t/d")).await.unwrap().unwrap().highest_number, 7);
}

async fn manifests(node: &mut Node) {
    node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
    let signed = manifest("t/d", 1, &[], &own_key());
    node.guardian.publish(&op(), signed.clone(), WHOLE).await.unwrap();
    let id = signed.id();
    assert_eq!(node.guardian.manifest(id).await.unwrap().unwrap(), signed);
    assert_eq!(node.guardian.manifest(VersionId::from_bytes([9; 32])).await.unwrap(), None);

    // not from memory: after a restart, and with a bit flipped
    node.crash_and_restart().await;
    assert_eq!(node.guardian.manifest(id).await.unwrap().unwrap(), signed);
    let path = node.data_dir().join("manifests").join(&id.to_hex()[..2]).join(id.to_hex());
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    node.crash_and_restart().await;
    let refused = node.guardian.manifest(id).await.unwrap_err();
    assert!(matches!(&refused, GuardianError::ManifestHurt { .. }), "{refused}");

    // whoever has it gives it again, and that lasts
    let again = node.guardian.publish(&op(), signed.clone(), PARTIAL).await.unwrap();
    assert!(!again.created && again.version.complete);
    node.crash_and_restart().await;
    assert_eq!(node.guardian.manifest(id).await.unwrap().unwrap(), signed);
}
