//! Builds the libp2p swarm: TCP with TLS or Noise and Yamux, QUIC, names by the system's resolver. Never listens or dials.

use crate::behaviour::Behaviour;
use crate::error::SwarmError;
use crate::gate::Gate;
use crate::identity::Identity;
use crate::options::SwarmOptions;
use crate::tls::Tls;
use libp2p::identity::Keypair;
use libp2p::{Swarm, SwarmBuilder, noise, quic, swarm, tcp, yamux};
use std::sync::Arc;

/// The swarm of one incarnation. Must be called within the runtime that will poll it.
pub(crate) fn build(
    identity: &Identity,
    options: &SwarmOptions,
    gate: &Arc<Gate>,
) -> Result<Swarm<Behaviour>, SwarmError> {
    match build_with(identity, options, gate, true) {
        Err(SwarmError::Setup { what: "name resolution", reason }) => {
            tracing::warn!(
                reason,
                "the system's resolver cannot be used: only addresses with IP numbers can be dialed"
            );
            build_with(identity, options, gate, false)
        }
        built => built,
    }
}

fn build_with(
    identity: &Identity,
    options: &SwarmOptions,
    gate: &Arc<Gate>,
    names: bool,
) -> Result<Swarm<Behaviour>, SwarmError> {
    let muxer = || {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(options.max_streams_per_connection);
        config
    };
    // the dialing side asks for TLS first; who speaks Noise alone, as other libp2p nodes and older ones of ours, gets it
    let security = (|keypair: &Keypair| Tls::new(keypair, options.tcp_buffer), noise::Config::new);
    let tcp_and_quic = SwarmBuilder::with_existing_identity(identity.keypair())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), security, muxer)
        .map_err(|error| setup("encryption", &error))?
        .with_quic_config(|config| quic_config(config, options));
    let behaviour = |keypair: &Keypair| Behaviour::new(keypair, options, Arc::clone(gate));
    let config = |config: swarm::Config| {
        config
            .with_idle_connection_timeout(options.unpaired_idle)
            .with_max_negotiating_inbound_streams(options.max_negotiating_streams)
    };
    if names {
        Ok(tcp_and_quic
            .with_dns()
            .map_err(|error| setup("name resolution", &error))?
            .with_behaviour(behaviour)
            .unwrap_or_else(|never| match never {})
            .with_swarm_config(config)
            .with_connection_timeout(options.connect_timeout)
            .build())
    } else {
        Ok(tcp_and_quic
            .with_behaviour(behaviour)
            .unwrap_or_else(|never| match never {})
            .with_swarm_config(config)
            .with_connection_timeout(options.connect_timeout)
            .build())
    }
}

fn quic_config(mut config: quic::Config, options: &SwarmOptions) -> quic::Config {
    config.max_stream_data = options.quic_stream_window;
    config.max_connection_data = options.quic_connection_window;
    config.handshake_timeout = options.connect_timeout;
    config.max_concurrent_stream_limit = u32::try_from(options.max_streams_per_connection).unwrap_or(u32::MAX);
    config
}

fn setup(what: &'static str, error: &dyn std::error::Error) -> SwarmError {
    SwarmError::Setup { what, reason: error.to_string() }
}
