//! Keeps strangers from standing in the way: a share of the handshakes for each host, a share of the connections for all.
//!
//! The overall limits are those of libp2p's own behaviour; this one sees to it that they are not used up by somebody who
//! is not paired. Never denies a connection that this node asked for.

use crate::address::ip_of;
use crate::gate::Gate;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, ListenFailure, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Why a connection was turned away.
#[derive(Debug, thiserror::Error)]
enum Denied {
    #[error("{limit} connections with unpaired nodes are open already")]
    TooManyStrangers { limit: usize },
    #[error("{limit} handshakes with {host} are under way already")]
    TooManyHandshakes { host: IpAddr, limit: usize },
}

/// The limits and who is within them.
pub(crate) struct Doorman {
    gate: Arc<Gate>,
    max_unpaired: usize,
    max_pending_per_host: usize,
    pending: HashMap<ConnectionId, IpAddr>,
    inbound: HashMap<ConnectionId, PeerId>,
}

impl Doorman {
    pub(crate) fn new(gate: Arc<Gate>, max_unpaired: usize, max_pending_per_host: usize) -> Self {
        Self { gate, max_unpaired, max_pending_per_host, pending: HashMap::new(), inbound: HashMap::new() }
    }
}

impl NetworkBehaviour for Doorman {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(host) = ip_of(remote) else { return Ok(()) };
        let limit = self.max_pending_per_host;
        if self.pending.values().filter(|other| **other == host).count() >= limit {
            return Err(ConnectionDenied::new(Denied::TooManyHandshakes { host, limit }));
        }
        self.pending.insert(id, host);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.gate.is_paired(&peer) {
            let limit = self.max_unpaired;
            if self.inbound.values().filter(|peer| !self.gate.is_paired(peer)).count() >= limit {
                return Err(ConnectionDenied::new(Denied::TooManyStrangers { limit }));
            }
        }
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, endpoint, .. }) => {
                self.pending.remove(&connection_id);
                if endpoint.is_listener() {
                    self.inbound.insert(connection_id, peer_id);
                }
            }
            FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.pending.remove(&connection_id);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.inbound.remove(&connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(doorman: &mut Doorman, id: usize, host: u8) -> bool {
        let local = "/ip4/10.0.0.1/tcp/1".parse().unwrap();
        let remote = format!("/ip4/10.0.0.{host}/tcp/{}", 1000 + id).parse().unwrap();
        doorman.handle_pending_inbound_connection(ConnectionId::new_unchecked(id), &local, &remote).is_ok()
    }

    #[test]
    fn one_host_leaves_room_for_others() {
        let mut doorman = Doorman::new(Arc::new(Gate::new(1)), 1, 2);
        assert!(ask(&mut doorman, 1, 7) && ask(&mut doorman, 2, 7));
        assert!(!ask(&mut doorman, 3, 7));
        assert!(ask(&mut doorman, 4, 8), "another host");
        doorman.pending.remove(&ConnectionId::new_unchecked(1));
        assert!(ask(&mut doorman, 5, 7), "one of them is through");
    }
}
