//! The part of the streams behaviour that lives in one connection's task. Never waits for a consumer.

use super::offer::Offer;
use crate::gate::Gate;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol};
use libp2p::{PeerId, Stream, StreamProtocol};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;

/// Why a stream was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenFailure {
    /// The other side does not offer the protocol to us.
    Refused,
    /// The other side did not answer in time.
    Timeout,
    /// The connection is gone.
    Lost,
}

/// A stream to open.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) protocol: StreamProtocol,
    pub(crate) reply: oneshot::Sender<Result<Stream, OpenFailure>>,
}

/// What the behaviour tells a connection's handler.
#[derive(Debug)]
pub(crate) enum ToHandler {
    /// Open a stream.
    Open(Open),
    /// The peer was paired or unpaired: look at the gate again.
    Refresh,
}

/// Opens streams on one connection and accepts those that the gate offers.
pub(crate) struct Handler {
    peer: PeerId,
    gate: Arc<Gate>,
    timeout: Duration,
    waiting: VecDeque<Open>,
}

impl Handler {
    pub(super) const fn new(peer: PeerId, gate: Arc<Gate>, timeout: Duration) -> Self {
        Self { peer, gate, timeout, waiting: VecDeque::new() }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = ToHandler;
    type ToBehaviour = Infallible;
    type InboundProtocol = Offer;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = oneshot::Sender<Result<Stream, OpenFailure>>;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        SubstreamProtocol::new(Offer { protocols: self.gate.offer(&self.peer) }, ()).with_timeout(self.timeout)
    }

    fn connection_keep_alive(&self) -> bool {
        self.gate.is_paired(&self.peer)
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Infallible>> {
        while let Some(open) = self.waiting.pop_front() {
            if open.reply.is_closed() {
                continue;
            }
            let protocol =
                SubstreamProtocol::new(ReadyUpgrade::new(open.protocol), open.reply).with_timeout(self.timeout);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: ToHandler) {
        match event {
            // bounded by the calls that the event loop lets wait
            ToHandler::Open(open) => self.waiting.push_back(open),
            // being polled after this event is all that is needed
            ToHandler::Refresh => {}
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<Offer, Self::OutboundProtocol, (), Self::OutboundOpenInfo>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, protocol), ..
            }) => {
                self.gate.deliver(&self.peer, &protocol, stream);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: stream, info: reply }) => {
                // a caller that gave up drops the stream, which closes it
                drop(reply.send(Ok(stream)));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: reply, error }) => {
                let failure = match error {
                    StreamUpgradeError::Timeout => OpenFailure::Timeout,
                    StreamUpgradeError::NegotiationFailed => OpenFailure::Refused,
                    StreamUpgradeError::Io(_) => OpenFailure::Lost,
                    StreamUpgradeError::Apply(never) => match never {},
                };
                drop(reply.send(Err(failure)));
            }
            _ => {}
        }
    }
}
