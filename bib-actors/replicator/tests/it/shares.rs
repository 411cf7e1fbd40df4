//! What one peer may hold of a node's memory by not reading what it asked for: its share, and others are served.

use crate::support::{Fake, Manner, Node, Storage, eventually, keep, op, run, store_wide};
use bib_chunks::SignedManifest;
use bib_domain::NodeMode::Full;
use bib_guardian::VersionState;
use bib_proto::v1::sync_request::Request;
use bib_proto::v1::sync_response::Response;
use bib_proto::v1::{ChunkHeader, ChunkRequest, ManifestRequest, SyncRequest};
use bib_replicator::{read_frame, write_frame};
use bib_swarm::protocols;
use futures::AsyncReadExt;
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn who_does_not_read_chunks_keeps_none_from_others() {
    run(async {
        let node = Node::with(1, Storage::Postgres, Full, |options| {
            (options.served_chunks, options.served_chunks_per_peer) = (4, 2);
            options.write_deadline = LONG;
        })
        .await;
        node.topic("t").await;
        let id = node.publish("t/d", 1, 6_000_000).await;
        let [greedy, honest] = [Fake::start(8, Manner::Honest, &[]).await, Fake::start(9, Manner::Honest, &[]).await];
        greedy.join(&node).await;
        honest.join(&node).await;
        let signed = node.guardian.manifest(id).await.unwrap().unwrap();
        let names = signed.manifest().chunks.iter().map(|chunk| chunk.hash.as_bytes().to_vec());
        let hashes: Vec<Vec<u8>> = names.take(100).collect();
        assert_eq!(hashes.len(), 100);

        let mut held = Vec::new();
        for _ in 0..16 {
            let mut stream = greedy.swarm.open_stream(&node.id, protocols::DATA).await.unwrap();
            write_frame(&mut stream, &ChunkRequest { hashes: hashes.clone() }, SOON).await.unwrap();
            held.push(stream);
        }
        let first: Option<ChunkHeader> = read_frame(&mut held[0], 1000, SOON).await.unwrap();
        assert!(first.is_some_and(|header| header.status == 1), "it is being sent");

        // one by one, so that each waits behind all that the other one asked for
        let mut stream = honest.swarm.open_stream(&node.id, protocols::DATA).await.unwrap();
        for hash in &hashes {
            write_frame(&mut stream, &ChunkRequest { hashes: vec![hash.clone()] }, SOON).await.unwrap();
            let header: ChunkHeader = read_frame(&mut stream, 1000, SOON).await.unwrap().unwrap();
            assert_eq!((&header.hash, header.status), (hash, 1));
            let mut bytes = vec![0; usize::try_from(header.size).unwrap()];
            tokio::time::timeout(SOON, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
        }
        drop(held);
        node.stop().await;
    });
}

#[test]
fn who_does_not_read_a_manifest_gets_no_other_and_others_do() {
    run(async {
        let node = Node::with(1, Storage::Postgres, Full, |options| {
            options.served_manifests_per_peer = 1;
            options.manifest_wait = Duration::from_millis(100);
            options.answer_deadline = LONG;
        })
        .await;
        node.topic("t").await;
        let manifest = keep("t/d", 1, store_wide(&node.chunks, 5000));
        let signed = Arc::new(SignedManifest::sign(manifest, &node.identity.signing_key()).unwrap());
        node.guardian.publish(&op(), Arc::clone(&signed), VersionState { complete: true }).await.unwrap();
        let [greedy, honest] = [Fake::start(8, Manner::Honest, &[]).await, Fake::start(9, Manner::Honest, &[]).await];
        greedy.join(&node).await;
        honest.join(&node).await;
        let wanted = || Request::Manifest(ManifestRequest { version: signed.id().as_bytes().to_vec() });
        let came = |answer: Response| match answer {
            Response::Manifest(manifest) => manifest.signed_manifest == signed.to_bytes(),
            Response::Error(error) => {
                assert_eq!(error.code, "busy");
                false
            }
            other => panic!("{other:?}"),
        };

        let mut held = greedy.swarm.open_stream(&node.id, protocols::SYNC).await.unwrap();
        write_frame(&mut held, &SyncRequest { request: Some(wanted()) }, SOON).await.unwrap();
        tokio::time::timeout(SOON, held.read_exact(&mut [0])).await.unwrap().unwrap();
        assert!(!came(greedy.ask(&node.id, wanted()).await), "one is on its way already");
        assert!(came(honest.ask(&node.id, wanted()).await), "that is nothing to others");
        drop(held);
        eventually("then it gets it", || async { came(greedy.ask(&node.id, wanted()).await) }).await;
        node.stop().await;
    });
}
