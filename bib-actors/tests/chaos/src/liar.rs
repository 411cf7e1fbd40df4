//! A peer made of BIB's own swarm that gives what it likes: true manifests and wrong bytes, or other lies.
//!
//! It pairs with a node by ticket as any node does, offers one version of somebody else, and counts what it is asked
//! for. Its manifest and its chunks are those of an honest node, read from that node's folder.

use anyhow::{Context, anyhow, bail};
use bib_chunks::SignedManifest;
use bib_domain::backoff::Backoff;
use bib_domain::ticket::Ticket;
use bib_domain::{ChunkHash, NodeId};
use bib_kit::probe::Guard;
use bib_kit::{ChildSpec, Placement, Topic};
use bib_proto::v1::{
    AnnounceResponse, CatalogResponse, ChunkHeader, ChunkRequest, Hello, ManifestResponse, PairRequest, PairResponse,
    PeerInfo, PeerTopic, PeerVersion, SyncError, SyncRequest, SyncResponse, sync_request::Request,
    sync_response::Response,
};
use bib_replicator::{read_frame, write_frame};
use bib_swarm::{Identity, Stream, SwarmHandle, SwarmOptions, protocols};
use futures::AsyncWriteExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

const LIMIT: usize = 64 << 20;
const SOON: Duration = Duration::from_secs(60);

/// How it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Right headers, one wrong bit in each chunk.
    WrongBytes,
    /// Headers that tell another size.
    WrongSize,
    /// A manifest whose signature is broken.
    BrokenManifest,
    /// The version under another dataset's name.
    OtherDataset,
}

impl Manner {
    pub(crate) const ALL: [Self; 4] = [Self::WrongBytes, Self::BrokenManifest, Self::WrongSize, Self::OtherDataset];
}

/// What it offers.
#[derive(Clone)]
pub(crate) struct Loot {
    pub(crate) signed: Arc<SignedManifest>,
    /// The honest node's chunk store.
    pub(crate) blobs: PathBuf,
}

impl Loot {
    fn chunk(&self, hash: &ChunkHash) -> Option<Vec<u8>> {
        let hex = hash.to_hex();
        std::fs::read(self.blobs.join(&hex[..2]).join(&hex[2..4]).join(&hex)).ok()
    }
}

/// A lying peer on a thread of its own. It ends when this is dropped.
pub(crate) struct Liar {
    pub(crate) id: NodeId,
    asked: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Liar {
    /// Starts it and pairs it with the node of the ticket.
    pub(crate) fn start(seed: u8, manner: Manner, loot: Loot, ticket: &str) -> anyhow::Result<Self> {
        let ticket: Ticket = ticket.trim().parse().map_err(|error| anyhow!("the ticket: {error}"))?;
        let identity = Identity::from_seed(Zeroizing::new([seed; 32]));
        let id = identity.node_id().clone();
        let asked = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let library = Library { manner, loot, asked: Arc::clone(&asked) };
        let thread = std::thread::Builder::new().name("liar".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let Ok(runtime) = runtime else { return };
            tokio::task::LocalSet::new().block_on(&runtime, async {
                let begun = begin(identity, library, &ticket).await;
                let (guard, outcome) = match begun {
                    Ok(guard) => (Some(guard), Ok(())),
                    Err(error) => (None, Err(error)),
                };
                let _ = tell.send(outcome);
                let _ = stopped.await;
                drop(guard);
            });
        })?;
        told.recv_timeout(SOON * 2).context("the liar does not start")??;
        Ok(Self { id, asked, stop: Some(stop), thread: Some(thread) })
    }

