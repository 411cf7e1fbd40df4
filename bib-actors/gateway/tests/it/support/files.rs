//! Uploads and downloads as a client does them.

use super::Node;
use bib_chunks::{EntryKind, IngestOptions, Manifest, SignedManifest, VersionWriter};
use bib_domain::{ContentHash, OpContext, VersionId};
use bib_guardian::VersionState;
use bib_kit::clock;
use bib_proto::client::Client;
use bib_proto::v1::upload_request::Part;
use bib_proto::v1::{
    DownloadRequest, Entry, UploadEnd, UploadHeader, UploadRequest, UploadResponse, Version, download_response,
};
use ed25519_dalek::SigningKey;
use futures::stream;
use std::sync::Arc;
use tonic::Status;

/// One entry of an upload, with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) mode: u32,
    pub(crate) target: String,
    pub(crate) bytes: Vec<u8>,
}

impl Item {
    pub(crate) fn file(path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), kind: "file".into(), mode: 0o644, target: String::new(), bytes: bytes.into() }
    }

    pub(crate) fn directory(path: &str, mode: u32) -> Self {
        Self { path: path.into(), kind: "directory".into(), mode, target: String::new(), bytes: Vec::new() }
    }

    pub(crate) fn symlink(path: &str, target: &str) -> Self {
        Self { path: path.into(), kind: "symlink".into(), mode: 0, target: target.into(), bytes: Vec::new() }
    }
}

/// The messages of an upload.
pub(crate) fn upload_parts(header: UploadHeader, items: &[Item]) -> Vec<Part> {
    let mut parts = vec![Part::Header(header)];
    for item in items {
        parts.push(Part::Entry(Entry {
            path: item.path.clone(),
            kind: item.kind.clone(),
            size: item.bytes.len() as u64,
            mode: item.mode,
            target: item.target.clone(),
            ..Default::default()
        }));
        parts.extend(item.bytes.chunks(700_001).map(|bytes| Part::Data(bytes.to_vec())));
    }
    let bytes = items.iter().map(|item| item.bytes.len() as u64).sum();
    parts.push(Part::End(UploadEnd { entries: items.len() as u64, bytes }));
    parts
}

pub(crate) async fn send(client: &Client, parts: Vec<Part>) -> Result<UploadResponse, Status> {
    let parts = parts.into_iter().map(|part| UploadRequest { part: Some(part) });
    client.datasets().upload(stream::iter(parts)).await.map(tonic::Response::into_inner)
}

pub(crate) async fn upload(client: &Client, dataset: &str, items: &[Item]) -> Result<UploadResponse, Status> {
    let header = UploadHeader { dataset: dataset.to_owned(), ..Default::default() };
    send(client, upload_parts(header, items)).await
}

/// What came of a download.
#[derive(Debug)]
pub(crate) struct Downloaded {
    pub(crate) version: Version,
    pub(crate) items: Vec<Item>,
    pub(crate) entries: Vec<Entry>,
}

pub(crate) async fn download(client: &Client, request: DownloadRequest) -> Result<Downloaded, Status> {
    let (out, outcome) = download_so_far(client, request).await;
    outcome.map(|()| out)
}

/// What came of a download before its end, whichever it was.
pub(crate) async fn download_so_far(client: &Client, request: DownloadRequest) -> (Downloaded, Result<(), Status>) {
    let mut out = Downloaded { version: Version::default(), items: Vec::new(), entries: Vec::new() };
    let outcome = receive(client, request, &mut out).await;
    (out, outcome)
}

async fn receive(client: &Client, request: DownloadRequest, out: &mut Downloaded) -> Result<(), Status> {
    let mut parts = client.datasets().download(request).await?.into_inner();
    while let Some(message) = parts.message().await? {
        match message.part {
            Some(download_response::Part::Version(version)) => out.version = version,
            Some(download_response::Part::Entry(entry)) => {
                out.entries.push(entry.clone());
                let (path, kind, mode, target) = (entry.path, entry.kind, entry.mode, entry.target);
                out.items.push(Item { path, kind, mode, target, bytes: Vec::new() });
            }
            Some(download_response::Part::Data(bytes)) => out.items.last_mut().unwrap().bytes.extend(bytes),
            None => panic!("an empty message"),
        }
    }
    Ok(())
}

/// What another node has published, all chunks of which came here. `lie` puts a wrong hash to its first file.
pub(crate) async fn replicated(node: &Node, name: &str, items: &[Item], lie: bool) -> VersionId {
    let mut writer = VersionWriter::new(node.guardian.chunks(), IngestOptions::default());
    for item in items {
        writer.file(&item.path, item.mode, &mut item.bytes.as_slice()).unwrap();
    }
    let mut made = writer.finish().unwrap();
    if let (true, EntryKind::File { content, .. }) = (lie, &mut made.entries[0].kind) {
        *content = ContentHash::from_bytes([7; 32]);
    }
    let key = SigningKey::from_bytes(&[9; 32]);
    let manifest = Manifest {
        dataset: name.to_owned(),
        number: 1,
        created_ms: 1_700_000_000_000,
        message: String::new(),
        parents: Vec::new(),
        publisher: key.verifying_key().to_bytes(),
        chunks: made.chunks,
        entries: made.entries,
    };
    let signed = Arc::new(SignedManifest::sign(manifest, &key).unwrap());
    let op = OpContext::node(clock::new_request_id(), "replicator");
    node.guardian.publish(&op, signed, VersionState { complete: true }).await.unwrap().version.id
}
