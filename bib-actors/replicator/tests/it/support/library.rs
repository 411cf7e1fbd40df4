//! What a peer of these tests has, and how it answers.

use super::Version;
use bib_domain::{ChunkHash, VersionId};
use bib_proto::v1::{
    AnnounceResponse, CatalogResponse, ChunkHeader, ChunkRequest, FindRequest, FindResponse, Hello, ManifestResponse,
    PeerInfo, PeerTopic, PeerVersion, SyncError, SyncRequest, SyncResponse, sync_request::Request,
    sync_response::Response,
};
use bib_replicator::{read_frame, write_frame};
use bib_swarm::Stream;
use futures::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

pub(super) const LIMIT: usize = 64 << 20;
pub(super) const SOON: Duration = Duration::from_secs(30);
/// Names that wait for their answer: more than a node asks for ahead.
const WANTED: usize = 1024;

/// What a slow line takes at once.
const PIECE: usize = 32 << 10;

/// How a peer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Honest,
    /// Right headers, wrong bytes.
    WrongBytes,
    /// Headers of another size.
    WrongSize,
    /// Takes requests and never answers.
    Silent,
    /// Answers with bytes that are no protocol.
    Garbage,
    /// Says of every chunk that it does not have it.
    Empty,
    /// Sends the manifest of another version.
    OtherManifest,
    /// Sends a manifest whose signature is broken.
    BrokenManifest,
    /// Offers its versions as another dataset.
    OtherDataset,
    /// Says that a version is a later one than it is.
    OtherNumber,
    /// Its catalogue goes on and on, and nothing is in it.
    Endless,
    /// Tells of ten new topics whenever it is asked.
    Talkative,
    /// Has another name in each greeting.
    Renamed,
    /// Finds a version that is none, later than all others, whatever is asked for.
    Bogus,
}

/// What a fake peer has, and what it saw.
pub(crate) struct Library {
    pub(super) manner: Manner,
    pub(super) versions: Mutex<Vec<Version>>,
    /// The names that were asked for, in order.
    pub(crate) asked: Mutex<Vec<ChunkHash>>,
    /// The names of chunks that were sent whole.
    pub(crate) sent: Mutex<Vec<ChunkHash>>,
    pub(crate) catalogs: Mutex<Vec<u64>>,
    pub(super) greetings: AtomicUsize,
    /// Versions whose manifests it is too busy to give.
    pub(crate) withheld: Mutex<BTreeSet<VersionId>>,
    /// Versions whose manifests it does not have.
    pub(crate) lacking: Mutex<BTreeSet<VersionId>>,
    /// Versions whose manifests it sends in pieces, with such a pause before each.
    pub(crate) slow: Mutex<BTreeMap<VersionId, Duration>>,
    /// How long it thinks about what version is meant.
    pub(crate) thinks: Mutex<Duration>,
    /// Catalogue streams that it serves at once; others are closed.
    pub(crate) desks: AtomicUsize,
    pub(super) at_desks: AtomicUsize,
    pub(crate) announced: Mutex<usize>,
    /// Chunks that it says it does not have, whatever its versions name.
    pub(super) lost: Mutex<BTreeSet<ChunkHash>>,
    /// One permit for each chunk that may still be sent.
    pub(crate) allowance: Semaphore,
    /// Data streams that are open.
    pub(super) streams: AtomicUsize,
}

impl Library {
    pub(super) async fn sync(&self, mut stream: Stream) {
        if self.at_desks.fetch_add(1, Ordering::SeqCst) < self.desks.load(Ordering::SeqCst) {
            self.answer_all(&mut stream).await;
        }
        self.at_desks.fetch_sub(1, Ordering::SeqCst);
        let _ = stream.close().await;
    }

