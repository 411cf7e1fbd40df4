//! What the swarm tells the rest of the node through the router. Never asks for an answer.

use bib_domain::NodeId;

/// Something changed between this node and another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwarmEvent {
    /// The first connection with a node was made.
    Connected(NodeId),
    /// The last connection with a node is gone.
    Disconnected(NodeId),
    /// A node was found on the local network; it need not be paired.
    Discovered {
        /// Who it says it is; proved only by connecting.
        node_id: NodeId,
        /// Where it says it listens, with the peer id at the end.
        addresses: Vec<String>,
    },
}
