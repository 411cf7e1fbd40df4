//! The actors and libraries that the gateway speaks to, given to it by the composition root.

use crate::web::Door;
use bib_audit::AuditHandle;
use bib_chunks::ChunkStore;
use bib_guardian::GuardianHandle;
use bib_kit::{HealthBoard, Router};
use bib_replicator::ReplicatorHandle;
use bib_swarm::SwarmHandle;
use ed25519_dalek::SigningKey;
use std::sync::Arc;

/// Asks the root to stop the node in order; returns at once.
pub type ShutdownFn = Arc<dyn Fn() + Send + Sync>;

/// Everything below the gateway.
#[derive(Clone)]
pub struct GatewayDeps {
    /// The audit chain.
    pub audit: AuditHandle,
    /// The catalogue, sessions and people.
    pub guardian: GuardianHandle,
    /// Connections to other nodes.
    pub swarm: SwarmHandle,
    /// Pairing and transfers.
    pub replicator: ReplicatorHandle,
    /// The chunk store.
    pub chunks: ChunkStore,
    /// The node's key, which signs what is published here.
    pub signing_key: SigningKey,
    /// How each actor is.
    pub health: HealthBoard,
    /// What the actors below tell of changes.
    pub router: Router,
    /// How the pages get in.
    pub door: Door,
    /// Stops the node.
    pub shutdown: ShutdownFn,
}
