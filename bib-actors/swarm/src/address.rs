//! Addresses of nodes: parsing, order of preference, and how they are shown. Never resolves a name.

use crate::error::SwarmError;
use crate::node_id::node_of;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;

/// The port that an address without one means.
const DEFAULT_PORT: u16 = 4001;

/// How two nodes are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP with TLS or Noise and Yamux: the faster one for bulk data on a local network.
    Tcp,
    /// QUIC over UDP.
    Quic,
}

impl Transport {
    /// The word used on the wire and in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
        }
    }

    /// The transport of an address; what is not QUIC is TCP here, since nothing else is dialed or listened on.
    pub(crate) fn of(address: &Multiaddr) -> Self {
        if address.iter().any(|part| matches!(part, Protocol::QuicV1)) { Self::Quic } else { Self::Tcp }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An address to dial, and who is expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Without the peer id.
    pub(crate) address: Multiaddr,
    /// Who is expected, if the address said so.
    pub(crate) peer: Option<PeerId>,
}

impl Target {
    /// Reads a multiaddress with or without `/p2p/ID`, or `HOST`, `HOST:PORT`, `[IPV6]:PORT`.
    pub(crate) fn parse(text: &str) -> Result<Self, SwarmError> {
        let text = text.trim();
        let refuse = |reason: &str| SwarmError::BadAddress { address: text.to_owned(), reason: reason.to_owned() };
        let mut address = if text.starts_with('/') {
            text.parse::<Multiaddr>().map_err(|error| refuse(&error.to_string()))?
        } else {
            host_and_port(text).ok_or_else(|| refuse("it is neither a multiaddress nor a host"))?
        };
        let mut peer = None;
        if let Some(Protocol::P2p(id)) = address.iter().last() {
            address.pop();
            peer = Some(id);
        }
        check(&address).map_err(refuse)?;
        Ok(Self { address, peer })
    }
}

fn host_and_port(text: &str) -> Option<Multiaddr> {
    let whole = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = whole.parse::<IpAddr>() {
        return Some(Multiaddr::from(ip).with(Protocol::Tcp(DEFAULT_PORT)));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (text, DEFAULT_PORT),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(Multiaddr::from(ip).with(Protocol::Tcp(port)));
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let named = !host.is_empty() && host.len() <= 253 && host.chars().all(fine);
    named.then(|| Multiaddr::from(Protocol::Dns(host.into())).with(Protocol::Tcp(port)))
}

/// Only what our transports speak: a host, then TCP, or UDP with QUIC.
fn check(address: &Multiaddr) -> Result<(), &'static str> {
    let mut parts = address.iter();
    match parts.next() {
        Some(Protocol::Ip4(_) | Protocol::Ip6(_) | Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => {}
        _ => return Err("it does not begin with ip4, ip6, dns, dns4 or dns6"),
    }
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Protocol::Tcp(_)), None, None) | (Some(Protocol::Udp(_)), Some(Protocol::QuicV1), None) => Ok(()),
        (Some(Protocol::Udp(_)), None, None) => Err("a UDP address ends with /quic-v1"),
        _ => Err("only /tcp/PORT and /udp/PORT/quic-v1 are spoken"),
    }
}

/// The port of an address.
pub(crate) fn port_of(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| match part {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
        _ => None,
    })
}

/// The same address with another port.
pub(crate) fn with_port(address: &Multiaddr, port: u16) -> Multiaddr {
    address
        .iter()
        .map(|part| match part {
            Protocol::Tcp(_) => Protocol::Tcp(port),
            Protocol::Udp(_) => Protocol::Udp(port),
            other => other,
        })
        .collect()
}

/// The host part, if it is an IP address.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => Some(ip.into()),
        Some(Protocol::Ip6(ip)) => Some(ip.into()),
        _ => None,
    }
}

/// The address as it is told to others: with the peer id at its end.
pub(crate) fn with_peer(address: &Multiaddr, peer: PeerId) -> String {
    format!("{address}/p2p/{}", node_of(&peer))
}

