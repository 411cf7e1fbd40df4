//! How the event loop carries out the actor's commands. Each returns at once; answers come by reply channels.

use crate::address::Target;
use crate::command::{Command, DialReply, Opening, StreamReply};
use crate::dialer::{Job, Waiter};
use crate::error::SwarmError;
use crate::event_loop::EventLoop;
use crate::node_id::node_of;
use crate::stats::SwarmStats;
use crate::streams::Open;
use bib_kit::clock;
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{PeerId, StreamProtocol};
use std::time::Instant;
use tokio::sync::oneshot;

impl EventLoop {
    pub(crate) fn on_command(&mut self, command: Command) {
        match command {
            Command::Open { peer, protocol, avoid, dial, reply } => self.open(peer, protocol, (avoid, dial), reply),
            Command::Dial { address, reply } => self.dial(&address, reply),
            Command::Disconnect { peer, reply } => {
                self.keeper.pause(&peer);
                reply.send(self.disconnect(&peer)).ok();
            }
            Command::Peers { reply } => drop(reply.send(self.connections.rows(|peer| self.gate.is_paired(peer)))),
            Command::ListenAddrs { reply } => drop(reply.send(self.listeners.addresses(self.me))),
            Command::SetAllowed { peers, reply } => {
                self.set_allowed(peers);
                reply.send(()).ok();
            }
            Command::Stats { reply } => drop(reply.send(self.count())),
            Command::Panic => panic!("panic on request in the swarm's event loop"),
        }
    }

    fn count(&self) -> SwarmStats {
        SwarmStats {
            connections: self.connections.len(),
            peers: self.connections.peers(),
            waiting: self.dialer.waiting(),
            overflowed_streams: self.gate.overflowed(),
            ..self.stats
        }
    }

    fn open(
        &mut self,
        peer: PeerId,
        protocol: StreamProtocol,
        (avoid, dial): (Option<ConnectionId>, bool),
        reply: StreamReply,
    ) {
        if peer == self.me {
            drop(reply.send(Err(SwarmError::DialSelf { address: node_of(&peer).to_string() })));
            return;
        }
        if let Some(connection) = self.connections.best(&peer, avoid) {
            self.open_on(peer, connection, protocol, reply);
            return;
        }
        if !dial {
            drop(reply.send(Err(SwarmError::NotConnected { peer: node_of(&peer) })));
            return;
        }
        let waiting = self.dialer.waiting();
        if waiting >= self.options.max_waiting {
            drop(reply.send(Err(SwarmError::Busy { waiting })));
            return;
        }
        let waiter = Waiter::Open { protocol, reply };
        match self.dialer.of(&peer) {
            Some(job) => job.waiters.push(waiter),
            None => self.dial_peer(peer, Some(waiter)),
        }
    }

    pub(crate) fn open_on(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        protocol: StreamProtocol,
        reply: StreamReply,
    ) {
        let (sender, outcome) = oneshot::channel();
        if reply.send(Ok(Opening { connection, outcome })).is_ok() {
            self.swarm.behaviour_mut().streams.open(peer, connection, Open { protocol, reply: sender });
        }
    }

    fn dial(&mut self, text: &str, reply: DialReply) {
        let target = match Target::parse(text) {
            Ok(target) => target,
            Err(error) => return drop(reply.send(Err(error))),
        };
        if target.peer == Some(self.me) || self.listeners.is_ours(&target.address) {
            return drop(reply.send(Err(SwarmError::DialSelf { address: text.to_owned() })));
        }
        if let Some(peer) = target.peer
            && self.connections.has(&peer)
        {
            return drop(reply.send(Ok(node_of(&peer))));
        }
        let waiting = self.dialer.waiting();
        if waiting >= self.options.max_waiting {
            return drop(reply.send(Err(SwarmError::Busy { waiting })));
        }
        let mut job = Job::new(target.peer, text.to_owned(), &[target.address]);
        job.waiters.push(Waiter::Dial(reply));
        self.attempt(job);
    }

