//! Every limit, address and time of the swarm, with its default. Never reads a file: the composition root fills it in.

use bib_domain::backoff::Backoff;
use std::time::Duration;

/// How the swarm listens, whom it lets in and how long it waits.
#[derive(Debug, Clone)]
pub struct SwarmOptions {
    /// Addresses to listen on. A port of 0 is chosen by the system once and kept over restarts of the actor.
    pub listen: Vec<String>,
    /// Addresses that others are told, for a node that they reach elsewhere than where it listens; none for those that
    /// it listens on.
    pub announce: Vec<String>,
    /// Whether to look for nodes on the local network and to be found there.
    pub mdns: bool,
    /// Time between questions to the local network once somebody has answered; until then it asks more often.
    pub mdns_interval: Duration,
    /// Connections in all. Paired peers are safe from strangers by `max_unpaired`.
    pub max_connections: u32,
    /// Connections with one peer: one each way over TCP and QUIC.
    pub max_connections_per_peer: u32,
    /// Inbound connections that have not proved an identity yet.
    pub max_pending_incoming: u32,
    /// The part of them that may come from one host.
    pub max_pending_per_host: usize,
    /// Outbound connections that are being made.
    pub max_pending_outgoing: u32,
    /// Connections with nodes that are not paired, so that strangers cannot use up `max_connections`. With one more of them,
    /// the oldest of the host that has most gives way.
    pub max_unpaired: usize,
    /// The part of them that may come from one host: new identities cost nothing, so one host could have them all.
    pub max_unpaired_per_host: usize,
    /// Streams on one connection, both ways together.
    pub max_streams_per_connection: usize,
    /// Inbound streams of one connection whose protocol is not agreed yet.
    pub max_negotiating_streams: usize,
    /// An unpaired connection without a stream is dropped after this.
    pub unpaired_idle: Duration,
    /// An unpaired connection is dropped after this even if it holds a stream open.
    pub unpaired_lifetime: Duration,
    /// How long making a connection may take, with all its handshakes.
    pub connect_timeout: Duration,
    /// How long agreeing on the protocol of a stream may take.
    pub stream_timeout: Duration,
    /// How long to wait for a port that is still in use, for example by the incarnation before.
    pub bind_patience: Duration,
    /// How long to wait until a listener reports its address.
    pub listen_patience: Duration,
    /// How long closing all connections may take when the swarm stops.
    pub goodbye: Duration,
    /// Time between pings.
    pub ping_interval: Duration,
    /// How long a ping may take.
    pub ping_timeout: Duration,
    /// A connection is dropped after so many failed pings in a row, not counting the first one, which libp2p forgives.
    pub ping_failures: u32,
    /// Delays between attempts to reach a paired peer.
    pub redial: Backoff,
    /// A connection that lasted so long makes these delays begin anew; one that comes and goes does not.
    pub steady_after: Duration,
    /// Paired peers that are dialed at the same time.
    pub max_redials: usize,
    /// Paired peers in all.
    pub max_paired: usize,
    /// Addresses kept of one peer.
    pub max_addresses_per_peer: usize,
    /// Nodes and addresses remembered from discovery at the same time.
    pub max_discovered: usize,
    /// Commands waiting for the event loop.
    pub command_queue: usize,
    /// Inbound streams of one protocol waiting for their consumer; the next one is closed.
    pub inbound_queue: usize,
    /// Calls that wait for a connection to be made.
    pub max_waiting: usize,
    /// Messages in the actor's mailbox.
    pub mailbox: usize,
    /// Bytes that gather in each direction of a TCP connection, below and above TLS: more are handed on as they are.
    pub tcp_buffer: usize,
    /// Bytes that a peer may send ahead on one QUIC stream.
    pub quic_stream_window: u32,
    /// Bytes that a peer may send ahead on all streams of one QUIC connection.
    pub quic_connection_window: u32,
}

impl Default for SwarmOptions {
    fn default() -> Self {
        Self {
            listen: [
                "/ip4/0.0.0.0/tcp/4001",
                "/ip4/0.0.0.0/udp/4001/quic-v1",
                "/ip6/::/tcp/4001",
                "/ip6/::/udp/4001/quic-v1",
            ]
            .map(str::to_owned)
            .to_vec(),
            announce: Vec::new(),
            mdns: true,
            mdns_interval: Duration::from_secs(60),
            max_connections: 512,
            max_connections_per_peer: 4,
            max_pending_incoming: 128,
            max_pending_per_host: 16,
            max_pending_outgoing: 64,
            max_unpaired: 32,
            max_unpaired_per_host: 8,
            max_streams_per_connection: 256,
            max_negotiating_streams: 128,
            unpaired_idle: Duration::from_secs(10),
            unpaired_lifetime: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(8),
            stream_timeout: Duration::from_secs(10),
            bind_patience: Duration::from_secs(5),
            listen_patience: Duration::from_secs(2),
            goodbye: Duration::from_millis(250),
            ping_interval: Duration::from_secs(15),
            ping_timeout: Duration::from_secs(20),
            ping_failures: 1,
            redial: Backoff { first: Duration::from_millis(250), max: Duration::from_secs(60) },
            steady_after: Duration::from_secs(30),
            max_redials: 8,
            max_paired: 1024,
            max_addresses_per_peer: 16,
            max_discovered: 1024,
            command_queue: 256,
            inbound_queue: 64,
            max_waiting: 1024,
            mailbox: 1024,
            tcp_buffer: 64 << 10,
            quic_stream_window: 32 << 20,
            quic_connection_window: 128 << 20,
        }
    }
}

impl SwarmOptions {
    /// How long [`SwarmHandle::dial`](crate::SwarmHandle::dial) may take: TCP addresses first, then QUIC ones.
    #[must_use]
    pub fn dial_deadline(&self) -> Duration {
        self.connect_timeout * 2 + Duration::from_secs(1)
    }

    /// How long [`SwarmHandle::open_stream`](crate::SwarmHandle::open_stream) may take, with a connection made for it and
    /// one retry.
    #[must_use]
    pub fn open_deadline(&self) -> Duration {
        self.dial_deadline() + self.stream_timeout
    }
}
