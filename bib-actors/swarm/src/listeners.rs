//! Opens the listeners of an incarnation, on the ports of the one before, and knows our own addresses.
//!
//! Never accepts by itself that a port is shared: two nodes on one port would get each other's connections.

use crate::address::{Target, Transport, ip_of, port_of, sort_for_others, with_peer, with_port};
use crate::behaviour::Behaviour;
use crate::error::SwarmError;
use crate::options::SwarmOptions;
use bib_kit::clock;
use libp2p::core::transport::{ListenerId, TransportError};
use libp2p::{Multiaddr, PeerId, Swarm};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket, sockopt};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long between attempts to get a port that is in use.
const BIND_PAUSE: Duration = Duration::from_millis(50);

/// Ports that the system chose for listen addresses with port 0, kept over incarnations.
pub(crate) type ChosenPorts = Arc<Mutex<HashMap<String, u16>>>;

/// The listeners of one incarnation.
pub(crate) struct Listeners {
    configured: HashMap<ListenerId, String>,
    silent: usize,
    chosen: ChosenPorts,
    announced: Vec<Multiaddr>,
    addresses: Vec<(ListenerId, Multiaddr)>,
}

impl Listeners {
    /// Opens all configured listeners. IPv6 ones are left out where the system has no IPv6.
    pub(crate) async fn open(
        swarm: &mut Swarm<Behaviour>,
        options: &SwarmOptions,
        chosen: ChosenPorts,
    ) -> Result<Self, SwarmError> {
        let announced = options.announce.iter().map(|text| Ok(Target::parse(text)?.address));
        let announced = announced.collect::<Result<Vec<_>, SwarmError>>()?;
        let mut listeners = Self { configured: HashMap::new(), silent: 0, chosen, announced, addresses: Vec::new() };
        for text in &options.listen {
            let id = listeners.open_one(swarm, text, options.bind_patience).await?;
            if let Some(id) = id {
                listeners.configured.insert(id, text.clone());
                listeners.silent += 1;
            }
        }
        Ok(listeners)
    }

    async fn open_one(
        &self,
        swarm: &mut Swarm<Behaviour>,
        text: &str,
        patience: Duration,
    ) -> Result<Option<ListenerId>, SwarmError> {
        let configured = Target::parse(text)?.address;
        let chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner).get(text).copied();
        let address = match chosen {
            Some(port) => with_port(&configured, port),
            None => configured,
        };
        let refuse = |reason: String| SwarmError::Listen { address: address.to_string(), reason };
        let deadline = clock::monotonic() + patience;
        loop {
            let reason = match probe(&address) {
                Ok(()) => match swarm.listen_on(address.clone()) {
                    Ok(id) => return Ok(Some(id)),
                    Err(TransportError::MultiaddrNotSupported(_)) => {
                        return Err(refuse("only IP addresses can be listened on".to_owned()));
                    }
                    // the port was free just now: somebody else was faster
                    Err(TransportError::Other(error)) => error.to_string(),
                },
                Err(Errno::AFNOSUPPORT) if ip_of(&address).is_some_and(|ip| ip.is_ipv6()) => {
                    tracing::info!(%address, "not listening: this system has no IPv6");
                    return Ok(None);
                }
                Err(Errno::ADDRINUSE) => "another program uses the port".to_owned(),
                Err(error) => return Err(refuse(std::io::Error::from(error).to_string())),
            };
            if clock::monotonic() >= deadline {
                return Err(refuse(reason));
            }
            tokio::time::sleep(BIND_PAUSE).await;
        }
    }

    /// Whether every listener has told its address.
    pub(crate) const fn ready(&self) -> bool {
        self.silent == 0
    }

    /// Whether we listen there ourselves.
    pub(crate) fn is_ours(&self, address: &Multiaddr) -> bool {
        self.addresses.iter().any(|(_, ours)| ours == address)
    }

    /// A listener has an address.
    pub(crate) fn up(&mut self, id: ListenerId, address: Multiaddr) {
        if !self.addresses.iter().any(|(known, _)| *known == id) {
            self.silent = self.silent.saturating_sub(1);
        }
        if let (Some(text), Some(port)) = (self.configured.get(&id), port_of(&address)) {
            self.chosen.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone(), port);
        }
        self.addresses.push((id, address));
    }

    /// A listener lost an address.
    pub(crate) fn down(&mut self, id: ListenerId, address: &Multiaddr) {
        self.addresses.retain(|(known, other)| *known != id || other != address);
    }

    /// A listener is gone; returns what it was configured as, if it was ours.
    pub(crate) fn closed(&mut self, id: ListenerId) -> Option<String> {
        self.addresses.retain(|(known, _)| *known != id);
        self.configured.remove(&id)
    }

    /// Our addresses for others, best first, each with our id: those that are announced, or else all we listen on.
    pub(crate) fn addresses(&self, me: PeerId) -> Vec<String> {
        let mut told = self.announced.clone();
        if told.is_empty() {
            told.extend(self.addresses.iter().map(|(_, address)| address.clone()));
            sort_for_others(&mut told);
        }
        let mut all: Vec<String> = Vec::with_capacity(told.len());
        for address in &told {
            let text = with_peer(address, me);
            if !all.contains(&text) {
                all.push(text);
            }
        }
        all
    }
}

/// Whether a port is free. libp2p shares TCP ports with whoever also shares them, so it would not notice.
fn probe(address: &Multiaddr) -> Result<(), Errno> {
    let (Some(ip), Some(port)) = (ip_of(address), port_of(address)) else { return Ok(()) };
    let family = if ip.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let probe = match Transport::of(address) {
        Transport::Tcp => {
            let probe = socket(family, SocketType::STREAM, Some(ipproto::TCP))?;
            // connections of the incarnation before may linger, which is no harm
            sockopt::set_socket_reuseaddr(&probe, true)?;
            probe
        }
        Transport::Quic => socket(family, SocketType::DGRAM, Some(ipproto::UDP))?,
    };
    if ip.is_ipv6() {
        sockopt::set_ipv6_v6only(&probe, true)?;
    }
    bind(&probe, &SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_somebody_uses_is_not_free() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp_port = tcp.local_addr().unwrap().port();
        let udp_port = udp.local_addr().unwrap().port();
        let addresses: [Multiaddr; 2] = [
            format!("/ip4/127.0.0.1/tcp/{tcp_port}").parse().unwrap(),
            format!("/ip4/127.0.0.1/udp/{udp_port}/quic-v1").parse().unwrap(),
        ];
        assert_eq!(addresses.each_ref().map(probe), [Err(Errno::ADDRINUSE); 2]);
        drop((tcp, udp));
        assert_eq!(addresses.each_ref().map(probe), [Ok(()); 2]);
    }
}
