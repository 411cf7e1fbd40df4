//! The table of open connections: which there are with whom, and which one carries the next stream.

use crate::address::{Transport, ip_of, with_peer};
use crate::node_id::node_of;
use bib_domain::NodeId;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Agents say who they are in a line; more than this is not kept.
const MAX_AGENT_CHARS: usize = 80;

/// A node that this one is connected with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedPeer {
    /// Who it is.
    pub node_id: NodeId,
    /// The other end of the connection that carries streams, with the peer id at its end.
    pub address: String,
    /// How that connection is made.
    pub transport: Transport,
    /// Round trip in microseconds by the last ping, once there was one.
    pub rtt_us: Option<u64>,
    /// Program and version, as the node says it; empty until it said so.
    pub agent: String,
    /// Whether the node is paired with this one.
    pub paired: bool,
    /// Whether the other side made the connection.
    pub inbound: bool,
    /// How many connections there are with it.
    pub connections: usize,
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: PeerId,
    pub(crate) address: Multiaddr,
    pub(crate) inbound: bool,
    pub(crate) since: Instant,
    closing: bool,
    rtt: Option<Duration>,
    agent: String,
    failed_pings: u32,
}

/// All open connections, by id and by peer.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    by_id: HashMap<ConnectionId, Connection>,
    by_peer: HashMap<PeerId, Vec<ConnectionId>>,
}

impl Connections {
    /// Keeps a new connection; says whether it is the only open one with the peer.
    pub(crate) fn add(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: Multiaddr,
        inbound: bool,
        since: Instant,
    ) -> bool {
        let first = !self.has(&peer);
        let agent = String::new();
        let connection =
            Connection { peer, address, inbound, since, closing: false, rtt: None, agent, failed_pings: 0 };
        self.by_id.insert(id, connection);
        self.by_peer.entry(peer).or_default().push(id);
        first
    }

