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
    external: Vec<Multiaddr>,
    addresses: Vec<(ListenerId, Multiaddr)>,
}

impl Listeners {
    /// Opens all configured listeners. IPv6 ones are left out where the system has no IPv6.
    pub(crate) async fn open(
        swarm: &mut Swarm<Behaviour>,
        options: &SwarmOptions,
        chosen: ChosenPorts,
    ) -> Result<Self, SwarmError> {
        let external = options.external.iter().map(|text| Ok(Target::parse(text)?.address));
        let external = external.collect::<Result<Vec<_>, SwarmError>>()?;
        let mut listeners = Self { configured: HashMap::new(), silent: 0, chosen, external, addresses: Vec::new() };
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
            let error = match probe(&address).map_err(std::io::Error::from) {
                Ok(()) => match swarm.listen_on(address.clone()) {
                    Ok(id) => return Ok(Some(id)),
                    Err(TransportError::MultiaddrNotSupported(_)) => {
                        return Err(refuse("only IP addresses can be listened on".to_owned()));
                    }
                    Err(TransportError::Other(error)) => error,
                },
                Err(error) => error,
            };
            let text = innermost(&error);
            match errno_of(&error) {
                Some(Errno::AFNOSUPPORT) if ip_of(&address).is_some_and(|ip| ip.is_ipv6()) => {
                    tracing::info!(%address, "not listening: this system has no IPv6");
                    return Ok(None);
                }
                Some(Errno::ADDRINUSE) if clock::monotonic() < deadline => tokio::time::sleep(BIND_PAUSE).await,
                _ => return Err(refuse(text)),
            }
        }
    }

    /// Whether every listener has told its address.
    pub(crate) const fn ready(&self) -> bool {
        self.silent == 0
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

    /// Our addresses for others, best first, each with our id.
    pub(crate) fn addresses(&self, me: PeerId) -> Vec<String> {
        let mut listening: Vec<Multiaddr> = self.addresses.iter().map(|(_, address)| address.clone()).collect();
        sort_for_others(&mut listening);
        let mut all: Vec<String> = Vec::with_capacity(listening.len() + self.external.len());
        for address in self.external.iter().chain(&listening) {
            let text = with_peer(address, me);
            if !all.contains(&text) {
                all.push(text);
            }
        }
        all
    }
}

/// Whether a TCP port is free. libp2p shares ports with whoever also shares them, so it would not notice.
fn probe(address: &Multiaddr) -> Result<(), Errno> {
    let (Some(ip), Some(port)) = (ip_of(address), port_of(address)) else { return Ok(()) };
    if port == 0 || Transport::of(address) != Transport::Tcp {
        return Ok(());
    }
    let family = if ip.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let probe = socket(family, SocketType::STREAM, Some(ipproto::TCP))?;
    if ip.is_ipv6() {
        sockopt::set_ipv6_v6only(&probe, true)?;
    }
    sockopt::set_socket_reuseaddr(&probe, true)?;
    bind(&probe, &SocketAddr::new(ip, port))
}

fn errno_of(error: &std::io::Error) -> Option<Errno> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(errno) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error) {
            return Some(Errno::from_raw_os_error(errno));
        }
        source = error
            .downcast_ref::<std::io::Error>()
            .and_then(|io| io.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static)))
            .or_else(|| error.source());
    }
    None
}

fn innermost(error: &std::io::Error) -> String {
    errno_of(error).map_or_else(|| error.to_string(), |errno| std::io::Error::from(errno).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_port_that_somebody_listens_on_is_not_free() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
        assert_eq!(probe(&address), Err(Errno::ADDRINUSE));
        drop(taken);
        assert_eq!(probe(&address), Ok(()));
    }

    #[test]
    fn the_errno_is_found_under_wrappers() {
        let inner = io::Error::from_raw_os_error(Errno::ADDRINUSE.raw_os_error());
        let outer = io::Error::other(io::Error::other(inner));
        assert_eq!(errno_of(&outer), Some(Errno::ADDRINUSE));
        assert!(innermost(&outer).contains("in use"));
        assert_eq!(errno_of(&io::Error::other("words")), None);
    }
}
