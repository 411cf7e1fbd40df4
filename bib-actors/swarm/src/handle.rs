//! The verbs by which the rest of the node uses the swarm. Never holds a connection: each call finds the present incarnation.

use crate::actor::SwarmActor;
use crate::connections::ConnectedPeer;
use crate::error::SwarmError;
use crate::inbound::InboundStreams;
use crate::messages::{Accept, Dial, Disconnect, ListenAddrs, OpenStream, PanicInLoop, Peers, SetAllowed, Stats};
use crate::options::SwarmOptions;
use crate::stats::SwarmStats;
use bib_domain::NodeId;
use bib_kit::{FaultError, Ref, Where};
use libp2p::Stream;
use std::time::Duration;

/// Calls that only read or change the event loop's tables.
const QUICK: Duration = Duration::from_secs(5);

/// Time for the actor to answer on top of what the work itself may take.
const MARGIN: Duration = Duration::from_secs(1);

/// The swarm, for the rest of the node. Cheap to clone.
#[derive(Clone)]
pub struct SwarmHandle {
    actor: Ref<SwarmActor>,
    dial: Duration,
    open: Duration,
}

impl SwarmHandle {
    pub(crate) fn new(actor: Ref<SwarmActor>, options: &SwarmOptions) -> Self {
        Self { actor, dial: options.dial_deadline() + MARGIN, open: options.open_deadline() + MARGIN }
    }

    /// Waits until an incarnation takes calls; false if none does within the deadline.
    pub async fn ready(&self, deadline: Duration) -> bool {
        self.actor.ready(deadline).await
    }

    /// Our own addresses for others, best first: those that are announced, or else those of the network, then loopback. Each ends
    /// with `/p2p/ID`.
    ///
    /// # Errors
    /// If the swarm does not answer.
    pub async fn listen_addrs(&self) -> Result<Vec<String>, SwarmError> {
        self.actor.ask(ListenAddrs, QUICK).await?
    }

    /// Connects with whoever is at `address` (a multiaddress with or without `/p2p/ID`, or `HOST[:PORT]`) and says who it is.
    /// An unpaired node stays connected for a short time only.
    ///
    /// # Errors
    /// [`SwarmError::BadAddress`], [`SwarmError::DialSelf`], [`SwarmError::WrongPeer`] if another node than the one in the
    /// address answers, [`SwarmError::Unreachable`], [`SwarmError::Limit`], [`SwarmError::Timeout`].
    pub async fn dial(&self, address: &str) -> Result<NodeId, SwarmError> {
        self.actor.ask(Dial { address: address.to_owned() }, self.dial).await?
    }

    /// Closes all connections with a node; says whether there were any. A paired node is not dialed again until it connects
    /// here, somebody dials it or a stream to it is wanted.
    ///
    /// # Errors
    /// If the swarm does not answer.
    pub async fn disconnect(&self, peer: &NodeId) -> Result<bool, SwarmError> {
        self.actor.ask(Disconnect { peer: peer.clone() }, QUICK).await?
    }

    /// The connected nodes, ordered by id.
    ///
    /// # Errors
    /// If the swarm does not answer.
    pub async fn peers(&self) -> Result<Vec<ConnectedPeer>, SwarmError> {
        self.actor.ask(Peers, QUICK).await?
    }

    /// Opens a stream to a node, over TCP where both transports are connected. Connects first if there is no connection and
    /// addresses of the paired node are known; tries once more if the connection turns out to be gone.
    ///
    /// Dropping the future gives the stream up; the other side may have seen it open and close.
    ///
    /// # Errors
    /// [`SwarmError::NoAddress`], [`SwarmError::Unreachable`], [`SwarmError::WrongPeer`], [`SwarmError::Refused`] if the node does
    /// not offer the protocol to us, [`SwarmError::NotConnected`], [`SwarmError::Busy`], [`SwarmError::Timeout`].
    pub async fn open_stream(&self, peer: &NodeId, protocol: &'static str) -> Result<Stream, SwarmError> {
        self.actor.ask(OpenStream { peer: peer.clone(), protocol, dial: true }, self.open).await?
    }

    /// The same over a connection that there is: makes none, so that it undoes no [`disconnect`](Self::disconnect).
    ///
    /// # Errors
    /// [`SwarmError::NotConnected`], [`SwarmError::Refused`] if the node does not offer the protocol to us,
    /// [`SwarmError::Timeout`].
    pub async fn open_stream_if_connected(&self, peer: &NodeId, protocol: &'static str) -> Result<Stream, SwarmError> {
        self.actor.ask(OpenStream { peer: peer.clone(), protocol, dial: false }, self.open).await?
    }

    /// Takes the streams that others open to `protocol`, until the incarnation ends or somebody else accepts the protocol.
    /// Unpaired nodes can open [`PAIR`](crate::protocols::PAIR) only.
    ///
    /// # Errors
    /// [`SwarmError::BadProtocol`], or if the swarm does not answer.
    pub async fn accept(&self, protocol: &'static str) -> Result<InboundStreams, SwarmError> {
        self.actor.ask(Accept { protocol }, QUICK).await?
    }

    /// Replaces the list of paired nodes and their addresses. They are kept connected and may open every accepted protocol;
    /// who is not on the list any more is disconnected. To be called again after a restart of the swarm.
    ///
    /// # Errors
    /// [`SwarmError::NotAnEd25519Node`] for a bad id, or if the swarm does not answer.
    pub async fn set_allowed(&self, peers: Vec<(NodeId, Vec<String>)>) -> Result<(), SwarmError> {
        self.actor.ask(SetAllowed { peers }, QUICK).await?
    }

    /// Counters of the present incarnation.
    ///
    /// # Errors
    /// If the swarm does not answer.
    pub async fn stats(&self) -> Result<SwarmStats, SwarmError> {
        self.actor.ask(Stats, QUICK).await?
    }

    /// Makes the actor fail, where faults are enabled.
    ///
    /// # Errors
    /// If faults are not enabled or no incarnation is there to fail.
    pub fn inject_panic(&self, place: Where) -> Result<(), FaultError> {
        self.actor.inject_panic(place)
    }

    /// Makes the event loop panic, so that tests see what happens then.
    ///
    /// # Errors
    /// If the swarm does not answer.
    pub async fn panic_in_event_loop(&self) -> Result<(), SwarmError> {
        self.actor.ask(PanicInLoop, QUICK).await?
    }
}
