//! Three nodes in a row: what the first publishes arrives at the last through the middle, with its publisher's signature.

use crate::support::{Node, Storage, eventually, run};
use bib_domain::NodeMode::{Full, Selective};

#[test]
fn versions_travel_on_with_their_signature() {
    run(async {
        let first = Node::start(1, Storage::Postgres, Full).await;
        let middle = Node::start(2, Storage::Postgres, Full).await;
        let last = Node::start(3, Storage::Sqlite, Selective).await;
        first.topic("flights").await;
        let old = first.publish("flights/2013", 1, 1_000_000).await;
        first.pair(&middle, true).await;
        middle.pair(&last, true).await;
        last.subscribe("flights").await;
        last.gets("flights/2013", old).await;
        // no poll: announced by the first to the middle, and by the middle to the last
        let new = first.publish("flights/2013", 2, 1_000_000).await;
        middle.gets("flights/2013", new).await;
        last.gets("flights/2013", new).await;
        let signed = last.guardian.manifest(new).await.unwrap().unwrap();
        assert_eq!(*signed.publisher(), first.identity.public_key());

        // a damaged chunk of a serving node is not served: it is put away and fetched from another
        let hash = signed.manifest().chunks[0].hash;
        let hex = hash.to_hex();
        let path = |node: &Node| node.dir().join("blobs").join(&hex[..2]).join(&hex[2..4]).join(&hex);
        std::fs::write(path(&middle), b"rot").unwrap();
        std::fs::remove_file(path(&last)).unwrap();
        last.replicator.repair(vec![hash]).await.unwrap();
        eventually("the middle notices", || async { middle.audited("chunk.damaged", &hex).await }).await;
        eventually("the middle has a good copy again", || async { middle.chunks.read(&hash).is_ok() }).await;
        last.replicator.repair(vec![hash]).await.unwrap();
        eventually("the last gets it too", || async { last.chunks.read(&hash).is_ok() }).await;
        first.stop().await;
        middle.stop().await;
    });
}
