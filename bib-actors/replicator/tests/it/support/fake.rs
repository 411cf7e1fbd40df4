//! A peer that speaks the protocols by itself, honestly or not, and counts what it was asked for.

use super::Version;
use super::node::Node;
use super::op;
use bib_domain::backoff::Backoff;
use bib_domain::ticket::Ticket;
use bib_domain::{ChunkHash, NodeId};
use bib_kit::probe::Guard;
use bib_kit::{ChildSpec, Placement, Topic};
use bib_proto::v1::{
    AnnounceResponse, CatalogResponse, ChunkHeader, ChunkRequest, FindRequest, FindResponse, Hello, ManifestResponse,
    PairRequest, PairResponse, PeerInfo, PeerTopic, PeerVersion, SyncError, SyncRequest, SyncResponse,
    sync_request::Request, sync_response::Response,
};
use bib_replicator::{read_frame, write_frame};
use bib_swarm::{Identity, Stream, SwarmHandle, SwarmOptions, protocols};
use futures::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use zeroize::Zeroizing;

const LIMIT: usize = 64 << 20;
const SOON: Duration = Duration::from_secs(30);
/// Names that wait for their answer: more than a node asks for ahead.
const WANTED: usize = 1024;

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
}

/// What a fake peer has, and what it saw.
pub(crate) struct Library {
    manner: Manner,
    versions: Mutex<Vec<Version>>,
    /// The names that were asked for, in order.
    pub(crate) asked: Mutex<Vec<ChunkHash>>,
    /// The names of chunks that were sent whole.
    pub(crate) sent: Mutex<Vec<ChunkHash>>,
    pub(crate) catalogs: Mutex<Vec<u64>>,
    pub(crate) announced: Mutex<usize>,
    /// One permit for each chunk that may still be sent.
    pub(crate) allowance: Semaphore,
    /// Data streams that are open.
    streams: AtomicUsize,
}

/// A fake peer.
pub(crate) struct Fake {
    pub(crate) id: NodeId,
    pub(crate) swarm: SwarmHandle,
    pub(crate) library: Arc<Library>,
    _guard: Guard,
}

impl Fake {
    /// A peer that has these versions.
    pub(crate) async fn start(seed: u8, manner: Manner, versions: &[&Version]) -> Self {
        let identity = Identity::from_seed(Zeroizing::new([seed; 32]));
        let id = identity.node_id().clone();
        let options = SwarmOptions {
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            mdns: false,
            redial: Backoff { first: Duration::from_millis(20), max: Duration::from_millis(200) },
            ..SwarmOptions::default()
        };
        let spec = ChildSpec::new("swarm", 4).with_placement(Placement::Current).with_mailbox(options.mailbox);
        let (swarm, child) = bib_swarm::child(spec, identity, options, Topic::new(64));
        let mut guard = Guard::new(child);
        guard.start().await.unwrap();
        let library = Arc::new(Library {
            manner,
            versions: Mutex::new(versions.iter().map(|version| (*version).clone()).collect()),
            asked: Mutex::default(),
            sent: Mutex::default(),
            catalogs: Mutex::default(),
            announced: Mutex::default(),
            allowance: Semaphore::new(Semaphore::MAX_PERMITS),
            streams: AtomicUsize::new(0),
        });
        for protocol in [protocols::SYNC, protocols::DATA] {
            let mut streams = swarm.accept(protocol).await.unwrap();
            let library = Arc::clone(&library);
            tokio::spawn(async move {
                while let Some((_, stream)) = streams.recv().await {
                    let library = Arc::clone(&library);
                    tokio::spawn(async move {
                        if protocol == protocols::SYNC {
                            library.sync(stream).await
                        } else {
                            library.data(stream).await
                        }
                    });
                }
            });
        }
        Self { id, swarm, library, _guard: guard }
    }

    /// Pairs with a node, as a node of ours would.
    pub(crate) async fn join(&self, node: &Node) {
        let invite = node.replicator.create_invite(&op(), SOON).await.unwrap();
        let ticket: Ticket = invite.ticket.parse().unwrap();
        let response = self.show(&ticket, ticket.secret()).await;
        assert!(response.accepted, "{}", response.reason);
        self.swarm.set_allowed(vec![(ticket.node().clone(), ticket.addresses().to_vec())]).await.unwrap();
    }

    /// Shows a secret to the node of a ticket.
    pub(crate) async fn show(&self, ticket: &Ticket, secret: &[u8]) -> PairResponse {
        let address = format!("{}/p2p/{}", ticket.addresses()[0], ticket.node());
        self.swarm.dial(&address).await.unwrap();
        let mut stream = self.swarm.open_stream(ticket.node(), protocols::PAIR).await.unwrap();
        let addresses = self.swarm.listen_addrs().await.unwrap();
        let me = PeerInfo { name: "fake".into(), mode: "full".into(), storage: "postgres".into(), addresses };
        let request = PairRequest { secret: secret.to_vec(), me: Some(me) };
        write_frame(&mut stream, &request, SOON).await.unwrap();
        read_frame(&mut stream, LIMIT, SOON).await.unwrap().unwrap()
    }

