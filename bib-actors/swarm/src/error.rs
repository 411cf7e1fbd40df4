//! What can go wrong in the swarm, in words that say what to do. Never carries key material.

use bib_domain::NodeId;
use bib_kit::AskError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A failure of the swarm or of the node's identity.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SwarmError {
    /// The swarm actor did not take or answer the message.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The event loop of this incarnation is gone.
    #[error("the swarm is restarting and this call was dropped: repeat it in a moment")]
    Stopped,
    /// Too many calls wait for a connection.
    #[error(
        "{waiting} streams wait for a connection already, which is the limit: try again when some of them are open"
    )]
    Busy {
        /// How many wait.
        waiting: usize,
    },
    /// The text is no id of a node with an Ed25519 key.
    #[error(
        "{node:?} is not the id of a BIB node: expected a peer id of an Ed25519 key, such as 12D3KooW..., as bib status shows it"
    )]
    NotAnEd25519Node {
        /// What was given.
        node: String,
    },
    /// A protocol name that cannot be negotiated.
    #[error("{protocol:?} is not a protocol name: it begins with a slash, for example /bib/sync/1.0.0")]
    BadProtocol {
        /// What was given.
        protocol: String,
    },
    /// An address that cannot be dialed or listened on.
    #[error(
        "{address:?} is not an address of a node: {reason}. Write /ip4/192.168.1.5/tcp/4001, /dns4/host/udp/4001/quic-v1 or HOST:PORT"
    )]
    BadAddress {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address or the id is our own.
    #[error("{address} is this node itself: give the address of the other node")]
    DialSelf {
        /// What was dialed.
        address: String,
    },
    /// Another node answers at the address.
    #[error(
        "at {address} answers node {found}, not {expected}: the address belongs to another node now, or somebody stands between; ask the owner of {expected} for its present address"
    )]
    WrongPeer {
        /// What was dialed.
        address: String,
        /// Who was expected there.
        expected: NodeId,
        /// Who answered.
        found: NodeId,
    },
    /// No address of the peer is known.
    #[error(
        "no address of node {peer} is known: connect to it by address (bib node connect ADDRESS), or wait until it connects here"
    )]
    NoAddress {
        /// The node to reach.
        peer: NodeId,
    },
    /// None of the addresses answered.
    #[error("cannot connect to {target}: {reason}. Check that bibd runs there and that its port is open")]
    Unreachable {
        /// What was dialed.
        target: String,
        /// What each address answered.
        reason: String,
    },
    /// A limit on connections was reached, here or on the other side.
    #[error("no connection to {target}: {reason}; close others or raise the limits of the swarm")]
    Limit {
        /// What was dialed.
        target: String,
        /// Which limit.
        reason: String,
    },
    /// The connection closed while the stream was being opened, twice.
    #[error("the connection to node {peer} closed while a stream was being opened: it may be restarting, try again")]
    NotConnected {
        /// The other node.
        peer: NodeId,
    },
    /// The other node does not speak the protocol with us.
    #[error(
        "node {peer} refuses {protocol}: it is not paired with this node, or its version does not speak it. Pair with bib invite and bib join"
    )]
    Refused {
        /// The other node.
        peer: NodeId,
        /// What was asked for.
        protocol: String,
    },
    /// No answer in time.
    #[error("{what} took longer than {limit:?}: the other node or the way to it is slow or down, try again")]
    Timeout {
        /// What was being done.
        what: String,
        /// How long it may take.
        limit: Duration,
    },
    /// A listener could not be opened.
    #[error("cannot listen on {address}: {reason}. Stop the program that uses the port, or change p2p.listen")]
    Listen {
        /// The listen address.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// A part of libp2p could not be set up.
    #[error("cannot set up {what}: {reason}")]
    Setup {
        /// Which part.
        what: &'static str,
        /// What it said.
        reason: String,
    },
    /// The key file can be read by others.
    #[error("{} may be read by others (mode {mode:04o}), so the key of this node may be known to them: if nobody else had access, run chmod 600 on it; otherwise remove it, start again with a new identity and pair anew", path.display())]
    IdentityMode {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file is not what was written.
    #[error("{} is damaged ({reason}): restore it from a backup; without it this node cannot prove who it is, and removing it makes a new node that must be paired anew", path.display())]
    IdentityDamaged {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The key file cannot be read or written.
    #[error("cannot {what} {}: {source}; check that the data directory exists and belongs to the user that bibd runs as", path.display())]
    IdentityFile {
        /// What was being done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
}

impl SwarmError {
    /// Whether the same call may succeed in a moment without anybody's doing.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Ask(_)
                | Self::Stopped
                | Self::Busy { .. }
                | Self::Unreachable { .. }
                | Self::Limit { .. }
                | Self::NotConnected { .. }
                | Self::Timeout { .. }
        )
    }
}
