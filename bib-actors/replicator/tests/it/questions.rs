//! Questions to peers for somebody who reads: many at once, and to some that do not answer.

use crate::support::{Fake, Manner, Node, Storage, eventually, run, version};
use bib_domain::DatasetRef;
use bib_domain::NodeMode::Selective;
use bib_proto::v1::Announce;
use bib_proto::v1::sync_request::Request;
use bib_replicator::{Found, ReplicatorError};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);
/// Catalogue streams that a node serves to one other.
const SERVED: usize = 8;

fn dataset(name: &str) -> DatasetRef {
    name.parse().unwrap()
}

fn desks(peer: &Fake, desks: usize) {
    peer.library.desks.store(desks, Ordering::SeqCst);
}

/// A node that believes what was answered for longer than a test lasts.
async fn connected(peers: &[&Fake]) -> Node {
    let node = Node::with(1, Storage::Sqlite, Selective, |options| options.answers_ttl = LONG).await;
    for peer in peers {
        peer.join(&node).await;
    }
    let all = peers.len();
    eventually("all catalogues were read", || async { node.replicator.catalogs().await.unwrap().len() == all }).await;
    node
}

#[test]
fn however_many_are_asked_at_once_all_are_answered() {
    run(async {
        let names: Vec<String> = (0..24).map(|number| format!("t/d{number}")).collect();
        let versions: Vec<_> = names.iter().map(|name| version(name, 1, 1000, 7)).collect();
        let peer = Fake::start(9, Manner::Honest, &versions.iter().collect::<Vec<_>>()).await;
        let node = connected(&[&peer]).await;
        desks(&peer, SERVED);
        *peer.library.thinks.lock().unwrap() = Duration::from_millis(50);
        let find = |name: &String| {
            let (replicator, dataset) = (node.replicator.clone(), dataset(name));
            async move { replicator.find(&dataset, "").await }
        };
        let found = futures::future::join_all(names.iter().map(find)).await;
        for (found, version) in found.into_iter().zip(&versions) {
            assert_eq!(found.unwrap(), Found::Version(version.signed.id()));
        }
    });
}

#[test]
fn one_that_does_not_answer_may_have_it() {
    run(async {
        let peer = Fake::start(9, Manner::Honest, &[]).await;
        let node = connected(&[&peer]).await;
        let unheard =
            |error: &ReplicatorError| matches!(error, ReplicatorError::Exchange { .. } | ReplicatorError::Swarm(_));
        desks(&peer, 0);
        let found = node.replicator.find(&dataset("t/d"), "").await;
        assert!(found.as_ref().is_err_and(unheard), "{found:?}");
        let listed = node.replicator.versions(&dataset("t/d")).await;
        assert!(listed.as_ref().is_err_and(unheard), "{listed:?}");
        let listed = node.replicator.topics(None, 10).await;
        assert!(listed.as_ref().is_err_and(unheard), "{listed:?}");
        desks(&peer, SERVED);
        assert_eq!(node.replicator.find(&dataset("t/d"), "").await.unwrap(), Found::Nobody { asked: 1 });
        assert!(node.replicator.versions(&dataset("t/d")).await.unwrap().is_some_and(|rows| rows.is_empty()));
        assert!(node.replicator.topics(None, 10).await.unwrap().is_some_and(|rows| rows.is_empty()));
    });
}

#[test]
fn what_only_some_answered_is_believed_until_there_is_news() {
    run(async {
        let (old, new) = (version("t/d", 1, 1000, 7), version("t/d", 2, 1000, 7));
        let near = Fake::start(8, Manner::Honest, &[&old]).await;
        let far = Fake::start(9, Manner::Honest, &[&new]).await;
        let node = connected(&[&near, &far]).await;
        desks(&far, 0);
        let find = || async { node.replicator.find(&dataset("t/d"), "").await.unwrap() };
        assert_eq!(find().await, Found::Version(old.signed.id()), "it is there, whoever does not answer");
        desks(&near, 0);
        assert_eq!(find().await, Found::Version(old.signed.id()), "nobody is asked again for a while");
        desks(&near, SERVED);
        desks(&far, SERVED);
        far.ask(&node.id, Request::Announce(Announce::default())).await;
        assert_eq!(find().await, Found::Version(new.signed.id()));
    });
}