    async fn answer_all(&self, stream: &mut Stream) {
        while let Ok(Some(request)) = read_frame::<SyncRequest>(stream, LIMIT, SOON).await {
            let mut pause = None;
            let response = match request.request {
                Some(Request::Hello(_)) => {
                    let greeting = self.greetings.fetch_add(1, Ordering::Relaxed);
                    let name = if self.manner == Manner::Renamed { format!("fake {greeting}") } else { "fake".into() };
                    let me = PeerInfo { name, mode: "full".into(), storage: "postgres".into(), addresses: vec![] };
                    Response::Hello(Hello { me: Some(me) })
                }
                Some(Request::Announce(_)) => {
                    *self.announced.lock().unwrap() += 1;
                    Response::Announce(AnnounceResponse {})
                }
                Some(Request::Catalog(request)) => self.catalog(request.after, request.page_size),
                Some(Request::Manifest(request)) => {
                    pause = VersionId::from_slice(&request.version).ok().and_then(|id| self.pause(&id));
                    self.manifest(&request.version)
                }
                Some(Request::Find(request)) => {
                    let thinks = *self.thinks.lock().unwrap();
                    tokio::time::sleep(thinks).await;
                    self.find(&request)
                }
                // as a node says that is too old to know them
                Some(Request::Topics(_) | Request::Datasets(_) | Request::Versions(_)) => {
                    Response::Error(SyncError { code: "not-found".into(), message: "no".into() })
                }
                None => break,
            };
            let response = SyncResponse { response: Some(response) };
            let sent = match pause {
                Some(pause) => drip(stream, &response, pause).await,
                None => write_frame(stream, &response, SOON).await.is_ok(),
            };
            if !sent {
                break;
            }
        }
    }

    fn pause(&self, id: &VersionId) -> Option<Duration> {
        self.slow.lock().unwrap().get(id).copied()
    }

    pub(super) fn catalog(&self, after: u64, page_size: u32) -> Response {
        let read = {
            let mut catalogs = self.catalogs.lock().unwrap();
            catalogs.push(after);
            catalogs.len()
        };
        if self.manner == Manner::Endless {
            return Response::Catalog(CatalogResponse { next: after + 1, more: true, ..CatalogResponse::default() });
        }
        if self.manner == Manner::Talkative {
            let topics = (0..10).map(|n| topic(&format!("topic-{read}-{n}"))).collect();
            return Response::Catalog(CatalogResponse { topics, next: after, ..CatalogResponse::default() });
        }
        let versions = self.versions.lock().unwrap();
        let from = usize::try_from(after).unwrap().min(versions.len());
        let to = versions.len().min(from + page_size as usize);
        let dataset = |version: &Version| match self.manner {
            Manner::OtherDataset => format!("{}-2", version.signed.manifest().dataset),
            _ => version.signed.manifest().dataset.clone(),
        };
        let offered = versions[from..to].iter().map(|version| PeerVersion {
            dataset: dataset(version),
            version: version.signed.id().as_bytes().to_vec(),
            manifest_bytes: version.signed.bytes().len() as u64,
        });
        let topics = versions[from..to]
            .iter()
            .map(|version| topic(version.signed.manifest().dataset.split('/').next().unwrap()));
        let more = to < versions.len();
        Response::Catalog(CatalogResponse {
            topics: topics.collect(),
            versions: offered.collect(),
            next: to as u64,
            more,
        })
    }

    pub(super) fn find(&self, request: &FindRequest) -> Response {
        if self.manner == Manner::Bogus {
            let dataset = request.dataset.clone();
            let version = PeerVersion { dataset, version: vec![0x5a; 32], manifest_bytes: 100 };
            return Response::Find(FindResponse { version: Some(version), number: u64::MAX, created_ms: i64::MAX });
        }
        let versions = self.versions.lock().unwrap();
        let fits = |version: &&Version| {
            let manifest = version.signed.manifest();
            let selected = request.version.is_empty()
                || request.version == manifest.number.to_string()
                || version.signed.id().to_hex().starts_with(&request.version);
            manifest.dataset == request.dataset && selected
        };
        let Some(found) = versions.iter().filter(fits).max_by_key(|version| version.signed.manifest().number) else {
            return Response::Error(SyncError { code: "not-found".into(), message: "no".into() });
        };
        let manifest = found.signed.manifest();
        let version = PeerVersion {
            dataset: manifest.dataset.clone(),
            version: found.signed.id().as_bytes().to_vec(),
            manifest_bytes: found.signed.bytes().len() as u64,
        };
        let number = manifest.number + u64::from(self.manner == Manner::OtherNumber);
        Response::Find(FindResponse { version: Some(version), number, created_ms: manifest.created_ms })
    }