    /// Forgets a connection; says whether it was the last open one with the peer.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.by_id.remove(&id) else { return false };
        if let Some(ids) = self.by_peer.get_mut(&connection.peer) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_peer.remove(&connection.peer);
            }
        }
        !connection.closing && !self.has(&connection.peer)
    }

    /// Whether there is a connection with the peer that is not being closed.
    pub(crate) fn has(&self, peer: &PeerId) -> bool {
        self.best(peer, None).is_some()
    }

    /// Notes that a connection is being closed, which may take long if the other side is gone: it carries no more streams.
    /// Returns its peer if that is news.
    pub(crate) fn closing(&mut self, id: ConnectionId) -> Option<PeerId> {
        let connection = self.by_id.get_mut(&id)?;
        (!std::mem::replace(&mut connection.closing, true)).then_some(connection.peer)
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The connection for the next stream: TCP before QUIC, then the newest, since an old one may be half dead.
    pub(crate) fn best(&self, peer: &PeerId, avoid: Option<ConnectionId>) -> Option<ConnectionId> {
        let ids = self.by_peer.get(peer)?.iter().filter(|id| Some(**id) != avoid);
        ids.filter_map(|id| Some((id, self.by_id.get(id)?)))
            .filter(|(_, connection)| !connection.closing)
            .min_by_key(|(_, c)| (c.failed_pings, Transport::of(&c.address), std::cmp::Reverse(c.since)))
            .map(|(id, _)| *id)
    }

    /// The connections with one peer.
    pub(crate) fn of(&self, peer: &PeerId) -> Vec<ConnectionId> {
        self.by_peer.get(peer).cloned().unwrap_or_default()
    }

    /// Connections that `wanted` picks among those that are not being closed, and when they were made.
    pub(crate) fn filter(&self, wanted: impl Fn(&Connection) -> bool) -> Vec<(ConnectionId, Instant)> {
        let open = self.by_id.iter().filter(|(_, connection)| !connection.closing && wanted(connection));
        open.map(|(id, connection)| (*id, connection.since)).collect()
    }

    /// The same with the hosts at their other ends, the oldest first.
    pub(crate) fn by_age(&self, wanted: impl Fn(&Connection) -> bool) -> Vec<(ConnectionId, Option<IpAddr>)> {
        let mut open = self.filter(wanted);
        open.sort_unstable_by_key(|(_, since)| *since);
        let host = |id| self.by_id.get(&id).and_then(|connection: &Connection| ip_of(&connection.address));
        open.into_iter().map(|(id, _)| (id, host(id))).collect()
    }

    /// How many peers there are connections with.
    pub(crate) fn peers(&self) -> usize {
        self.by_peer.len()
    }

    /// Keeps a ping's result; returns how many failed in a row.
    pub(crate) fn pinged(&mut self, id: ConnectionId, rtt: Option<Duration>) -> u32 {
        let Some(connection) = self.by_id.get_mut(&id) else { return 0 };
        if rtt.is_some() {
            connection.rtt = rtt;
            connection.failed_pings = 0;
        } else {
            connection.failed_pings += 1;
        }
        connection.failed_pings
    }

    /// Keeps what the peer says of itself.
    pub(crate) fn identified(&mut self, id: ConnectionId, agent: &str) {
        if let Some(connection) = self.by_id.get_mut(&id) {
            // shown on terminals: no control characters
            connection.agent = agent.chars().filter(|c| !c.is_control()).take(MAX_AGENT_CHARS).collect();
        }
    }

    /// One row for each peer, ordered by id.
    pub(crate) fn rows(&self, paired: impl Fn(&PeerId) -> bool) -> Vec<ConnectedPeer> {
        let mut rows: Vec<ConnectedPeer> = self
            .by_peer
            .iter()
            .filter_map(|(peer, ids)| {
                let best = self.by_id.get(&self.best(peer, None)?)?;
                let others = ids.iter().filter_map(|id| self.by_id.get(id));
                let agent = others.map(|c| &c.agent).find(|agent| !agent.is_empty());
                Some(ConnectedPeer {
                    node_id: node_of(peer),
                    address: with_peer(&best.address, *peer),
                    transport: Transport::of(&best.address),
                    rtt_us: best.rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
                    agent: agent.cloned().unwrap_or_default(),
                    paired: paired(peer),
                    inbound: best.inbound,
                    connections: ids.len(),
                })
            })
            .collect();
        rows.sort_by(|a, b| a.node_id.cmp(&b.node_id));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_kit::clock;

    fn id(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    #[test]
    fn streams_go_over_tcp_and_over_the_newest() {
        let (mut table, peer, now) = (Connections::default(), PeerId::random(), clock::monotonic());
        let tcp: Multiaddr = "/ip4/10.0.0.1/tcp/1".parse().unwrap();
        let quic: Multiaddr = "/ip4/10.0.0.1/udp/1/quic-v1".parse().unwrap();
        assert_eq!(table.best(&peer, None), None);
        assert!(table.add(id(1), peer, quic, false, now));
        assert!(!table.add(id(2), peer, tcp.clone(), false, now));
        assert!(!table.add(id(3), peer, tcp, true, now + Duration::from_secs(1)));
        assert_eq!(table.best(&peer, None), Some(id(3)));
        assert_eq!(table.best(&peer, Some(id(3))), Some(id(2)));
        assert_eq!(table.pinged(id(3), None), 1);
        assert_eq!(table.pinged(id(2), None), 1);
        assert_eq!(table.best(&peer, None), Some(id(1)), "a silent connection comes last");
        assert_eq!(table.pinged(id(3), Some(Duration::from_micros(70))), 0);
        table.identified(id(1), "bib/1\u{1b}[2J");
        let rows = table.rows(|_| true);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].rtt_us, rows[0].connections, rows[0].inbound), (Some(70), 3, true));
        assert_eq!(rows[0].agent, "bib/1[2J");
        assert_eq!((table.closing(id(3)), table.closing(id(3))), (Some(peer), None), "closed once");
        assert_eq!(table.best(&peer, None), Some(id(1)), "nothing new goes over it");
        assert!(!table.remove(id(1)));
        assert!(table.remove(id(2)), "the last one that is open");
        assert!(!table.remove(id(2)) && !table.has(&peer) && table.len() == 1);
        assert!(table.rows(|_| true).is_empty());
        assert!(table.add(id(4), peer, "/ip4/10.0.0.1/tcp/1".parse().unwrap(), false, now));
        assert!(!table.remove(id(3)), "it was gone before");
        assert!(table.remove(id(4)) && table.len() == 0 && table.peers() == 0);
    }
}
