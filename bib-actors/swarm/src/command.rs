//! What the actor asks of the event loop. Never crosses the node: these are not messages.

use crate::connections::ConnectedPeer;
use crate::error::SwarmError;
use crate::stats::SwarmStats;
use bib_domain::NodeId;
use libp2p::swarm::ConnectionId;
use libp2p::{PeerId, Stream, StreamProtocol};
use tokio::sync::oneshot;

/// Where the outcome of a dial goes.
pub(crate) type DialReply = oneshot::Sender<Result<NodeId, SwarmError>>;

/// Where a stream goes, or why there is none.
pub(crate) type StreamReply = oneshot::Sender<Result<Opening, SwarmError>>;

/// A stream that a connection was asked to open.
pub(crate) struct Opening {
    /// The connection that was chosen.
    pub(crate) connection: ConnectionId,
    /// Its answer. A dropped sender means that the connection is gone.
    pub(crate) outcome: oneshot::Receiver<Result<Stream, crate::streams::OpenFailure>>,
}

/// A command to the event loop; a dropped reply means that the caller gave up.
pub(crate) enum Command {
    /// Open a stream to `peer`, over another connection than `avoid`; connect first only if `dial` says so.
    Open { peer: PeerId, protocol: StreamProtocol, avoid: Option<ConnectionId>, dial: bool, reply: StreamReply },
    /// Connect with whoever is at an address.
    Dial { address: String, reply: DialReply },
    /// Close all connections with a peer and leave it alone.
    Disconnect { peer: PeerId, reply: oneshot::Sender<bool> },
    /// List the connected peers.
    Peers { reply: oneshot::Sender<Vec<ConnectedPeer>> },
    /// List our own addresses.
    ListenAddrs { reply: oneshot::Sender<Vec<String>> },
    /// Replace the list of paired peers.
    SetAllowed { peers: Vec<(PeerId, Vec<String>)>, reply: oneshot::Sender<()> },
    /// Count.
    Stats { reply: oneshot::Sender<SwarmStats> },
    /// Fail on purpose.
    Panic,
}
