//! A peer that speaks the protocols by itself, honestly or not, and counts what it was asked for.

use super::Version;
use super::library::{LIMIT, Library, Manner, SOON};
use super::node::Node;
use super::op;
use bib_domain::backoff::Backoff;
use bib_domain::ticket::Ticket;
use bib_domain::{ChunkHash, NodeId};
use bib_kit::probe::Guard;
use bib_kit::{ChildSpec, Placement, Topic};
use bib_proto::v1::{
    PairRequest, PairResponse, PeerInfo, SyncRequest, SyncResponse, sync_request::Request, sync_response::Response,
};
use bib_replicator::{read_frame, write_frame};
use bib_swarm::{Identity, SwarmHandle, SwarmOptions, protocols};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

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
            greetings: AtomicUsize::new(0),
            withheld: Mutex::default(),
            lacking: Mutex::default(),
            slow: Mutex::default(),
            thinks: Mutex::default(),
            desks: AtomicUsize::new(usize::MAX),
            at_desks: AtomicUsize::new(0),
            announced: Mutex::default(),
            lost: Mutex::default(),
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

    /// Takes a chunk away from it, as damage would.
    pub(crate) fn lose(&self, hash: ChunkHash) {
        self.library.lost.lock().unwrap().insert(hash);
    }

    /// Gives it back what it lost.
    pub(crate) fn mend(&self) {
        self.library.lost.lock().unwrap().clear();
    }

    /// Whether it was asked for a chunk.
    pub(crate) fn was_asked(&self, hash: &ChunkHash) -> bool {
        self.library.asked.lock().unwrap().contains(hash)
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
