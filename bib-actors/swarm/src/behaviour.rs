//! All libp2p behaviours of a node in one. Never decides anything: limits, identify, ping, mDNS and streams side by side.

use crate::discovery::Discovery;
use crate::doorman::Doorman;
use crate::gate::Gate;
use crate::options::SwarmOptions;
use crate::protocols;
use crate::streams;
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{identify, ping};
use libp2p_connection_limits::{self as connection_limits, ConnectionLimits};
use std::sync::Arc;

/// What a node does on every connection. Limits come first: what they deny never reaches the others.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    doorman: Doorman,
    pub(crate) streams: streams::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    mdns: Toggle<Discovery>,
}

impl Behaviour {
    /// Sets the parts up. Where the system does not let us discover anybody, the node goes on without discovery.
    pub(crate) fn new(keypair: &Keypair, options: &SwarmOptions, gate: Arc<Gate>) -> Self {
        let limits = ConnectionLimits::default()
            .with_max_pending_incoming(Some(options.max_pending_incoming))
            .with_max_pending_outgoing(Some(options.max_pending_outgoing))
            .with_max_established_per_peer(Some(options.max_connections_per_peer))
            .with_max_established(Some(options.max_connections));
        // listen addresses are told to paired peers by the replicator, and to nobody else; addresses that others
        // claim are not kept, since nothing is dialed but what was configured, discovered or given by a paired peer
        let identify = identify::Config::new(protocols::IDENTIFY.to_owned(), keypair.public())
            .with_agent_version(protocols::AGENT.to_owned())
            .with_hide_listen_addrs(true)
            .with_cache_size(0);
        let ping = ping::Config::new().with_interval(options.ping_interval).with_timeout(options.ping_timeout);
        let me = keypair.public().to_peer_id();
        let discovery =
            options.mdns.then(|| Discovery::new(me, options.mdns_interval, options.max_discovered)).transpose();
        let mdns = discovery.unwrap_or_else(|error| {
            tracing::warn!(%error, "nodes on the local network cannot be discovered, only dialed");
            None
        });
        Self {
            limits: connection_limits::Behaviour::new(limits),
            doorman: Doorman::new(Arc::clone(&gate), options),
            streams: streams::Behaviour::new(gate, options.stream_timeout),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping),
            mdns: mdns.into(),
        }
    }
}
