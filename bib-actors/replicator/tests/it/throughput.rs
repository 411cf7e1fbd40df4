//! How fast a version gets from one node to another, and what a large folder of small files costs. Prints figures and
//! asserts none: time is the benchmark's business.

use crate::support::{Node, Storage, keep, op, run};
use bib_chunks::{IngestOptions, SignedManifest, VersionWriter};
use bib_domain::NodeMode::{Full, Selective};
use bib_domain::VersionId;
use bib_guardian::VersionState;
use bib_kit::clock;
use std::sync::Arc;

async fn publish(node: &Node, fill: impl FnOnce(&mut VersionWriter) + Send + 'static) -> VersionId {
    let store = node.chunks.clone();
    let content = tokio::task::spawn_blocking(move || {
        let mut writer = VersionWriter::new(store, IngestOptions::default());
        fill(&mut writer);
        writer.finish().unwrap()
    });
    let manifest = keep("big/data", 1, content.await.unwrap());
    let signed = SignedManifest::sign(manifest, &node.identity.signing_key()).unwrap();
    let id = signed.id();
    node.guardian.publish(&op(), Arc::new(signed), VersionState { complete: true }).await.unwrap();
    id
}

async fn replicate(what: &str, fill: impl FnOnce(&mut VersionWriter) + Send + 'static) {
    let server = Node::start(1, Storage::Postgres, Full).await;
    let cache = Node::start(2, Storage::Sqlite, Selective).await;
    server.topic("big").await;
    server.pair(&cache, true).await;
    cache.subscribe("big").await;
    let id = publish(&server, fill).await;
    let begun = clock::monotonic();
    crate::support::eventually("it is whole", || async {
        cache.version("big/data", id).await.is_some_and(|row| row.complete)
    })
    .await;
    let took = clock::since(begun).as_secs_f64();
    let row = cache.version("big/data", id).await.unwrap();
    let rate = row.bytes as f64 / took / 1e6;
    eprintln!("{what}: {} bytes in {} chunks, {took:.2} s, {rate:.0} MB/s", row.bytes, row.chunks);
    cache.gets("big/data", id).await;
    server.stop().await;
}

fn one_file(mebibytes: u64) -> impl FnOnce(&mut VersionWriter) + Send {
    move |writer| {
        writer.begin_file("data.bin", 0o644).unwrap();
        for n in 0..mebibytes {
            writer.write(&crate::support::bytes(n, 1 << 20)).unwrap();
        }
        writer.end_file().unwrap();
    }
}

#[test]
fn one_file_of_64_mebibytes() {
    run(replicate("one file", one_file(64)));
}

#[test]
fn ten_thousand_small_files() {
    run(replicate("small files", |writer| {
        for n in 0..10_000_u64 {
            let content = crate::support::bytes(n, 4096);
            writer.file(&format!("{:02}/{n:05}", n % 100), 0o644, &mut &content[..]).unwrap();
        }
    }));
}
