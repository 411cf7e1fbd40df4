//! Nodes for tests: a swarm actor without a root, with short times and ports that the system chooses.

use bib_domain::NodeId;
use bib_domain::backoff::Backoff;
use bib_kit::probe::Guard;
use bib_kit::{ChildSpec, Placement, Subscription, Topic};
use bib_swarm::{Identity, InboundStreams, Stream, SwarmEvent, SwarmHandle, SwarmOptions};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::identity::Keypair;
use libp2p::swarm::{Swarm, dummy};
use libp2p::{SwarmBuilder, noise, tcp, yamux};
use std::future::Future;
use std::time::Duration;
use zeroize::Zeroizing;

/// Far more than any test needs: what takes longer hangs.
const TEST_LIMIT: Duration = Duration::from_secs(100);

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test with actors on this thread and sockets on two others.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async { tokio::time::timeout(TEST_LIMIT, test).await.unwrap() })
}

/// Waits until a condition is true.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Loopback only, no discovery, short pauses.
pub(crate) fn options() -> SwarmOptions {
    SwarmOptions {
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned(), "/ip4/127.0.0.1/udp/0/quic-v1".to_owned()],
        mdns: false,
        redial: Backoff { first: Duration::from_millis(20), max: Duration::from_millis(200) },
        ..SwarmOptions::default()
    }
}

/// A node under test.
pub(crate) struct Node {
    pub(crate) swarm: SwarmHandle,
    pub(crate) guard: Guard,
    pub(crate) id: NodeId,
    pub(crate) events: Subscription<SwarmEvent>,
}

impl Node {
    /// A node with a fixed identity and the usual options.
    pub(crate) async fn start(seed: u8) -> Self {
        Self::with(seed, options()).await
    }

    /// A node with a fixed identity.
    pub(crate) async fn with(seed: u8, options: SwarmOptions) -> Self {
        let mut node = Self::ready(seed, options);
        node.guard.start().await.unwrap();
        node
    }

    /// A node that is not started.
    pub(crate) fn ready(seed: u8, options: SwarmOptions) -> Self {
        let identity = Identity::from_seed(Zeroizing::new([seed; 32]));
        let id = identity.node_id().clone();
        let topic = Topic::new(1024);
        let events = topic.subscribe();
        let spec = ChildSpec::new("swarm", 4).with_placement(Placement::Current).with_mailbox(options.mailbox);
        let (swarm, child) = bib_swarm::child(spec, identity, options, topic);
        Self { swarm, guard: Guard::new(child), id, events }
    }

    /// The node's address over `transport`, with its id.
    pub(crate) async fn address(&self, transport: &str) -> String {
        let addresses = self.swarm.listen_addrs().await.unwrap();
        addresses.into_iter().find(|address| address.contains(&format!("/{transport}/"))).unwrap()
    }

    /// The same without the id.
    pub(crate) async fn bare_address(&self, transport: &str) -> String {
        self.address(transport).await.split("/p2p/").next().unwrap().to_owned()
    }

    /// Puts nodes on the list of paired ones, without addresses.
    pub(crate) async fn pair(&self, others: &[&Node]) {
        let list = others.iter().map(|other| (other.id.clone(), Vec::new())).collect();
        self.swarm.set_allowed(list).await.unwrap();
    }

    /// Gives every stream of `protocol` its bytes back, for as long as the incarnation lives.
    pub(crate) async fn echo(&self, protocol: &'static str) {
        let mut streams = self.swarm.accept(protocol).await.unwrap();
        tokio::spawn(async move {
            while let Some((_, stream)) = streams.recv().await {
                tokio::spawn(async move {
                    let (reader, mut writer) = stream.split();
                    drop(futures::io::copy(reader, &mut writer).await);
                    drop(writer.close().await);
                });
            }
        });
    }

    /// Whether the node is connected with another.
    pub(crate) async fn sees(&self, other: &NodeId) -> bool {
        self.swarm.peers().await.is_ok_and(|peers| peers.iter().any(|peer| peer.node_id == *other))
    }
}

/// Sends bytes through an echoing stream and checks what comes back.
pub(crate) async fn exchange(mut stream: Stream, bytes: &[u8]) {
    let (mut reader, mut writer) = (&mut stream).split();
    let send = async {
        writer.write_all(bytes).await.unwrap();
        writer.close().await.unwrap();
    };
    let mut back = Vec::new();
    let receive = reader.read_to_end(&mut back);
    let ((), received) = futures::join!(send, receive);
    received.unwrap();
    assert!(back == bytes, "{} bytes came back of {}, or others", back.len(), bytes.len());
}

/// Reads until the other side closes or resets.
pub(crate) async fn drained(mut stream: Stream) {
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest).await);
}

/// The next stream, which must come.
pub(crate) async fn next(streams: &mut InboundStreams) -> (NodeId, Stream) {
    tokio::time::timeout(PATIENCE, streams.recv()).await.unwrap().unwrap()
}

/// Two nodes that paired and are connected, the second having dialed the first.
pub(crate) async fn connected(transport: &str) -> (Node, Node) {
    let (first, second) = (Node::start(1).await, Node::start(2).await);
    first.pair(&[&second]).await;
    second.pair(&[&first]).await;
    assert_eq!(second.swarm.dial(&first.address(transport).await).await.unwrap(), first.id);
    (first, second)
}

/// A plain libp2p node that speaks no protocol, and Noise alone to secure a connection.
pub(crate) fn plain(keypair: Keypair) -> Swarm<dummy::Behaviour> {
    SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| dummy::Behaviour)
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build()
}