    /// Dials a paired peer at the addresses that are known of it.
    pub(crate) fn dial_peer(&mut self, peer: PeerId, waiter: Option<Waiter>) {
        let addresses = self.keeper.addresses(&peer);
        if addresses.is_empty() {
            if let Some(waiter) = waiter {
                waiter.fail(SwarmError::NoAddress { peer: node_of(&peer) });
            }
            return;
        }
        let mut job = Job::new(Some(peer), format!("node {}", node_of(&peer)), &addresses);
        job.waiters.extend(waiter);
        self.keeper.started(&peer, clock::monotonic());
        self.attempt(job);
    }

    /// Tries the job's next addresses, or ends it when none are left.
    pub(crate) fn attempt(&mut self, mut job: Job) {
        while let Some(addresses) = job.next_group() {
            // a new port for each dial: binding to the listener's port fails while an old connection lingers
            let options = match (job.peer, addresses.first()) {
                (None, Some(address)) => {
                    DialOpts::unknown_peer_id().address(address.clone()).allocate_new_port().build()
                }
                (Some(peer), _) => DialOpts::peer_id(peer)
                    .condition(PeerCondition::Always)
                    .addresses(addresses)
                    .allocate_new_port()
                    .build(),
                (None, None) => continue,
            };
            let id = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => return self.dialer.keep(id, job),
                Err(error) => job.note(&error),
            }
        }
        self.give_up(job);
    }

    fn give_up(&mut self, job: Job) {
        self.stats.dial_failures += 1;
        let peer = job.peer;
        let (waiters, error) = job.verdict();
        if let Some(peer) = peer {
            let now = clock::monotonic();
            if self.connections.has(&peer) {
                // the loss of that connection is heard of only by who is known to have it
                self.keeper.connected(&peer, now);
            } else {
                tracing::debug!(%peer, %error, "peer not reached");
                self.keeper.failed(&peer, now, random());
            }
        }
        for waiter in waiters {
            waiter.fail(error.clone());
        }
    }

    /// Dials the paired peers whose pause is over.
    pub(crate) fn dial_due(&mut self, now: Instant) {
        let slots = self.options.max_redials.saturating_sub(self.keeper.dialing());
        for peer in self.keeper.due(now, slots) {
            if self.dialer.of(&peer).is_some() {
                // somebody dials it by address already
                self.keeper.started(&peer, now);
            } else {
                self.dial_peer(peer, None);
            }
        }
    }

    fn set_allowed(&mut self, mut peers: Vec<(PeerId, Vec<String>)>) {
        peers.retain(|(peer, _)| *peer != self.me);
        if peers.len() > self.options.max_paired {
            tracing::warn!(
                given = peers.len(),
                kept = self.options.max_paired,
                "too many paired peers, the last ones are left out"
            );
            peers.truncate(self.options.max_paired);
        }
        self.gate.set_paired(peers.iter().map(|(peer, _)| *peer).collect());
        let connections = &self.connections;
        let gone = self.keeper.set(&peers, |peer| connections.has(peer), clock::monotonic());
        for peer in gone {
            self.disconnect(&peer);
        }
        for (peer, _) in &peers {
            for connection in self.connections.of(peer) {
                self.swarm.behaviour_mut().streams.refresh(*peer, connection);
            }
        }
    }
}

/// A random number for the pause before the next dial.
pub(crate) fn random() -> u64 {
    let mut bytes = [0_u8; 8];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::debug!(%error, "no random bytes for the pause before the next dial");
    }
    u64::from_le_bytes(bytes)
}

impl Waiter {
    /// Tells the waiter that there will be no connection.
    pub(crate) fn fail(self, error: SwarmError) {
        match self {
            Self::Dial(reply) => drop(reply.send(Err(error))),
            Self::Open { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}
