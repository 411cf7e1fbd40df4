//! Paired peers that send what they should not: the stream ends, the node lives, others are served.

use crate::support::{Fake, Manner, Node, Storage, eventually, op, run, version};
use bib_chunks::StoreOptions;
use bib_domain::NodeMode::{Full, Selective};
use bib_guardian::VersionState;
use bib_proto::v1::sync_request::Request;
use bib_proto::v1::sync_response::Response;
use bib_proto::v1::{CatalogRequest, ChunkHeader, ChunkRequest, ManifestRequest};
use bib_replicator::{read_frame, write_frame};
use bib_swarm::protocols;
use futures::{AsyncReadExt, AsyncWriteExt};
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn malformed_frames_end_their_stream_only() {
    run(async {
        let node = Node::start(1, Storage::Postgres, Full).await;
        node.topic("t").await;
        let id = node.publish("t/d", 1, 200_000).await;
        let peer = Fake::start(9, Manner::Honest, &[]).await;
        peer.join(&node).await;

        for protocol in [protocols::SYNC, protocols::DATA, protocols::PAIR] {
            let too_long = [0xff, 0xff, 0xff, 0xff, 0x7f];
            for bytes in [&[0xff; 40][..], &[3, 0xff, 0xff, 0xff], &too_long, &[0x85]] {
                let mut stream = peer.swarm.open_stream(&node.id, protocol).await.unwrap();
                stream.write_all(bytes).await.unwrap();
                let _ = stream.close().await;
                let mut rest = Vec::new();
                let ended = tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await;
                assert!(ended.is_ok(), "{protocol} waits for ever");
                assert!(rest.is_empty(), "{protocol} answered {rest:?}");
            }
        }

        let answer = peer.ask(&node.id, Request::Manifest(ManifestRequest { version: vec![1, 2, 3] })).await;
        assert!(matches!(answer, Response::Error(error) if error.code == "not-found"));
        let answer =
            peer.ask(&node.id, Request::Catalog(CatalogRequest { after: u64::MAX, page_size: u32::MAX })).await;
        assert!(matches!(answer, Response::Error(_) | Response::Catalog(_)), "{answer:?}");
        let answer = peer.ask(&node.id, Request::Catalog(CatalogRequest { after: 0, page_size: 0 })).await;
        let Response::Catalog(page) = answer else { panic!("{answer:?}") };
        assert!(page.more && page.topics.len() + page.versions.len() >= 1, "one at a time is the least");

        serves_chunks(&node, &peer, id).await;
        node.stop().await;
    });
}

/// Many requests ahead on one stream, among them for chunks that are not there.
async fn serves_chunks(node: &Node, peer: &Fake, id: bib_domain::VersionId) {
    let signed = node.guardian.manifest(id).await.unwrap().unwrap();
    let chunks = &signed.manifest().chunks;
    let mut hashes: Vec<Vec<u8>> = chunks.iter().map(|chunk| chunk.hash.as_bytes().to_vec()).collect();
    hashes.insert(1, vec![0; 32]);
    let mut stream = peer.swarm.open_stream(&node.id, protocols::DATA).await.unwrap();
    for hash in &hashes {
        write_frame(&mut stream, &ChunkRequest { hashes: vec![hash.clone()] }, SOON).await.unwrap();
    }
    for (place, hash) in hashes.iter().enumerate() {
        let header: ChunkHeader = read_frame(&mut stream, 1000, SOON).await.unwrap().unwrap();
        assert_eq!(&header.hash, hash, "answers come in order");
        if place == 1 {
            assert_eq!((header.status, header.size), (2, 0));
            continue;
        }
        let mut bytes = vec![0; usize::try_from(header.size).unwrap()];
        stream.read_exact(&mut bytes).await.unwrap();
        let name = bib_domain::ChunkHash::from_slice(hash).unwrap();
        assert_eq!(bytes, node.chunks.read(&name).unwrap());
    }
    eventually("too many names end the stream", || async {
        let mut stream = peer.swarm.open_stream(&node.id, protocols::DATA).await.unwrap();
        let many = ChunkRequest { hashes: vec![vec![0; 32]; 5000] };
        write_frame(&mut stream, &many, SOON).await.unwrap();
        matches!(stream.read(&mut [0; 10]).await, Ok(0) | Err(_))
    })
    .await;
}

/// The manifest is in the catalogue already, from before it was looked at so closely.
#[test]
fn too_large_a_chunk_is_its_publishers_fault() {
    run(async {
        let (bad, good) = (version("t/d", 1, 500_000, 7), version("t/e", 1, 1000, 7));
        let largest = bad.signed.manifest().chunks.iter().map(|chunk| chunk.len).max().unwrap();
        let store = StoreOptions { max_chunk_bytes: largest - 1, ..StoreOptions::default() };
        let node = Node::with_store(1, Storage::Sqlite, Selective, store, |_| ()).await;
        node.topic("t").await;
        node.guardian.publish(&op(), Arc::clone(&bad.signed), VersionState { complete: false }).await.unwrap();
        let peer = Fake::start(9, Manner::Honest, &[&bad, &good]).await;
        peer.join(&node).await;
        node.subscribe("t").await;
        eventually("it says why", || async {
            let shown = node.transfer(bad.signed.id()).await;
            shown.is_some_and(|row| row.error.contains("its publisher signed"))
        })
        .await;
        node.gets("t/e", good.signed.id()).await;
        assert!(bad.chunks.keys().all(|hash| !peer.was_asked(hash)), "nothing of it is asked for");
        assert!(node.blamed(&peer.id).await.is_empty(), "who passes a manifest on has not written it");
    });
}