    /// Sends one request on a catalogue stream.
    pub(crate) async fn ask(&self, node: &NodeId, request: Request) -> Response {
        let mut stream = self.swarm.open_stream(node, protocols::SYNC).await.unwrap();
        write_frame(&mut stream, &SyncRequest { request: Some(request) }, SOON).await.unwrap();
        let answer: SyncResponse = read_frame(&mut stream, LIMIT, SOON).await.unwrap().unwrap();
        answer.response.unwrap()
    }

    /// Adds a version to what it has, and does not tell.
    pub(crate) fn add(&self, version: &Version) {
        self.library.versions.lock().unwrap().push(version.clone());
    }

    /// How many chunks were sent whole.
    pub(crate) fn sent(&self) -> usize {
        self.library.sent.lock().unwrap().len()
    }

    /// The different chunks that were sent whole.
    pub(crate) fn sent_names(&self) -> BTreeSet<ChunkHash> {
        self.library.sent.lock().unwrap().iter().copied().collect()
    }

    /// Whether no data stream is open: who had some is gone, and it has noticed.
    pub(crate) fn is_idle(&self) -> bool {
        self.library.streams.load(Ordering::Relaxed) == 0
    }

    /// Lets it send only `chunks` more.
    pub(crate) fn allow_only(&self, chunks: usize) {
        self.library.allowance.forget_permits(Semaphore::MAX_PERMITS);
        self.library.allowance.add_permits(chunks);
    }

    /// Lets it send as much as it likes.
    pub(crate) fn allow_all(&self) {
        self.library.allowance.add_permits(1_000_000);
    }
}

impl Library {
    async fn sync(&self, mut stream: Stream) {
        while let Ok(Some(request)) = read_frame::<SyncRequest>(&mut stream, LIMIT, SOON).await {
            let response = match request.request {
                Some(Request::Hello(_)) => {
                    let me = PeerInfo {
                        name: "fake".into(),
                        mode: "full".into(),
                        storage: "postgres".into(),
                        addresses: vec![],
                    };
                    Response::Hello(Hello { me: Some(me) })
                }
                Some(Request::Announce(_)) => {
                    *self.announced.lock().unwrap() += 1;
                    Response::Announce(AnnounceResponse {})
                }
                Some(Request::Catalog(request)) => self.catalog(request.after, request.page_size),
                Some(Request::Manifest(request)) => self.manifest(&request.version),
                Some(Request::Find(request)) => self.find(&request),
                // as a node says that is too old to know them
                Some(Request::Topics(_) | Request::Datasets(_) | Request::Versions(_)) => {
                    Response::Error(SyncError { code: "not-found".into(), message: "no".into() })
                }
                None => break,
            };
            if write_frame(&mut stream, &SyncResponse { response: Some(response) }, SOON).await.is_err() {
                break;
            }
        }
        let _ = stream.close().await;
    }

    fn catalog(&self, after: u64, page_size: u32) -> Response {
        self.catalogs.lock().unwrap().push(after);
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
        let topics = versions[from..to].iter().map(|version| PeerTopic {
            name: version.signed.manifest().dataset.split('/').next().unwrap().to_owned(),
            description: "told by a fake".to_owned(),
            owner: "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN".to_owned(),
            created_ms: 1,
        });
        let more = to < versions.len();
        Response::Catalog(CatalogResponse {
            topics: topics.collect(),
            versions: offered.collect(),
            next: to as u64,
            more,
        })
    }

    fn find(&self, request: &FindRequest) -> Response {
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

    fn manifest(&self, id: &[u8]) -> Response {
        let versions = self.versions.lock().unwrap();
        let wanted =
            |version: &&Version| (version.signed.id().as_bytes() == id) != (self.manner == Manner::OtherManifest);
        let Some(version) = versions.iter().find(wanted) else {
            return Response::Error(SyncError { code: "not-found".into(), message: "no".into() });
        };
        let mut signed_manifest = version.signed.to_bytes();
        if self.manner == Manner::BrokenManifest {
            *signed_manifest.last_mut().unwrap() ^= 1;
        }
        Response::Manifest(ManifestResponse { signed_manifest })
    }

    /// Answers until the other end is gone: what is allowed is not used up for whoever does not listen any more.
    async fn data(&self, stream: Stream) {
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

    async fn answer(&self, stream: &mut (impl AsyncWrite + Unpin), hash: ChunkHash) -> bool {
        self.allowance.acquire().await.unwrap().forget();
        let bytes = self.versions.lock().unwrap().iter().find_map(|version| version.chunks.get(&hash).cloned());
        let (status, mut bytes) = match bytes {
            Some(bytes) if self.manner != Manner::Empty => (1, bytes),
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
