//! Keeps strangers from standing in the way: of the handshakes and of their connections, each host has a share.
//!
//! Identities cost nothing, so it is hosts that are counted. When there are as many strangers as may be, the event loop
//! has one give way to the newest; one that is being closed still counts here until it is gone. The overall limits are
//! those of libp2p's own behaviour; this one sees to it that they are not used up by somebody who is not paired. Never
//! denies a connection that this node asked for.

use crate::address::ip_of;
use crate::gate::Gate;
use crate::options::SwarmOptions;
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
    Strangers { limit: usize },
    #[error("{limit} connections with unpaired nodes at {host} are open already")]
    StrangersOfHost { host: IpAddr, limit: usize },
    #[error("{limit} handshakes with {host} are under way already")]
    Handshakes { host: IpAddr, limit: usize },
}

/// The limits and who is within them.
pub(crate) struct Doorman {
    gate: Arc<Gate>,
    max_unpaired: usize,
    max_unpaired_per_host: usize,
    max_pending_per_host: usize,
    pending: HashMap<ConnectionId, IpAddr>,
    inbound: HashMap<ConnectionId, (PeerId, Option<IpAddr>)>,
}

impl Doorman {
    pub(crate) fn new(gate: Arc<Gate>, options: &SwarmOptions) -> Self {
        Self {
            gate,
            max_unpaired: options.max_unpaired,
            max_unpaired_per_host: options.max_unpaired_per_host,
            max_pending_per_host: options.max_pending_per_host,
            pending: HashMap::new(),
            inbound: HashMap::new(),
        }
    }

    /// Whether one more stranger may come from this host.
    fn admit(&self, host: Option<IpAddr>) -> Result<(), Denied> {
        let strangers = self.inbound.values().filter(|(peer, _)| !self.gate.is_paired(peer));
        let hosts: Vec<Option<IpAddr>> = strangers.map(|(_, host)| *host).collect();
        // room for the newest while the one that gives way to it is being closed, which may take long
        let limit = self.max_unpaired + self.max_unpaired_per_host;
        if hosts.len() >= limit {
            return Err(Denied::Strangers { limit });
        }
        let limit = self.max_unpaired_per_host;
        match host {
            Some(host) if hosts.iter().filter(|other| **other == Some(host)).count() >= limit => {
                Err(Denied::StrangersOfHost { host, limit })
            }
            _ => Ok(()),
        }
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
            return Err(ConnectionDenied::new(Denied::Handshakes { host, limit }));
        }
        self.pending.insert(id, host);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.gate.is_paired(&peer) {
            self.admit(ip_of(remote)).map_err(ConnectionDenied::new)?;
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
                    self.inbound.insert(connection_id, (peer_id, ip_of(endpoint.get_remote_address())));
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

    fn doorman() -> Doorman {
        let options = SwarmOptions {
            max_unpaired: 3,
            max_unpaired_per_host: 2,
            max_pending_per_host: 2,
            ..SwarmOptions::default()
        };
        Doorman::new(Arc::new(Gate::new(1)), &options)
    }

    fn at(host: u8, port: usize) -> Multiaddr {
        format!("/ip4/10.0.0.{host}/tcp/{port}").parse().unwrap()
    }

    fn ask(doorman: &mut Doorman, id: usize, host: u8) -> bool {
        let remote = at(host, 1000 + id);
        doorman.handle_pending_inbound_connection(ConnectionId::new_unchecked(id), &at(1, 1), &remote).is_ok()
    }

    fn enter(doorman: &mut Doorman, id: usize, peer: PeerId, host: u8) -> bool {
        let (remote, id) = (at(host, 1000 + id), ConnectionId::new_unchecked(id));
        let admitted = doorman.handle_established_inbound_connection(id, peer, &at(1, 1), &remote).is_ok();
        if admitted {
            doorman.inbound.insert(id, (peer, ip_of(&remote)));
        }
        admitted
    }

    #[test]
    fn one_host_leaves_room_for_others() {
        let mut doorman = doorman();
        assert!(ask(&mut doorman, 1, 7) && ask(&mut doorman, 2, 7));
        assert!(!ask(&mut doorman, 3, 7));
        assert!(ask(&mut doorman, 4, 8), "another host");
        doorman.pending.remove(&ConnectionId::new_unchecked(1));
        assert!(ask(&mut doorman, 5, 7), "one of them is through");
    }

    #[test]
    fn the_strangers_of_one_host_leave_room_for_those_of_others() {
        let (mut doorman, friend) = (doorman(), PeerId::random());
        doorman.gate.set_paired([friend].into());
        assert!(enter(&mut doorman, 1, PeerId::random(), 7) && enter(&mut doorman, 2, PeerId::random(), 7));
        assert!(!enter(&mut doorman, 3, PeerId::random(), 7), "a new identity is the same host");
        assert!(enter(&mut doorman, 4, friend, 7), "friends are not counted");
        assert!(enter(&mut doorman, 5, PeerId::random(), 8));
        // one too many, so that another one can be asked to go
        assert!(enter(&mut doorman, 6, PeerId::random(), 9) && enter(&mut doorman, 7, PeerId::random(), 9));
        assert!(!enter(&mut doorman, 8, PeerId::random(), 10), "those that do not go are bounded");
        doorman.inbound.remove(&ConnectionId::new_unchecked(1));
        assert!(enter(&mut doorman, 9, PeerId::random(), 10));
    }
}
