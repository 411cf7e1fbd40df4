//! Dials under way and who waits for them. Never dials by itself: it keeps the books for the event loop.

use crate::address::attempts;
use crate::command::{DialReply, StreamReply};
use crate::error::SwarmError;
use crate::node_id::node_of;
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use std::collections::{HashMap, VecDeque};
use std::error::Error;

/// Who waits for a connection.
pub(crate) enum Waiter {
    /// A call of `dial`.
    Dial(DialReply),
    /// A call of `open_stream`.
    Open {
        /// What to speak on the stream.
        protocol: StreamProtocol,
        /// Where the stream goes.
        reply: StreamReply,
    },
}

/// One attempt to reach a peer or an address, over several groups of addresses one after the other.
pub(crate) struct Job {
    /// Who is expected, if that is known.
    pub(crate) peer: Option<PeerId>,
    target: String,
    groups: VecDeque<Vec<Multiaddr>>,
    failures: Vec<SwarmError>,
    pub(crate) waiters: Vec<Waiter>,
}

impl Job {
    /// A job that tries `addresses`, TCP ones first.
    pub(crate) fn new(peer: Option<PeerId>, target: String, addresses: &[Multiaddr]) -> Self {
        Self { peer, target, groups: attempts(addresses), failures: Vec::new(), waiters: Vec::new() }
    }

    /// The addresses to try next.
    pub(crate) fn next_group(&mut self) -> Option<Vec<Multiaddr>> {
        self.groups.pop_front()
    }

    /// Notes why a group did not work.
    pub(crate) fn note(&mut self, error: &DialError) {
        let failure = self.describe(error);
        self.failures.push(failure);
    }

    fn describe(&self, error: &DialError) -> SwarmError {
        match error {
            DialError::LocalPeerId { address } => SwarmError::DialSelf { address: address.to_string() },
            DialError::WrongPeerId { obtained, address } => match self.peer {
                Some(expected) => SwarmError::WrongPeer {
                    address: strip_peer(address).to_string(),
                    expected: node_of(&expected),
                    found: node_of(obtained),
                },
                None => self.unreachable("another node answers there".to_owned()),
            },
            DialError::Denied { cause } => SwarmError::Limit { target: self.target.clone(), reason: root_of(cause) },
            DialError::Transport(errors) => {
                let parts: Vec<String> = errors
                    .iter()
                    .map(|(address, error)| format!("{}: {}", strip_peer(address), root_of(error)))
                    .collect();
                self.unreachable(parts.join("; "))
            }
            DialError::NoAddresses => {
                self.unreachable("the addresses known of it are those of this node itself".to_owned())
            }
            DialError::Aborted | DialError::DialPeerConditionFalse(_) => {
                self.unreachable("the attempt was given up".to_owned())
            }
        }
    }

    fn unreachable(&self, reason: String) -> SwarmError {
        SwarmError::Unreachable { target: self.target.clone(), reason }
    }

    /// Who waits, and the failure to tell them: a wrong node is more telling than a closed port.
    pub(crate) fn verdict(mut self) -> (Vec<Waiter>, SwarmError) {
        let waiters = std::mem::take(&mut self.waiters);
        let telling = self.failures.iter().position(|failure| !matches!(failure, SwarmError::Unreachable { .. }));
        let error = match telling {
            Some(at) => self.failures.swap_remove(at),
            None => {
                let reasons = self.failures.drain(..).filter_map(|failure| match failure {
                    SwarmError::Unreachable { reason, .. } => Some(reason),
                    _ => None,
                });
                let reason = reasons.collect::<Vec<_>>().join("; ");
                self.unreachable(reason)
            }
        };
        (waiters, error)
    }
}

/// All jobs, by the connection that is being made and by the peer.
#[derive(Default)]
pub(crate) struct Dialer {
    jobs: HashMap<ConnectionId, Job>,
    by_peer: HashMap<PeerId, ConnectionId>,
}

impl Dialer {
    /// Keeps a job whose present attempt is `id`.
    pub(crate) fn keep(&mut self, id: ConnectionId, job: Job) {
        if let Some(peer) = job.peer {
            self.by_peer.insert(peer, id);
        }
        self.jobs.insert(id, job);
    }

    /// Takes the job of an attempt that ended.
    pub(crate) fn take(&mut self, id: ConnectionId) -> Option<Job> {
        let job = self.jobs.remove(&id)?;
        if let Some(peer) = job.peer
            && self.by_peer.get(&peer) == Some(&id)
        {
            self.by_peer.remove(&peer);
        }
        Some(job)
    }

    /// The job that will connect with `peer`.
    pub(crate) fn of(&mut self, peer: &PeerId) -> Option<&mut Job> {
        self.jobs.get_mut(self.by_peer.get(peer)?)
    }

    /// How many calls wait.
    pub(crate) fn waiting(&self) -> usize {
        self.jobs.values().map(|job| job.waiters.len()).sum()
    }
}

fn strip_peer(address: &Multiaddr) -> Multiaddr {
    let mut address = address.clone();
    if matches!(address.iter().last(), Some(libp2p::multiaddr::Protocol::P2p(_))) {
        address.pop();
    }
    address
}

/// The innermost cause, which is what a person can act on.
fn root_of(error: &(dyn Error + 'static)) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::core::transport::TransportError;
    use std::io;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn refused(at: &str) -> DialError {
        let nested = io::Error::other(io::Error::from(io::ErrorKind::ConnectionRefused));
        DialError::Transport(vec![(address(at), TransportError::Other(nested))])
    }

    #[test]
    fn names_each_address_and_its_innermost_cause() {
        let (tcp, quic) = ("/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.1/udp/1/quic-v1");
        let mut job = Job::new(None, "there".to_owned(), &[address(quic), address(tcp)]);
        assert_eq!(job.next_group(), Some(vec![address(tcp)]));
        job.note(&refused(tcp));
        assert_eq!(job.next_group(), Some(vec![address(quic)]));
        job.note(&refused(quic));
        assert_eq!(job.next_group(), None);
        let text = job.verdict().1.to_string();
        assert!(text.contains(&format!("{tcp}: connection refused; {quic}: connection refused")), "{text}");
    }

    #[test]
    fn a_wrong_node_is_told_before_a_closed_port() {
        let (expected, obtained) = (PeerId::random(), PeerId::random());
        let mut job = Job::new(Some(expected), "there".to_owned(), &[]);
        job.note(&refused("/ip4/10.0.0.1/tcp/1"));
        job.note(&DialError::WrongPeerId {
            obtained,
            address: address(&format!("/ip4/10.0.0.1/tcp/1/p2p/{expected}")),
        });
        let error = job.verdict().1;
        let text = error.to_string();
        assert!(matches!(error, SwarmError::WrongPeer { .. }), "{text}");
        assert!(text.contains(&expected.to_string()) && text.contains(&obtained.to_string()), "{text}");
    }

    #[test]
    fn jobs_are_found_by_peer_and_by_attempt() {
        let (mut dialer, peer) = (Dialer::default(), PeerId::random());
        let (first, second) = (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2));
        dialer.keep(first, Job::new(Some(peer), String::new(), &[]));
        let job = dialer.take(first).unwrap();
        assert!(dialer.of(&peer).is_none() && dialer.take(first).is_none());
        dialer.keep(second, job);
        assert!(dialer.of(&peer).is_some());
        assert_eq!(dialer.waiting(), 0);
    }
}
