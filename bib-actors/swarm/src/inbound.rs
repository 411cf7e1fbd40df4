//! The streams that other nodes open to one protocol, as their consumer sees them. Never reads from a stream.

use crate::gate::Arrival;
use bib_domain::NodeId;
use libp2p::Stream;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Inbound streams of one protocol, each with the id that the other node proved.
///
/// Ends when the swarm's incarnation ends or when another consumer accepts the same protocol: accept again then.
pub struct InboundStreams {
    receiver: mpsc::Receiver<Arrival>,
}

impl InboundStreams {
    pub(crate) const fn new(receiver: mpsc::Receiver<Arrival>) -> Self {
        Self { receiver }
    }

    /// The next stream, or `None` at the end. Cancel-safe: no stream is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<(NodeId, Stream)> {
        self.receiver.recv().await
    }
}

impl futures::Stream for InboundStreams {
    type Item = (NodeId, Stream);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx)
    }
}

impl fmt::Debug for InboundStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundStreams").field("waiting", &self.receiver.len()).finish_non_exhaustive()
    }
}
