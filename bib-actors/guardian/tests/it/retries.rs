//! A retry with the same request id gets the first answer, and nothing is done twice. On both databases.

use crate::catalog::{on, on_both};
use crate::people::peer;
use crate::support::{Backend, Node, manifest, new_topic, op, own_key, topic};
use bib_domain::{OpContext, VersionId};
use bib_guardian::{GuardianError, VersionState};
use futures::future::{join, join_all};

on_both!(retries, at_the_same_time, many_at_once, nobody_waits_in_a_ring, after_a_crash);

const WHOLE: VersionState = VersionState { complete: true };

async fn retries(node: &mut Node) {
    let g = &node.guardian;
    let cx = op();
    let first = g.create_topic(&cx, new_topic("t")).await.unwrap();
    assert_eq!(g.create_topic(&cx, new_topic("t")).await.unwrap(), first);
    // the same request id for something else of the same kind is something else
    g.create_topic(&cx, new_topic("u")).await.unwrap();

    let cx = op();
    let published = g.publish(&cx, manifest("t/d", 1, &[], &own_key()), WHOLE).await.unwrap();
    assert!(published.created);
    // the upload was sent again and signed at another time: another hash, the same request
    let other = manifest("t/d", 1, &[VersionId::from_bytes([7; 32])], &own_key());
    let again = g.publish(&cx, other, WHOLE).await.unwrap();
    assert_eq!(again, published);
    assert_eq!(g.counts().await.unwrap().versions, 1);

    // an old retry does not undo what came after it
    let subscribe = op();
    g.set_subscribed(&subscribe, &topic("t"), true).await.unwrap();
    g.set_subscribed(&op(), &topic("t"), false).await.unwrap();
    assert!(!g.set_subscribed(&subscribe, &topic("t"), true).await.unwrap().subscribed);

    // what was refused may be tried again
    let cx = op();
    let missing = manifest("later/d", 1, &[], &own_key());
    let refused = g.publish(&cx, missing.clone(), WHOLE).await.unwrap_err();
    assert!(matches!(refused, GuardianError::TopicNotFound { .. }), "{refused}");
    g.create_topic(&op(), new_topic("later")).await.unwrap();
    assert!(g.publish(&cx, missing, WHOLE).await.unwrap().created);
}

async fn at_the_same_time(node: &mut Node) {
    let g = &node.guardian;
    g.create_topic(&op(), new_topic("t")).await.unwrap();
    let cx = op();
    let tries = (0..12_u8).map(|i| {
        let (g, cx) = (g.clone(), cx.clone());
        let version = manifest("t/d", 1, &[VersionId::from_bytes([i; 32])], &own_key());
        async move { g.publish(&cx, version, WHOLE).await.unwrap() }
    });
    let done = join_all(tries).await;
    assert!(done.iter().all(|published| *published == done[0]));
    assert_eq!(g.counts().await.unwrap().versions, 1);
}

/// Changes of all kinds that come together: those that are refused take none of the others with them, a retry beside its
/// first try finds the same, and each has a place of its own in the catalogue.
async fn many_at_once(node: &mut Node) {
    let g = &node.guardian;
    g.create_topic(&op(), new_topic("there")).await.unwrap();
    let twice = op();
    let make = |cx: &OpContext, name: String| {
        let (g, cx) = (g.clone(), cx.clone());
        async move { g.create_topic(&cx, new_topic(&name)).await }
    };
    let tries = (0..64_u32).map(|number| match number % 4 {
        0 => make(&op(), "there".to_owned()),
        1 => make(&twice, "twice".to_owned()),
        _ => make(&op(), format!("t{number}")),
    });
    let subscribing = (0..8).map(|number| {
        let g = g.clone();
        async move { g.set_subscribed(&op(), &topic(if number < 4 { "there" } else { "nowhere" }), true).await }
    });
    let (all, subscribed) = join(join_all(tries), join_all(subscribing)).await;
    for (number, made) in all.iter().enumerate() {
        match (number % 4, made) {
            (0, Err(GuardianError::TopicExists { .. })) => {}
            (1, Ok(topic)) => assert_eq!(Some(topic), all[1].as_ref().ok()),
            (2 | 3, Ok(topic)) => assert_eq!(topic.name.to_string(), format!("t{number}")),
            other => panic!("{other:?}"),
        }
    }
    for (number, subscribed) in subscribed.iter().enumerate() {
        match (number < 4, subscribed) {
            (true, Ok(topic)) => assert!(topic.subscribed),
            (false, Err(GuardianError::TopicNotFound { .. })) => {}
            other => panic!("{other:?}"),
        }
    }
    let mut found: Vec<String> = g.list_topics(None, 0).await.unwrap().iter().map(|t| t.name.to_string()).collect();
    let mut expected: Vec<String> =
        (0..64).filter(|number| number % 4 > 1).map(|number| format!("t{number}")).collect();
    expected.extend(["there".to_owned(), "twice".to_owned()]);
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    // one by one, so that two at one place would be missed
    let (mut after, mut places) = (0, 0);
    while let page = g.catalog_page(after, 1).await.unwrap()
        && !page.topics.is_empty()
    {
        (after, places) = (page.next, places + page.topics.len());
    }
    assert_eq!(places, expected.len());
    assert!(node.audit.verify().await.unwrap().problem.is_none());
}

/// Changes that share transactions, in batches and without, beside some that have their own: two that waited for each other's
/// locks would be ended by the database, and one of them would fail.
async fn nobody_waits_in_a_ring(node: &mut Node) {
    let g = &node.guardian;
    for name in ["x", "y"] {
        g.create_topic(&op(), new_topic(name)).await.unwrap();
        g.upsert_peer(&op(), peer(name)).await.unwrap();
    }
    for round in 0..4_u32 {
        let changes = (0..60_u32).map(|number| {
            let (g, cx) = (g.clone(), op());
            let (one, other) = if number % 2 == 0 { ("x", "y") } else { ("y", "x") };
            async move {
                match number % 6 {
                    0 => g.create_topic(&cx, new_topic(&format!("t{round}-{number}"))).await.map(drop),
                    1 => g.set_subscribed(&cx, &topic(one), number % 12 == 1).await.map(drop),
                    2 => g.upsert_peer(&cx, peer(one)).await,
                    3 => g.set_cursor(&cx, &peer(other).node_id, u64::from(number)).await,
                    4 => g.blame_peer(&cx, &peer(other).node_id, "").await,
                    _ => {
                        let (name, place) = (format!("{other}/d{}", number % 4), u64::from(round * 60 + number));
                        let version = manifest(&name, place, &[], &own_key());
                        g.publish(&cx, version, WHOLE).await.map(drop)
                    }
                }
            }
        });
        for (number, done) in join_all(changes).await.into_iter().enumerate() {
            assert!(done.is_ok(), "{round} {number}: {done:?}");
        }
    }
}

async fn after_a_crash(node: &mut Node) {
    node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
    let cx = op();
    let version = manifest("t/d", 1, &[], &own_key());
    let published = node.guardian.publish(&cx, version.clone(), WHOLE).await.unwrap();
    node.crash_and_restart().await;
    assert_eq!(node.guardian.publish(&cx, version, WHOLE).await.unwrap(), published);
}
