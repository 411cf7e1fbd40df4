//! Peers that do not have what they say: nobody else is hidden by it, and the rest of what they have comes.

use crate::support::{Fake, Manner, Node, Storage, Version, eventually, op, run, version};
use bib_domain::NodeMode::{Full, Selective};
use bib_domain::backoff::Backoff;
use bib_domain::{DatasetRef, VersionId};
use bib_guardian::GuardianError;
use bib_proto::v1::ManifestRequest;
use bib_proto::v1::sync_request::Request;
use bib_proto::v1::sync_response::Response;
use bib_replicator::{Found, ReplicatorError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

async fn connected(node: &Node, peers: &[&Fake]) {
    for peer in peers {
        peer.join(node).await;
    }
    let all = peers.len();
    eventually("all catalogues were read", || async { node.replicator.catalogs().await.unwrap().len() == all }).await;
}

#[test]
fn one_manifest_that_does_not_come_keeps_nothing_back() {
    run(async {
        let (hurt, good) = (version("t/a", 1, 50_000, 7), version("t/b", 1, 50_000, 7));
        let peer = Fake::start(9, Manner::Honest, &[&hurt, &good]).await;
        peer.library.lacking.lock().unwrap().insert(hurt.signed.id());
        let node = Node::with(1, Storage::Sqlite, Selective, |options| {
            options.reading.passed_over = Backoff { first: Duration::from_millis(50), max: Duration::from_millis(200) };
        })
        .await;
        node.topic("t").await;
        node.subscribe("t").await;
        peer.join(&node).await;
        node.gets("t/b", good.signed.id()).await;
        eventually("the catalogue was read to its end", || async {
            node.replicator.catalogs().await.unwrap().len() == 1
        })
        .await;
        assert!(node.version("t/a", hurt.signed.id()).await.is_none());
        assert!(node.blamed(&peer.id).await.is_empty(), "that is no lie");
        // nobody announces and nobody polls: it is remembered
        peer.library.lacking.lock().unwrap().clear();
        node.gets("t/a", hurt.signed.id()).await;
    });
}

#[test]
fn a_manifest_that_a_busy_peer_did_not_give_comes_soon() {
    run(async {
        let (late, good) = (version("t/a", 1, 50_000, 7), version("t/b", 1, 50_000, 7));
        let peer = Fake::start(9, Manner::Honest, &[&late, &good]).await;
        peer.library.withheld.lock().unwrap().insert(late.signed.id());
        let node = Node::with(1, Storage::Sqlite, Selective, |options| {
            // what a peer does not have would come after the end of this test
            options.reading.passed_over = Backoff { first: LONG, max: LONG };
        })
        .await;
        node.topic("t").await;
        node.subscribe("t").await;
        peer.join(&node).await;
        node.gets("t/b", good.signed.id()).await;
        eventually("the catalogue was read to its end", || async {
            node.replicator.catalogs().await.unwrap().len() == 1
        })
        .await;
        assert!(node.version("t/a", late.signed.id()).await.is_none());
        peer.library.withheld.lock().unwrap().clear();
        node.gets("t/a", late.signed.id()).await;
    });
}

#[test]
fn a_manifest_that_decays_while_its_version_waits_is_fetched_again() {
    run(async {
        let good = version("t/d", 1, 500_000, 7);
        let (id, peer) = (good.signed.id(), Fake::start(9, Manner::Honest, &[&good]).await);
        peer.allow_only(0);
        let mut node = Node::start(1, Storage::Sqlite, Selective).await;
        node.topic("t").await;
        node.subscribe("t").await;
        peer.join(&node).await;
        eventually("it is being fetched", || async { !peer.library.asked.lock().unwrap().is_empty() }).await;
        peer.library.withheld.lock().unwrap().insert(id);
        node.restart_guardian_alone(|dir| hurt(dir, id)).await;
        eventually("the next attempt finds out", || async {
            node.transfer(id).await.is_some_and(|row| row.error.contains("is hurt"))
        })
        .await;
        assert!(matches!(node.guardian.manifest(id).await, Err(GuardianError::ManifestHurt { .. })));
        peer.allow_all();
        // nobody announces and nobody polls: it is looked for all the same
        peer.library.withheld.lock().unwrap().clear();
        node.gets("t/d", id).await;
        assert!(node.blamed(&peer.id).await.is_empty());
    });
}

/// Flips a bit of the file of a manifest.
fn hurt(dir: &Path, id: VersionId) {
    let hex = id.to_hex();
    let path = dir.join("manifests").join(&hex[..2]).join(&hex);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

async fn manifest(peer: &Fake, node: &Node, id: VersionId) -> Response {
    peer.ask(&node.id, Request::Manifest(ManifestRequest { version: id.as_bytes().to_vec() })).await
}

#[test]
fn a_damaged_manifest_is_not_here_and_comes_from_elsewhere() {
    run(async {
        let mut node = Node::start(1, Storage::Postgres, Full).await;
        node.topic("t").await;
        let id = node.publish("t/d", 1, 50_000).await;
        let signed = node.guardian.manifest(id).await.unwrap().unwrap();
        let copy = Version { signed, chunks: Arc::default() };
        let (asker, holder) =
            (Fake::start(8, Manner::Honest, &[]).await, Fake::start(9, Manner::Honest, &[&copy]).await);
        connected(&node, &[&asker, &holder]).await;
        let answer = manifest(&asker, &node, id).await;
        assert!(matches!(answer, Response::Manifest(_)), "{answer:?}");

        node.restart_guardian(|dir| hurt(dir, id)).await;
        eventually("it works again", || async {
            node.replicator.catalogs().await.is_ok_and(|catalogs| catalogs.len() == 2)
        })
        .await;
        let answer = manifest(&asker, &node, id).await;
        assert!(matches!(&answer, Response::Error(error) if error.code == "not-found"), "{answer:?}");
        // nobody announces and nobody polls: it is looked for at once
        eventually("it is given again", || async {
            matches!(manifest(&asker, &node, id).await, Response::Manifest(_))
        })
        .await;
        // and from the disk, too
        node.restart_guardian(|_| ()).await;
        assert!(node.guardian.manifest(id).await.unwrap().is_some());
        assert!(node.version("t/d", id).await.unwrap().complete);
        node.stop().await;
    });
}

#[test]
fn a_version_that_nobody_gives_hides_no_other() {
    run(async {
        let (old, good) = (version("t/d", 1, 50_000, 7), version("t/d", 2, 50_000, 7));
        let bogus = Fake::start(8, Manner::Bogus, &[]).await;
        let honest = Fake::start(9, Manner::Honest, &[&old, &good]).await;
        let node = Node::start(1, Storage::Sqlite, Selective).await;
        connected(&node, &[&bogus, &honest]).await;
        let dataset: DatasetRef = "t/d".parse().unwrap();
        let hex = good.signed.id().to_hex();
        let latest = Found::Version(good.signed.id());
        for (selector, expected) in [
            ("", latest),
            ("1", Found::Version(old.signed.id())),
            ("2", latest),
            (&hex[..12], latest),
            (&hex, latest),
            ("3", Found::Nobody { asked: 2 }),
        ] {
            assert_eq!(node.replicator.find(&dataset, selector).await.unwrap(), expected, "{selector:?}");
        }
        assert!(node.blamed(&bogus.id).await.is_empty(), "it may have had it");
    });
}

#[test]
fn a_favorite_that_gives_nothing_hides_no_other() {
    run(async {
        let good = version("t/d", 1, 50_000, 7);
        let bogus = Fake::start(8, Manner::Bogus, &[]).await;
        let honest = Fake::start(9, Manner::Honest, &[&good]).await;
        let favorite = bogus.id.clone();
        let node = Node::with(1, Storage::Sqlite, Selective, |options| options.favorites = [favorite].into()).await;
        connected(&node, &[&bogus, &honest]).await;
        let found = node.replicator.find(&"t/d".parse().unwrap(), "").await.unwrap();
        assert_eq!(found, Found::Version(good.signed.id()));
    });
}

#[test]
fn only_versions_that_are_there_are_a_choice() {
    run(async {
        let (one, other) = (version("t/d", 1, 50_000, 7), version("t/d", 1, 50_000, 8));
        let (first, second) =
            (Fake::start(8, Manner::Honest, &[&one]).await, Fake::start(9, Manner::Honest, &[&other]).await);
        let node = Node::start(1, Storage::Sqlite, Selective).await;
        connected(&node, &[&first, &second]).await;
        let dataset: DatasetRef = "t/d".parse().unwrap();
        let error = node.replicator.find(&dataset, "1").await.unwrap_err();
        let ReplicatorError::Guardian(GuardianError::Ambiguous { matches, .. }) = error else { panic!("{error}") };
        assert_eq!(matches.len(), 2);
        for id in [one.signed.id(), other.signed.id()] {
            assert!(node.version("t/d", id).await.is_none(), "nothing was chosen, so nothing is recorded");
        }
        first.library.withheld.lock().unwrap().insert(one.signed.id());
        assert_eq!(node.replicator.find(&dataset, "1").await.unwrap(), Found::Version(other.signed.id()));
        // one that is here already is at hand, whoever gives it
        node.guardian.set_subscribed(&op(), &"t".parse().unwrap(), true).await.unwrap();
        node.gets("t/d", other.signed.id()).await;
        assert_eq!(node.replicator.find(&dataset, "1").await.unwrap(), Found::Version(other.signed.id()));
    });
}
