//! How the event loop reacts to what libp2p reports. Each reaction returns at once.

use crate::address::{Target, with_peer};
use crate::behaviour::BehaviourEvent;
use crate::dialer::{Job, Waiter};
use crate::error::SwarmError;
use crate::event_loop::EventLoop;
use crate::events::SwarmEvent as NodeEvent;
use crate::node_id::node_of;
use bib_domain::crowd::least_missed;
use bib_kit::clock;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, identify, mdns, ping};
use std::collections::BTreeMap;

impl EventLoop {
    pub(crate) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_established(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                tracing::debug!(peer = %peer_id, ?cause, "connection closed");
                self.on_closed(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.on_dial_failed(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { error, send_back_addr, .. } => {
                self.stats.inbound_failures += 1;
                tracing::debug!(from = %send_back_addr, %error, "inbound connection failed");
            }
            SwarmEvent::NewListenAddr { listener_id, address } => self.listeners.up(listener_id, address),
            SwarmEvent::ExpiredListenAddr { listener_id, address } => self.listeners.down(listener_id, &address),
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => self.on_listener_closed(listener_id, reason),
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener failed to accept a connection")
            }
            _ => {}
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { connection_id, info, .. }) => {
                self.connections.identified(connection_id, &info.agent_version);
            }
            BehaviourEvent::Ping(ping::Event { connection, result, peer }) => {
                if matches!(result, Err(ping::Failure::Unsupported)) {
                    // it answers, only not pings
                    return;
                }
                let failures = self.connections.pinged(connection, result.ok());
                if failures >= self.options.ping_failures.max(1) {
                    tracing::info!(%peer, failures, "connection dropped: the peer does not answer pings");
                    self.close(connection);
                }
            }
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => self.on_discovered(found),
            BehaviourEvent::Mdns(mdns::Event::Expired(gone)) => {
                for (peer, address) in gone {
                    if let Ok(target) = Target::parse(&address.to_string()) {
                        self.keeper.vanished(&peer, &target.address);
                    }
                }
            }
            _ => {}
        }
    }

    fn on_established(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let (address, inbound) = match endpoint {
            ConnectedPoint::Dialer { address, .. } => (address, false),
            ConnectedPoint::Listener { send_back_addr, .. } => (send_back_addr, true),
        };
        let address = Target::parse(&address.to_string()).map_or_else(|_| address.clone(), |target| target.address);
        tracing::debug!(%peer, %address, inbound, "connection established");
        self.stats.established += 1;
        let job = self.dialer.take(id);
        let unasked = job.as_ref().is_some_and(|job| job.peer.is_none()) && self.connections.has(&peer);
        let now = clock::monotonic();
        let first = self.connections.add(id, peer, address, inbound, now);
        self.keeper.connected(&peer, now);
        if let Some(job) = job {
            self.serve(job.waiters, peer);
        }
        // a dial by address that led to a peer we have a connection with already
        if unasked {
            self.close(id);
        }
        // streams that wait for a dial to the same peer need not wait for its end
        if let Some(other) = self.dialer.of(&peer) {
            let waiters = std::mem::take(&mut other.waiters);
            self.serve(waiters, peer);
        }
        if first {
            self.events.publish(NodeEvent::Connected(node_of(&peer)));
        }
        if inbound && !self.gate.is_paired(&peer) {
            self.make_room(id);
        }
    }

    /// Of more strangers than may be here, one gives way to the newest: the oldest of the host that has most of them.
    fn make_room(&mut self, newest: ConnectionId) {
        let strangers = self.connections.by_age(|c| c.inbound && !self.gate.is_paired(&c.peer));
        if strangers.len() <= self.options.max_unpaired {
            return;
        }
        let (newest, others): (Vec<_>, Vec<_>) = strangers.into_iter().partition(|(id, _)| *id == newest);
        let hosts: Vec<_> = others.iter().map(|(_, host)| *host).collect();
        let host = newest.first().and_then(|(_, host)| *host);
        if let Some(which) = least_missed(&hosts, host) {
            tracing::debug!(host = ?hosts[which], "an unpaired node gave way to another one");
            self.close(others[which].0);
        }
    }

    fn serve(&mut self, waiters: Vec<Waiter>, peer: PeerId) {
        for waiter in waiters {
            match waiter {
                Waiter::Dial(reply) => drop(reply.send(Ok(node_of(&peer)))),
                Waiter::Open { protocol, reply } => match self.connections.best(&peer, None) {
                    Some(connection) => self.open_on(peer, connection, protocol, reply),
                    None => drop(reply.send(Err(SwarmError::NotConnected { peer: node_of(&peer) }))),
                },
            }
        }
    }

    fn on_closed(&mut self, peer: PeerId, id: ConnectionId) {
        if self.connections.remove(id) {
            self.lost(peer);
        }
    }

    fn on_dial_failed(&mut self, id: ConnectionId, error: &DialError) {
        let Some(mut job): Option<Job> = self.dialer.take(id) else { return };
        job.note(error);
        self.attempt(job);
    }

    fn on_listener_closed(&mut self, id: ListenerId, reason: Result<(), std::io::Error>) {
        let Some(configured) = self.listeners.closed(id) else { return };
        let reason = reason.map_or_else(|error| error.to_string(), |()| "it was closed".to_owned());
        self.fatal = Some(format!("the listener on {configured} is gone: {reason}"));
    }

    fn on_discovered(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        let now = clock::monotonic();
        let mut nodes: BTreeMap<PeerId, Vec<String>> = BTreeMap::new();
        for (peer, address) in found {
            let Ok(target) = Target::parse(&address.to_string()) else { continue };
            if peer == self.me || target.peer.is_some_and(|named| named != peer) {
                continue;
            }
            nodes.entry(peer).or_default().push(with_peer(&target.address, peer));
            self.keeper.found(peer, target.address, now);
        }
        for (peer, mut addresses) in nodes {
            addresses.truncate(self.options.max_addresses_per_peer);
            self.events.publish(NodeEvent::Discovered { node_id: node_of(&peer), addresses });
        }
    }
}