/// Attempts in order: all TCP addresses together, then all QUIC ones, since TCP carries bulk data better.
pub(crate) fn attempts(addresses: &[Multiaddr]) -> VecDeque<Vec<Multiaddr>> {
    let (tcp, quic): (Vec<_>, Vec<_>) =
        addresses.iter().cloned().partition(|address| Transport::of(address) == Transport::Tcp);
    [tcp, quic].into_iter().filter(|group| !group.is_empty()).collect()
}

/// Orders own addresses for a ticket: what others on the network can reach comes first, loopback last, TCP before QUIC.
pub(crate) fn sort_for_others(addresses: &mut [Multiaddr]) {
    addresses.sort_by_cached_key(|address| {
        let reach = match ip_of(address) {
            Some(ip) if ip.is_loopback() => 3,
            Some(IpAddr::V6(ip)) if ip.is_unicast_link_local() => 2,
            Some(IpAddr::V6(_)) => 1,
            _ => 0,
        };
        (reach, Transport::of(address), address.to_string())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "12D3KooWBmAwcd4PJNJvfV89HwE48nwkRmAgo8Vy3uQEyNNHBox2";

    #[test]
    fn reads_what_people_write() {
        for (text, address) in [
            ("/ip4/10.0.0.5/tcp/4001", "/ip4/10.0.0.5/tcp/4001"),
            (" /dns4/lab.example/udp/4001/quic-v1 ", "/dns4/lab.example/udp/4001/quic-v1"),
            ("10.0.0.5", "/ip4/10.0.0.5/tcp/4001"),
            ("10.0.0.5:7", "/ip4/10.0.0.5/tcp/7"),
            ("::1", "/ip6/::1/tcp/4001"),
            ("[fd00::2]", "/ip6/fd00::2/tcp/4001"),
            ("[fd00::2]:9", "/ip6/fd00::2/tcp/9"),
            ("lab-7", "/dns/lab-7/tcp/4001"),
            ("lab-7.example:22", "/dns/lab-7.example/tcp/22"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.address.to_string().as_str(), target.peer), (address, None), "{text}");
        }
        let target = Target::parse(&format!("/ip4/10.0.0.5/udp/4001/quic-v1/p2p/{ID}")).unwrap();
        assert_eq!(target.peer.unwrap().to_base58(), ID);
        assert_eq!(
            with_peer(&target.address, target.peer.unwrap()),
            format!("/ip4/10.0.0.5/udp/4001/quic-v1/p2p/{ID}")
        );
    }

    #[test]
    fn refuses_what_cannot_be_dialed() {
        for text in [
            "",
            "a b",
            "host:port",
            "host:99999",
            "/ip4/10.0.0.5",
            "/ip4/10.0.0.5/udp/4001",
            "/ip4/10.0.0.5/tcp/4001/ws",
            "/unix/tmp/x",
            "/dnsaddr/example.org",
            &format!("/p2p/{ID}"),
            &format!("/ip4/10.0.0.5/tcp/4001/p2p/{ID}/p2p-circuit"),
        ] {
            let error = Target::parse(text).unwrap_err();
            assert!(matches!(error, SwarmError::BadAddress { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn tcp_is_tried_first_and_told_first() {
        let list = [
            "/ip4/127.0.0.1/udp/1/quic-v1",
            "/ip4/10.0.0.5/udp/1/quic-v1",
            "/ip4/10.0.0.5/tcp/1",
            "/ip4/127.0.0.1/tcp/1",
        ];
        let mut addresses: Vec<Multiaddr> = list.iter().map(|text| text.parse().unwrap()).collect();
        let groups = attempts(&addresses);
        assert_eq!(groups.len(), 2);
        assert!(groups[0].iter().all(|a| Transport::of(a) == Transport::Tcp));
        sort_for_others(&mut addresses);
        let sorted: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(sorted, [list[2], list[1], list[3], list[0]]);
    }

    #[test]
    fn ports_are_read_and_replaced() {
        let address: Multiaddr = "/ip6/::/udp/0/quic-v1".parse().unwrap();
        assert_eq!(port_of(&address), Some(0));
        assert_eq!(with_port(&address, 77).to_string(), "/ip6/::/udp/77/quic-v1");
    }
}
