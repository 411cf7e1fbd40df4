//! Files of an earlier version, taken over without their bytes.

use crate::support::{Item, Node, Person, download, replicated, run, said, send, upload};
use bib_domain::VersionId;
use bib_proto::client::Client;
use bib_proto::v1::upload_request::Part;
use bib_proto::v1::{DownloadRequest, Entry, KeptFile, UploadEnd, UploadHeader, UploadResponse};
use tonic::{Code, Status};

const NAME: &str = "lab/d";

fn items() -> Vec<Item> {
    let noise = (0..6_000_000_u64).map(|n| ((n * n * 7) >> 9).to_le_bytes()[0]).collect::<Vec<_>>();
    vec![Item::file("big.bin", noise), Item::file("small.txt", "few bytes"), Item::file("t.csv", "a,b\n1,2\n3,4\n")]
}

/// Uploads `kept` out of `base`, and `new` with its bytes.
async fn next(client: &Client, base: &str, kept: &[&str], new: &Item) -> Result<UploadResponse, Status> {
    let header = UploadHeader { dataset: NAME.to_owned(), base: base.to_owned(), ..Default::default() };
    let mut parts = vec![Part::Header(header)];
    parts.extend(kept.iter().map(|path| Part::Kept(KeptFile { path: (*path).to_owned(), mode: 0o600 })));
    let size = new.bytes.len() as u64;
    let (path, kind) = (new.path.clone(), new.kind.clone());
    parts.push(Part::Entry(Entry { path, kind, size, mode: new.mode, ..Default::default() }));
    parts.push(Part::Data(new.bytes.clone()));
    parts.push(Part::End(UploadEnd { entries: kept.len() as u64 + 1, bytes: size }));
    send(client, parts).await
}

fn note(node: &Node, id: &str) -> std::path::PathBuf {
    let hex = id.parse::<VersionId>().unwrap().to_hex();
    node.dir().join("manifests").join(&hex[..2]).join(format!("{hex}.agrees"))
}

#[test]
fn kept_files_are_there_as_they_were() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let first = upload(&rosa, NAME, &items()).await.unwrap().version.unwrap();
        let new = Item::file("new.txt", "more");
        let answer = next(&rosa, &first.id, &["t.csv", "big.bin"], &new).await.unwrap();
        assert_eq!((answer.kept_files, answer.new_bytes, answer.created), (2, 4, true));
        let version = answer.version.unwrap();
        assert_eq!((version.parents, version.files, version.rows), (vec![first.id.clone()], 3, 2));

        let got = download(&rosa, DownloadRequest { dataset: NAME.into(), ..Default::default() }).await.unwrap();
        let mut wanted = [items()[0].clone(), new, items()[2].clone()];
        (wanted[0].mode, wanted[2].mode) = (0o600, 0o600);
        assert_eq!(got.items, wanted);
        assert_eq!(got.entries[2].schema.as_ref().unwrap().columns.len(), 2);
        assert!(note(&node, &version.id).exists(), "the base was hashed here, so this one agrees as well");

        // the same files again are no new version, whichever way they come
        let again = next(&rosa, &version.id, &["t.csv", "big.bin"], &Item::file("new.txt", "more")).await.unwrap();
        assert_eq!((again.created, again.version.unwrap().id), (false, version.id));
    });
}

#[test]
fn what_cannot_be_kept_is_said_and_nothing_is_published() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let first = upload(&rosa, NAME, &items()).await.unwrap().version.unwrap();
        let other = upload(&rosa, "lab/other", &[Item::file("x", "1")]).await.unwrap().version.unwrap();
        let before = node.guardian.counts().await.unwrap().versions;
        let new = Item::file("new.txt", "more");
        let unknown = format!("sha256:{}", "ab".repeat(32));
        let gone = (Code::FailedPrecondition, "BASE_GONE".to_owned());
        for (base, path) in
            [(unknown.as_str(), "t.csv"), (other.id.as_str(), "x"), ("", "t.csv"), (first.id.as_str(), "nowhere")]
        {
            let refused = next(&rosa, base, &[path], &new).await.unwrap_err();
            assert_eq!(said(&refused), gone, "{path} of {base}: {}", refused.message());
        }
        assert_eq!(said(&next(&rosa, "no hash", &["t.csv"], &new).await.unwrap_err()).1, "BAD_HASH");

        // a chunk that is not here any more
        let blobs = node.dir().join("blobs");
        let id = first.id.parse::<VersionId>().unwrap();
        let signed = node.guardian.manifest(id).await.unwrap().unwrap();
        let index = signed.manifest().entry("t.csv").unwrap().segments()[0].chunk as usize;
        let name = signed.manifest().chunks[index].hash.to_hex();
        std::fs::remove_file(blobs.join(&name[..2]).join(&name[2..4]).join(&name)).unwrap();
        let refused = next(&rosa, &first.id, &["t.csv"], &new).await.unwrap_err();
        assert_eq!(said(&refused), gone, "{}", refused.message());
        assert!(refused.message().contains("t.csv"), "{}", refused.message());
        assert_eq!(node.guardian.counts().await.unwrap().versions, before);
    });
}

#[test]
fn a_version_made_of_what_nobody_hashed_here_is_not_taken_for_agreed() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let base = replicated(&node, NAME, &items(), false).await.to_string();
        let rosa = node.client(Person::Rosa).await;
        let new = Item::file("new.txt", "more");
        let made = next(&rosa, &base, &["big.bin"], &new).await.unwrap().version.unwrap();
        assert!(!note(&node, &made.id).exists());
        let sent = next(&rosa, &base, &[], &new).await.unwrap().version.unwrap();
        assert!(note(&node, &sent.id).exists(), "nothing was kept");
    });
}