    /// Chunks that it was asked for.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Shows the secret of a ticket to its node, as a taker would whose clock stands still: whether it is accepted.
pub(crate) fn redeem(seed: u8, ticket: &str) -> anyhow::Result<bool> {
    let ticket: Ticket = ticket.trim().parse().map_err(|error| anyhow!("the ticket: {error}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let (swarm, _guard) = swarm(Identity::from_seed(Zeroizing::new([seed; 32]))).await?;
        Ok(pair(&swarm, &ticket).await?.accepted)
    })
}

async fn swarm(identity: Identity) -> anyhow::Result<(SwarmHandle, Guard)> {
    let options = SwarmOptions {
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
        mdns: false,
        redial: Backoff { first: Duration::from_millis(50), max: Duration::from_millis(500) },
        ..SwarmOptions::default()
    };
    let spec = ChildSpec::new("swarm", 4).with_placement(Placement::Current).with_mailbox(options.mailbox);
    let (swarm, child) = bib_swarm::child(spec, identity, options, Topic::new(64));
    let mut guard = Guard::new(child);
    guard.start().await.map_err(|report| anyhow!("its swarm does not start: {}", report.exit))?;
    Ok((swarm, guard))
}

async fn begin(identity: Identity, library: Library, ticket: &Ticket) -> anyhow::Result<Guard> {
    let (swarm, guard) = swarm(identity).await?;
    let library = Arc::new(library);
    for protocol in [protocols::SYNC, protocols::DATA] {
        let mut streams = swarm.accept(protocol).await?;
        let library = Arc::clone(&library);
        tokio::spawn(async move {
            while let Some((_, stream)) = streams.recv().await {
                let library = Arc::clone(&library);
                tokio::spawn(async move {
                    if protocol == protocols::SYNC {
                        library.sync(stream).await;
                    } else {
                        library.data(stream).await;
                    }
                });
            }
        });
    }
    let answer = pair(&swarm, ticket).await?;
    if !answer.accepted {
        bail!("pairing was refused: {}", answer.reason);
    }
    swarm.set_allowed(vec![(ticket.node().clone(), ticket.addresses().to_vec())]).await?;
    Ok(guard)
}

async fn pair(swarm: &SwarmHandle, ticket: &Ticket) -> anyhow::Result<PairResponse> {
    let address = ticket.addresses().iter().find(|address| address.contains("/tcp/")).context("an address")?;
    swarm.dial(&format!("{address}/p2p/{}", ticket.node())).await?;
    let mut stream = swarm.open_stream(ticket.node(), protocols::PAIR).await?;
    let addresses = swarm.listen_addrs().await?;
    let me = PeerInfo { addresses, ..me() };
    write_frame(&mut stream, &PairRequest { secret: ticket.secret().to_vec(), me: Some(me) }, SOON).await?;
    read_frame(&mut stream, LIMIT, SOON).await?.context("no answer to pairing")
}

fn me() -> PeerInfo {
    PeerInfo { name: "liar".into(), mode: "full".into(), storage: "postgres".into(), addresses: Vec::new() }
}

fn not_found() -> Response {
    Response::Error(SyncError { code: "not-found".into(), message: "no".into() })
}

struct Library {
    manner: Manner,
    loot: Loot,
    asked: Arc<AtomicUsize>,
}

impl Library {
    async fn sync(&self, mut stream: Stream) {
        while let Ok(Some(request)) = read_frame::<SyncRequest>(&mut stream, LIMIT, SOON).await {
            let response = match request.request {
                Some(Request::Hello(_)) => Response::Hello(Hello { me: Some(me()) }),
                Some(Request::Announce(_)) => Response::Announce(AnnounceResponse {}),
                Some(Request::Catalog(request)) => self.catalog(request.after),
                Some(Request::Manifest(request)) => self.manifest(&request.version),
                // what it lies about it offers by itself
                Some(Request::Find(_) | Request::Topics(_) | Request::Datasets(_) | Request::Versions(_)) => {
                    not_found()
                }
                None => break,
            };
            if write_frame(&mut stream, &SyncResponse { response: Some(response) }, SOON).await.is_err() {
                break;
            }
        }
        let _ = stream.close().await;
    }

    fn catalog(&self, after: u64) -> Response {
        let signed = &self.loot.signed;
        let mut dataset = signed.manifest().dataset.clone();
        let topic = dataset.split('/').next().unwrap_or_default().to_owned();
        if self.manner == Manner::OtherDataset {
            dataset.push_str("-2");
        }
        let version = PeerVersion {
            dataset,
            version: signed.id().as_bytes().to_vec(),
            manifest_bytes: signed.bytes().len() as u64,
        };
        let topic = PeerTopic {
            name: topic,
            description: "told by a liar".to_owned(),
            owner: bib_swarm::peer_id_of_key(*signed.publisher()).to_string(),
            created_ms: 1,
        };
        let first = after == 0;
        Response::Catalog(CatalogResponse {
            topics: first.then_some(topic).into_iter().collect(),
            versions: first.then_some(version).into_iter().collect(),
            next: 1,
            more: false,
        })
    }

    fn manifest(&self, id: &[u8]) -> Response {
        let signed = &self.loot.signed;
        if signed.id().as_bytes() != id {
            return not_found();
        }
        let mut signed_manifest = signed.to_bytes();
        if self.manner == Manner::BrokenManifest
            && let Some(last) = signed_manifest.last_mut()
        {
            *last ^= 1;
        }
        Response::Manifest(ManifestResponse { signed_manifest })
    }

    async fn data(&self, mut stream: Stream) {
        while let Ok(Some(request)) = read_frame::<ChunkRequest>(&mut stream, LIMIT, SOON).await {
            for hash in request.hashes {
                let Ok(hash) = ChunkHash::from_slice(&hash) else { return };
                self.asked.fetch_add(1, Ordering::Relaxed);
                if !self.answer(&mut stream, &hash).await {
                    return;
                }
            }
        }
        let _ = stream.close().await;
    }

    async fn answer(&self, stream: &mut Stream, hash: &ChunkHash) -> bool {
        let (status, mut bytes) = self.loot.chunk(hash).map_or((2, Vec::new()), |bytes| (1, bytes));
        let mut size = bytes.len() as u64;
        match self.manner {
            Manner::WrongBytes => {
                if let Some(first) = bytes.first_mut() {
                    *first ^= 1;
                }
            }
            Manner::WrongSize => size += 1,
            Manner::BrokenManifest | Manner::OtherDataset => {}
        }
        let header = ChunkHeader { hash: hash.as_bytes().to_vec(), status, size };
        write_frame(stream, &header, SOON).await.is_ok()
            && stream.write_all(&bytes).await.is_ok()
            && stream.flush().await.is_ok()
    }
}
