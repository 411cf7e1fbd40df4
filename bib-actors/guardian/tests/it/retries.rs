//! A retry with the same request id gets the first answer, and nothing is done twice. On both databases.

use crate::catalog::{on, on_both};
use crate::support::{Backend, Node, manifest, new_topic, op, own_key, topic};
use bib_domain::VersionId;
use bib_guardian::{GuardianError, VersionState};

on_both!(retries, at_the_same_time, after_a_crash);

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
    let done = futures::future::join_all(tries).await;
    assert!(done.iter().all(|published| *published == done[0]));
    assert_eq!(g.counts().await.unwrap().versions, 1);
}

async fn after_a_crash(node: &mut Node) {
    node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
    let cx = op();
    let version = manifest("t/d", 1, &[], &own_key());
    let published = node.guardian.publish(&cx, version.clone(), WHOLE).await.unwrap();
    node.crash_and_restart().await;
    assert_eq!(node.guardian.publish(&cx, version, WHOLE).await.unwrap(), published);
}