    pub(super) fn manifest(&self, id: &[u8]) -> Response {
        let is_in = |some: &Mutex<BTreeSet<VersionId>>| some.lock().unwrap().iter().any(|one| one.as_bytes() == id);
        if is_in(&self.withheld) {
            return Response::Error(SyncError { code: "busy".into(), message: "ask again in a moment".into() });
        }
        let versions = self.versions.lock().unwrap();
        let wanted =
            |version: &&Version| (version.signed.id().as_bytes() == id) != (self.manner == Manner::OtherManifest);
        let Some(version) = versions.iter().find(wanted).filter(|_| !is_in(&self.lacking)) else {
            return Response::Error(SyncError { code: "not-found".into(), message: "no".into() });
        };
        let mut signed_manifest = version.signed.to_bytes();
        if self.manner == Manner::BrokenManifest {
            *signed_manifest.last_mut().unwrap() ^= 1;
        }
        Response::Manifest(ManifestResponse { signed_manifest })
    }

    /// Answers until the other end is gone: what is allowed is not used up for whoever does not listen any more.
    pub(super) async fn data(&self, stream: Stream) {
        self.streams.fetch_add(1, Ordering::Relaxed);
        let (mut reader, mut writer) = stream.split();
        let (wants, mut wanted) = mpsc::channel(WANTED);
        let reading = async {
            while let Ok(Some(request)) = read_frame::<ChunkRequest>(&mut reader, LIMIT, Duration::MAX).await {
                for hash in request.hashes {
                    let _ = wants.send(ChunkHash::from_slice(&hash).unwrap()).await;
                }
            }
        };
        let answering = async {
            while let Some(hash) = wanted.recv().await {
                self.asked.lock().unwrap().push(hash);
                if !self.answer(&mut writer, hash).await {
                    return;
                }
            }
        };
        tokio::select! { () = reading => {}, () = answering => {} }
        let _ = writer.close().await;
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) async fn answer(&self, stream: &mut (impl AsyncWrite + Unpin), hash: ChunkHash) -> bool {
        self.allowance.acquire().await.unwrap().forget();
        let bytes = self.versions.lock().unwrap().iter().find_map(|version| version.chunks.get(&hash).cloned());
        let lost = self.manner == Manner::Empty || self.lost.lock().unwrap().contains(&hash);
        let (status, mut bytes) = match bytes {
            Some(bytes) if !lost => (1, bytes),
            _ => (2, Vec::new()),
        };
        let mut size = bytes.len() as u64;
        match self.manner {
            Manner::WrongBytes => bytes[0] ^= 1,
            Manner::WrongSize => size += 1,
            Manner::Silent => std::future::pending().await,
            Manner::Garbage => return stream.write_all(&[0xff; 64]).await.is_ok() && stream.flush().await.is_ok(),
            _ => {}
        }
        let header = ChunkHeader { hash: hash.as_bytes().to_vec(), status, size };
        let sent = write_frame(stream, &header, SOON).await.is_ok()
            && stream.write_all(&bytes).await.is_ok()
            && stream.flush().await.is_ok();
        if sent && status == 1 {
            self.sent.lock().unwrap().push(hash);
        }
        sent
    }
}

/// Sends an answer in pieces.
async fn drip(stream: &mut Stream, response: &SyncResponse, pause: Duration) -> bool {
    for piece in response.encode_length_delimited_to_vec().chunks(PIECE) {
        tokio::time::sleep(pause).await;
        if stream.write_all(piece).await.is_err() || stream.flush().await.is_err() {
            return false;
        }
    }
    true
}

fn topic(name: &str) -> PeerTopic {
    PeerTopic {
        name: name.to_owned(),
        description: "told by a fake".to_owned(),
        owner: "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN".to_owned(),
        created_ms: 1,
    }
}
