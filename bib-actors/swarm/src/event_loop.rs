//! The task that owns the libp2p swarm of one incarnation: it takes commands, reacts to events and keeps peers connected.
//!
//! It runs on the shared runtime and never waits for a consumer. When it ends, for whatever reason, the incarnation ends.

use crate::behaviour::Behaviour;
use crate::command::Command;
use crate::commands::random;
use crate::connections::Connections;
use crate::dialer::Dialer;
use crate::error::SwarmError;
use crate::events::SwarmEvent;
use crate::gate::Gate;
use crate::identity::Identity;
use crate::keeper::Keeper;
use crate::listeners::{ChosenPorts, Listeners};
use crate::node_id::node_of;
use crate::options::SwarmOptions;
use crate::stats::SwarmStats;
use crate::transport;
use bib_kit::events::Topic;
use bib_kit::{CancellationToken, clock};
use futures::StreamExt;
use libp2p::swarm::ConnectionId;
use libp2p::{PeerId, Swarm};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// Everything that one incarnation of the event loop is made from.
pub(crate) struct Seed {
    pub(crate) identity: Identity,
    pub(crate) options: Arc<SwarmOptions>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) chosen: ChosenPorts,
    pub(crate) events: Topic<SwarmEvent>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) token: CancellationToken,
}

/// The event loop's state.
pub(crate) struct EventLoop {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) me: PeerId,
    pub(crate) options: Arc<SwarmOptions>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) events: Topic<SwarmEvent>,
    pub(crate) listeners: Listeners,
    pub(crate) connections: Connections,
    pub(crate) dialer: Dialer,
    pub(crate) keeper: Keeper,
    pub(crate) stats: SwarmStats,
    /// Why the loop must end, once something fatal happened.
    pub(crate) fatal: Option<String>,
    commands: mpsc::Receiver<Command>,
    token: CancellationToken,
}

/// Ends all consumers' streams when the loop is dropped, also by a panic.
struct CloseGate(Arc<Gate>);

impl Drop for CloseGate {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl EventLoop {
    /// Builds the swarm and waits until its listeners have told their addresses.
    pub(crate) async fn start(seed: Seed) -> Result<Self, SwarmError> {
        let Seed { identity, options, gate, chosen, events, commands, token } = seed;
        let mut swarm = transport::build(&identity, &options, &gate)?;
        let listeners = Listeners::open(&mut swarm, &options, chosen).await?;
        let mut event_loop = Self {
            me: *swarm.local_peer_id(),
            keeper: Keeper::new(&options),
            swarm,
            options,
            gate,
            events,
            listeners,
            connections: Connections::default(),
            dialer: Dialer::default(),
            stats: SwarmStats::default(),
            fatal: None,
            commands,
            token,
        };
        event_loop.wait_for_addresses().await;
        tracing::info!(node = %identity.node_id(), addresses = ?event_loop.listeners.addresses(event_loop.me), "listening");
        Ok(event_loop)
    }

    async fn wait_for_addresses(&mut self) {
        let patience = tokio::time::sleep(self.options.listen_patience);
        tokio::pin!(patience);
        while !self.listeners.ready() {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                () = &mut patience => break,
            }
        }
    }

    /// Runs until the incarnation ends. The error says what broke.
    pub(crate) async fn run(mut self) -> Result<(), String> {
        let _close = CloseGate(Arc::clone(&self.gate));
        let token = self.token.clone();
        while self.fatal.is_none() {
            let now = clock::monotonic();
            self.dial_due(now);
            self.drop_old_strangers(now);
            let wake = tokio::time::sleep_until(self.next_wake(now).into());
            tokio::select! {
                () = token.cancelled() => break,
                command = self.commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => break,
                },
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                () = wake => {}
            }
        }
        self.gate.close();
        self.say_goodbye().await;
        self.fatal.map_or(Ok(()), Err)
    }

    /// When the loop must look again even if nothing happens.
    fn next_wake(&self, now: Instant) -> Instant {
        let mut wake = now + self.options.unpaired_lifetime;
        // with all slots taken, the end of a dial is what wakes the loop
        if self.keeper.dialing() < self.options.max_redials
            && let Some(due) = self.keeper.next_due()
        {
            wake = wake.min(due);
        }
        let strangers = self.connections.filter(|c| !self.gate.is_paired(&c.peer)).into_iter();
        let oldest = strangers.map(|(_, since)| since).min();
        oldest.map_or(wake, |since| wake.min(since + self.options.unpaired_lifetime))
    }

    fn drop_old_strangers(&mut self, now: Instant) {
        let lifetime = self.options.unpaired_lifetime;
        let old = |since: Instant| now.duration_since(since) >= lifetime;
        for (id, _) in self.connections.filter(|c| old(c.since) && !self.gate.is_paired(&c.peer)) {
            self.stats.expired_strangers += 1;
            self.close(id);
        }
    }

    /// Closes one connection. For the rest of the node it is gone at once.
    pub(crate) fn close(&mut self, id: ConnectionId) {
        let Some(peer) = self.connections.closing(id) else { return };
        self.swarm.close_connection(id);
        if !self.connections.has(&peer) {
            self.lost(peer);
        }
    }

    /// The last open connection with a peer is gone.
    pub(crate) fn lost(&mut self, peer: PeerId) {
        self.keeper.lost(&peer, clock::monotonic(), random());
        self.events.publish(SwarmEvent::Disconnected(node_of(&peer)));
    }

    /// Closes all connections with a peer; says whether there was one.
    pub(crate) fn disconnect(&mut self, peer: &PeerId) -> bool {
        let connected = self.connections.has(peer);
        for id in self.connections.of(peer) {
            self.close(id);
        }
        connected
    }

    /// Closes connections in order, so that the other side sees an end and not a silence.
    async fn say_goodbye(&mut self) {
        for (id, _) in self.connections.filter(|_| true) {
            self.close(id);
        }
        let patience = self.options.goodbye;
        let closing = async {
            while self.connections.len() > 0 {
                let event = self.swarm.select_next_some().await;
                self.on_swarm_event(event);
            }
        };
        if tokio::time::timeout(patience, closing).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
    }
}
