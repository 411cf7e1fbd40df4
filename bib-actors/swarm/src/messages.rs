//! The messages that the swarm actor takes. Others use [`SwarmHandle`](crate::SwarmHandle)'s verbs, never these.

use crate::connections::ConnectedPeer;
use crate::error::SwarmError;
use crate::inbound::InboundStreams;
use crate::stats::SwarmStats;
use bib_domain::NodeId;
use bib_kit::Message;
use libp2p::Stream;

/// Open a stream to a node.
#[derive(Debug)]
pub(crate) struct OpenStream {
    pub(crate) peer: NodeId,
    pub(crate) protocol: &'static str,
    /// Whether to connect first if there is no connection.
    pub(crate) dial: bool,
}

impl Message for OpenStream {
    type Reply = Result<Stream, SwarmError>;
}

/// Become the consumer of a protocol.
#[derive(Debug)]
pub(crate) struct Accept {
    pub(crate) protocol: &'static str,
}

impl Message for Accept {
    type Reply = Result<InboundStreams, SwarmError>;
}

/// Connect with whoever is at an address.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) address: String,
}

impl Message for Dial {
    type Reply = Result<NodeId, SwarmError>;
}

/// Close the connections with a node.
#[derive(Debug)]
pub(crate) struct Disconnect {
    pub(crate) peer: NodeId,
}

impl Message for Disconnect {
    type Reply = Result<bool, SwarmError>;
}

/// List the connected nodes.
#[derive(Debug)]
pub(crate) struct Peers;

impl Message for Peers {
    type Reply = Result<Vec<ConnectedPeer>, SwarmError>;
}

/// List our own addresses.
#[derive(Debug)]
pub(crate) struct ListenAddrs;

impl Message for ListenAddrs {
    type Reply = Result<Vec<String>, SwarmError>;
}

/// Replace the list of paired nodes.
#[derive(Debug)]
pub(crate) struct SetAllowed {
    pub(crate) peers: Vec<(NodeId, Vec<String>)>,
}

impl Message for SetAllowed {
    type Reply = Result<(), SwarmError>;
}

/// Count.
#[derive(Debug)]
pub(crate) struct Stats;

impl Message for Stats {
    type Reply = Result<SwarmStats, SwarmError>;
}

/// Make the event loop panic: for tests of what happens then.
#[derive(Debug)]
pub(crate) struct PanicInLoop;

impl Message for PanicInLoop {
    type Reply = Result<(), SwarmError>;
}
