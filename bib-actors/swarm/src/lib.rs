//! The swarm of a BIB node: who this node is, how others reach it, and streams between nodes over libp2p.
//!
//! What it owns: the Ed25519 identity, the listeners, the connections, discovery on the local network, and the rule that
//! an unpaired node gets nothing but the pairing protocol. What it never does: read or write the bytes of a stream, decide
//! what to replicate, keep a list of peers on disk, or send a packet to an address that was not configured, discovered or
//! given by a paired peer.
//!
//! Restarts: its state is a cache, so a failure starts a new incarnation, which listens on the same ports under the same id.
//! Open streams end, consumers accept again, and the list of paired peers is given again by [`SwarmHandle::set_allowed`].

mod actor;
mod address;
mod behaviour;
mod check;
mod command;
mod commands;
mod connections;
mod dialer;
mod discovery;
mod doorman;
mod error;
mod event_loop;
mod events;
mod gate;
mod gather;
mod handle;
mod handlers;
mod identity;
mod identity_file;
mod inbound;
mod keeper;
mod listeners;
mod messages;
mod node_id;
mod options;
pub mod protocols;
mod stats;
mod streams;
mod swarm_events;
mod tls;
mod transport;

pub use actor::{SwarmActor, child};
pub use address::Transport;
pub use check::{check_announce, check_listen};
pub use connections::ConnectedPeer;
pub use error::SwarmError;
pub use events::SwarmEvent;
pub use handle::SwarmHandle;
pub use identity::Identity;
pub use inbound::InboundStreams;
pub use libp2p::Stream;
pub use node_id::{key_of_peer_id, peer_id_of_key};
pub use options::SwarmOptions;
pub use stats::SwarmStats;
