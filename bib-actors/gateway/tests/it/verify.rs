//! When a verification hashes whole files besides their chunks, and that it finds all damage either way.

use crate::support::{Item, Node, Person, replicated, run, upload};
use bib_chunks::SignedManifest;
use bib_domain::VersionId;
use bib_proto::client::Client;
use bib_proto::v1::{VerifyReport, VerifyRequest, verify_response};
use std::path::PathBuf;
use std::sync::Arc;

const NAME: &str = "lab/d";
const FILES: [&str; 3] = ["flipped.bin", "missing.bin", "swapped.bin"];

async fn verify(client: &Client, content: bool) -> VerifyReport {
    let request = VerifyRequest { dataset: NAME.to_owned(), content, ..Default::default() };
    let mut parts = client.datasets().verify(request).await.unwrap().into_inner();
    while let Some(message) = parts.message().await.unwrap() {
        if let Some(verify_response::Part::Report(report)) = message.part {
            return report;
        }
    }
    panic!("no report");
}

fn bytes(seed: u64) -> Vec<u8> {
    (0..700_000_u64).map(|n| ((n * n * (seed + 3)) >> 9).to_le_bytes()[0]).collect()
}

fn items() -> Vec<Item> {
    FILES.iter().zip(0..).map(|(name, seed)| Item::file(name, bytes(seed))).collect()
}

/// Where the note of the one version lies.
fn note(node: &Node, id: VersionId) -> PathBuf {
    node.dir().join("manifests").join(&id.to_hex()[..2]).join(format!("{}.agrees", id.to_hex()))
}

/// The file of the first chunk of a file.
fn chunk(node: &Node, signed: &SignedManifest, file: &str) -> PathBuf {
    let index = signed.manifest().entry(file).unwrap().segments()[0].chunk as usize;
    let name = signed.manifest().chunks[index].hash.to_hex();
    node.dir().join("blobs").join(&name[..2]).join(&name[2..4]).join(&name)
}

async fn signed(node: &Node) -> Arc<SignedManifest> {
    let version = node.guardian.find_version(&NAME.parse().unwrap(), "").await.unwrap();
    node.guardian.manifest(version.id).await.unwrap().unwrap()
}

#[test]
fn files_of_an_own_version_are_hashed_again_only_on_demand() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        upload(&rosa, NAME, &items()).await.unwrap();
        let id = signed(&node).await.id();
        assert!(note(&node, id).exists());

        let report = verify(&rosa, false).await;
        assert!(report.ok && report.content_known, "{report:?}");
        let report = verify(&rosa, true).await;
        assert!(report.ok && !report.content_known, "{report:?}");
        let record = node.audited("dataset.verify", "ok").await;
        let hashed = record.iter().filter(|r| format!("{:?}", r.metadata).contains("content_hashed")).count();
        assert_eq!(hashed, record.len());

        std::fs::remove_file(note(&node, id)).unwrap();
        assert!(!verify(&rosa, false).await.content_known, "the note is gone, so the files are hashed");
        assert!(verify(&rosa, false).await.content_known);
    });
}

#[test]
fn damage_is_found_and_named_where_files_are_not_hashed() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        upload(&rosa, NAME, &items()).await.unwrap();
        let signed = signed(&node).await;
        let [flipped, missing, swapped] = FILES.map(|file| chunk(&node, &signed, file));
        let mut hurt = std::fs::read(&flipped).unwrap();
        std::fs::write(&swapped, &hurt).unwrap();
        hurt[1000] ^= 1;
        std::fs::write(&flipped, hurt).unwrap();
        std::fs::remove_file(&missing).unwrap();

        let report = verify(&rosa, false).await;
        assert!(!report.ok && report.content_known, "{report:?}");
        let found: Vec<_> = report.damage.iter().map(|damage| (damage.path.as_str(), damage.kind.as_str())).collect();
        assert_eq!(found, [("flipped.bin", "corrupt"), ("missing.bin", "missing"), ("swapped.bin", "corrupt")]);
        assert!(report.damage.iter().all(|damage| damage.chunk.len() >= 64), "{report:?}");
    });
}

#[test]
fn a_version_from_elsewhere_is_hashed_wholly_once() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let id = replicated(&node, NAME, &items(), false).await;
        // what is hurt says nothing about the manifest
        let path = chunk(&node, &*signed(&node).await, FILES[1]);
        let good = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!verify(&rosa, false).await.ok && !note(&node, id).exists());
        std::fs::write(&path, good).unwrap();

        let report = verify(&rosa, false).await;
        assert!(report.ok && !report.content_known, "{report:?}");
        assert!(note(&node, id).exists());
        let report = verify(&rosa, false).await;
        assert!(report.ok && report.content_known, "{report:?}");
    });
}

#[test]
fn a_publisher_who_lied_about_a_file_is_found_out_each_time() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let id = replicated(&node, NAME, &items(), true).await;
        for _ in 0..2 {
            let report = verify(&rosa, false).await;
            assert!(!report.ok && report.signature_ok && !report.content_known, "{report:?}");
            let found: Vec<_> = report.damage.iter().map(|damage| (&*damage.path, &*damage.kind)).collect();
            assert_eq!(found, [(FILES[0], "content-mismatch")]);
            assert!(!note(&node, id).exists());
        }
        // a note that is wrong, whoever made it, goes when files are hashed
        std::fs::write(note(&node, id), "").unwrap();
        assert!(!verify(&rosa, true).await.ok && !note(&node, id).exists());
    });
}
