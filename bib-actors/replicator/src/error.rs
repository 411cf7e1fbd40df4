//! What can go wrong in the replicator, in words that say what it means and what to do. Never carries a secret.

use crate::frame::FrameError;
use bib_audit::AuditError;
use bib_chunks::ChunkError;
use bib_domain::NodeId;
use bib_domain::ticket::TicketError;
use bib_guardian::GuardianError;
use bib_kit::{AskError, BlockingError, StartError};
use bib_swarm::SwarmError;
use std::time::Duration;

/// A failure of the replicator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicatorError {
    /// The actor could not be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The guardian refused or failed.
    #[error(transparent)]
    Guardian(#[from] GuardianError),
    /// The swarm refused or failed.
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    /// The audit log refused or failed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The chunk store refused or failed.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// A blocking call gave no result.
    #[error(transparent)]
    Blocking(#[from] BlockingError),
    /// The text is not a ticket.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// The ticket's time is over.
    #[error("the ticket expired {ago_s} seconds ago: make a new one on the other node with \"bib invite\"")]
    TicketExpired {
        /// How long ago.
        ago_s: u64,
    },
    /// The ticket was made by this node.
    #[error("this ticket was made by this node: run \"bib join TICKET\" on the other machine")]
    OwnTicket,
    /// A ticket may not be good for that long, or not at all.
    #[error("a ticket cannot be good for {asked:?}: choose up to {max:?}")]
    BadLifetime {
        /// What was asked for.
        asked: Duration,
        /// The longest.
        max: Duration,
    },
    /// This node cannot be reached by others.
    #[error(
        "this node listens on no address that another one could reach, so a ticket would be worth nothing: set p2p.listen and start again"
    )]
    NotListening,
    /// None of the ticket's addresses leads to the node that made it.
    #[error(
        "node {node} cannot be reached at any address of the ticket ({reasons}): check that bibd runs there, that its port is open, and make a new ticket if its address has changed"
    )]
    Unreachable {
        /// Who made the ticket.
        node: NodeId,
        /// What each address answered.
        reasons: String,
    },
    /// The other node did not accept.
    #[error("node {node} did not accept the ticket: {reason}")]
    PairingRefused {
        /// Who refused.
        node: NodeId,
        /// Why, in its own words.
        reason: String,
    },
    /// The exchange with a peer broke.
    #[error("the exchange with node {peer} broke ({source}): it is tried again by itself")]
    Exchange {
        /// The peer.
        peer: NodeId,
        /// What broke.
        source: FrameError,
    },
    /// A peer answered a request with a refusal.
    #[error("node {peer} answered {code}: {message}")]
    Peer {
        /// The peer.
        peer: NodeId,
        /// Its code, from the protocol.
        code: String,
        /// Its words.
        message: String,
    },
    /// Nothing more is asked of a peer: somebody ended its connection or its pairing meanwhile.
    #[error(
        "nothing more is read from node {peer}: it is not connected or not trusted any more, see \"bib node list\"; what is missing is read when it is there again"
    )]
    Parted {
        /// The peer.
        peer: NodeId,
    },
    /// A peer answered something that was not asked for.
    #[error("node {peer} does not keep to the protocol ({detail}): upgrade the older of the two nodes")]
    Protocol {
        /// The peer.
        peer: NodeId,
        /// What it did.
        detail: String,
    },
    /// A peer was caught lying.
    #[error("node {peer} was caught lying ({detail}): nothing is taken from it until it is paired anew")]
    Lied {
        /// The peer.
        peer: NodeId,
        /// What it did.
        detail: String,
    },
    /// A version that was to be fetched is not in the catalogue any more.
    #[error("the version is not in this node's catalogue any more: nothing is left to fetch")]
    Gone,
    /// Nobody is there to fetch from.
    #[error("no paired node is connected: run \"bib node list\" and \"bib node connect ADDRESS\"")]
    Alone,
    /// Chunks did not come.
    #[error("chunks could not be fetched ({detail}): connect a node that has them with \"bib node connect ADDRESS\"")]
    Unfetched {
        /// What happened last.
        detail: String,
    },
    /// Chunks did not come in time.
    #[error("chunks did not come in time: what came stays, so it is less to fetch the next time")]
    Late,
    /// This incarnation ends.
    #[error("the replicator is restarting and this call was dropped: repeat it in a moment")]
    Stopped,
}

impl ReplicatorError {
    /// The same as a start's failure. What lies beneath is not wrapped: by that, the root tells what passes by itself.
    pub(crate) fn at_start(self) -> StartError {
        match self {
            Self::Guardian(error) => error.into(),
            Self::Ask(error) => error.into(),
            error => error.into(),
        }
    }

    /// Whether the peer named in it is a liar, and what it did.
    pub(crate) fn lie(&self) -> Option<(&NodeId, &str)> {
        match self {
            Self::Lied { peer, detail } => Some((peer, detail)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_guardian::passes;

    #[test]
    fn a_start_that_met_what_passes_is_tried_again() {
        let lost = || GuardianError::Unavailable { reason: "the connection closed".to_owned() };
        let away = || AskError::Restarting { actor: "guardian" };
        for error in [lost().into(), away().into(), GuardianError::from(away()).into()] {
            let error: ReplicatorError = error;
            let text = error.to_string();
            let error = error.at_start();
            assert!(passes(&*error), "{text}");
            assert_eq!(error.to_string(), text);
        }
        let refused = GuardianError::Statement { reason: "42P01".to_owned() };
        assert!(!passes(&*ReplicatorError::from(refused).at_start()));
        assert!(!passes(&*ReplicatorError::Stopped.at_start()));
    }
}
