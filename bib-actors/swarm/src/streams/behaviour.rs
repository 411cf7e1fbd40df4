//! The part of the streams behaviour that lives in the event loop: it carries commands to connections.
//!
//! Never decides which connection carries a stream, and never dials.

use super::handler::{Handler, Open, ToHandler};
use crate::gate::Gate;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Streams over all connections.
pub(crate) struct Behaviour {
    gate: Arc<Gate>,
    timeout: Duration,
    commands: VecDeque<ToSwarm<Infallible, ToHandler>>,
}

impl Behaviour {
    pub(crate) const fn new(gate: Arc<Gate>, timeout: Duration) -> Self {
        Self { gate, timeout, commands: VecDeque::new() }
    }

    /// Opens a stream on one connection. If the connection is gone, `open` is dropped and its caller sees that.
    pub(crate) fn open(&mut self, peer: PeerId, connection: ConnectionId, open: Open) {
        self.tell(peer, connection, ToHandler::Open(open));
    }

    /// Makes the connection look at the gate again.
    pub(crate) fn refresh(&mut self, peer: PeerId, connection: ConnectionId) {
        self.tell(peer, connection, ToHandler::Refresh);
    }

    fn tell(&mut self, peer_id: PeerId, connection: ConnectionId, event: ToHandler) {
        let handler = NotifyHandler::One(connection);
        self.commands.push_back(ToSwarm::NotifyHandler { peer_id, handler, event });
    }

    fn handler(&self, peer: PeerId) -> Handler {
        Handler::new(peer, Arc::clone(&self.gate), self.timeout)
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        // the event loop polls the swarm after each command, so no waker is needed
        self.commands.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
