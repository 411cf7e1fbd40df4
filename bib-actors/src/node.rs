//! The composition root: makes every actor, gives each the handles of those below it, starts them under the root.
//!
//! It owns no state of its own and takes part in no request.

use crate::config::{Config, ConfigError};
use crate::data_dir::{DataDir, DataDirError};
use crate::root::{Root, RootHandle, RootOptions};
use crate::vigil::{Vigil, VigilOptions, Watched};
use bib_audit::{AuditAppended, AuditChain, AuditOptions};
use bib_chunks::{ChunkError, ChunkStore, StoreOptions};
use bib_domain::supervision::PlanError;
use bib_domain::{NodeId, NodeMode};
use bib_gateway::web::{self, Door, PagesHandle, PagesOptions};
use bib_gateway::{GatewayDeps, GatewayHandle, GatewayOptions};
use bib_guardian::{GuardianError, GuardianOptions, SealKey, StorageGuardian};
use bib_kit::events::Router;
use bib_kit::{CancellationToken, ChildSpec, HealthBoard};
use bib_replicator::{InviteKey, ReplicatorDeps, ReplicatorOptions};
use bib_swarm::{Identity, SwarmError, SwarmEvent, SwarmOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Why a node cannot be put together. What goes wrong in an actor's own start is the root's to tell.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A value of the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The node's folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The node's key.
    #[error(transparent)]
    Identity(#[from] SwarmError),
    /// The chunk store.
    #[error(transparent)]
    Chunks(#[from] ChunkError),
    /// The actors' ranks and dependencies: a defect of bibd.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// A running node.
pub struct Node {
    id: NodeId,
    root: RootHandle,
    gateway: GatewayHandle,
    pages: PagesHandle,
    guardian: GuardianOptions,
    stop: CancellationToken,
    _vigil: Vigil,
    // the folder stays locked as long as anything of the node runs
    _data: Arc<DataDir>,
}

impl Node {
    /// Puts the actors together and starts them. Comes back at once; see [`RootHandle::ready`]. Must run on the thread
    /// of an actor system (`bib_kit::system::run`); `runtime` carries libp2p, gRPC, SQL and queries.
    ///
    /// # Errors
    /// [`NodeError`] when the folder, the identity, the chunk store or a value cannot be used.
    pub fn start(config: &Config, options: RootOptions, runtime: Handle) -> Result<Self, NodeError> {
        let data = Arc::new(DataDir::open(&config.node.data_dir)?);
        let mode = config.mode()?;
        let identity = Identity::load_or_create(&data.path().join("identity.key"))?;
        let id = identity.node_id().clone();
        tracing::info!(node = %id, %mode, data = %data.path().display(), "identity");
        let chunks = ChunkStore::open(&data.path().join("blobs"), store_options(config, mode))?;
        let (router, health, stop) = (Router::new(), HealthBoard::new(), CancellationToken::new());

        let audit_options =
            AuditOptions::new(data.path().join("audit"), id.clone(), identity.derive("bib/audit/hmac/v1"));
        let audit = AuditChain::new(audit_options, router.topic::<AuditAppended>());
        let audit_handle = audit.handle();

        let guardian_options = guardian_options(config, mode, &data, &identity)?;
        let (guardian_kept, ledger) = (guardian_options.clone(), Arc::new(audit_handle.clone()));
        let guardian = StorageGuardian::new(guardian_options, chunks.clone(), ledger, router.clone());
        let guardian_handle = guardian.handle();

        let swarm_options = SwarmOptions {
            listen: config.p2p.listen.clone(),
            announce: config.p2p.announce.clone(),
            mdns: config.p2p.mdns,
            ..SwarmOptions::default()
        };
        let swarm_events = router.topic::<SwarmEvent>();
        let (swarm_handle, swarm) =
            bib_swarm::child(swarm_spec(&swarm_options), identity.clone(), swarm_options, swarm_events);

        let gateway_router = router.clone();
        let invite_key = InviteKey::new(identity.derive("bib/invite/v1"));
        let mut replicator_options = ReplicatorOptions::new(id.clone(), config.node.name.clone(), mode, invite_key);
        replicator_options.poll_interval = Duration::from_secs(config.p2p.poll_seconds);
        if mode == NodeMode::Proxy {
            replicator_options.answers_ttl = Duration::from_secs(config.proxy.ttl_seconds);
            replicator_options.favorites = config.favorites()?;
        }
        let replicator_deps = ReplicatorDeps {
            guardian: guardian_handle.clone(),
            swarm: swarm_handle.clone(),
            audit: audit_handle.clone(),
            router,
        };
        let (replicator_handle, replicator) =
            bib_replicator::child(needs_guardian(bib_replicator::spec()), replicator_options, replicator_deps);

        let watched = Watched { data: data.path().to_owned(), health: health.clone(), audit: audit_handle.clone() };
        let vigil = Vigil::begin(&runtime, watched, VigilOptions::default());

        let gateway_options = gateway_options(config, mode, &data, &id)?;
        let asked = stop.clone();
        let door = Door::new();
        let deps = GatewayDeps {
            audit: audit_handle,
            guardian: guardian_handle,
            swarm: swarm_handle,
            replicator: replicator_handle,
            chunks,
            signing_key: identity.signing_key(),
            health: health.clone(),
            router: gateway_router,
            door: door.clone(),
            shutdown: Arc::new(move || asked.cancel()),
        };
        let gateway_spec = needs_guardian(bib_gateway::spec(&gateway_options));
        let (gateway_handle, gateway) = bib_gateway::child(gateway_spec, gateway_options, deps);
        let (pages_handle, pages) = web::child(web::spec(), pages_options(config, mode, &id)?, door, health.clone());
        let root = Root::builder(runtime)
            .options(options)
            .health(health)
            .add(audit.child())
            .add(guardian.child())
            .add(swarm)
            .add(replicator)
            .add(gateway)
            .add(pages)
            .start()?;
        Ok(Self {
            id,
            root,
            gateway: gateway_handle,
            pages: pages_handle,
            guardian: guardian_kept,
            stop,
            _vigil: vigil,
            _data: data,
        })
    }

    /// The node's id.
    #[must_use]
    pub const fn id(&self) -> &NodeId {
        &self.id
    }

    /// Health, shutdown, end.
    #[must_use]
    pub const fn root(&self) -> &RootHandle {
        &self.root
    }

    /// Where the node listens.
    #[must_use]
    pub const fn gateway(&self) -> &GatewayHandle {
        &self.gateway
    }

    /// Where the pages are.
    #[must_use]
    pub const fn pages(&self) -> &PagesHandle {
        &self.pages
    }

    /// Comes back when somebody asked, through the API, that the node stops.
    pub async fn asked_to_stop(&self) {
        self.stop.cancelled().await;
    }

    /// Stops a PostgreSQL of this node that has nobody any more who would; false if there was none. To be called when the
    /// node has ended.
    ///
    /// # Errors
    /// [`GuardianError`] when it does not stop.
    pub async fn stop_database(&self) -> Result<bool, GuardianError> {
        bib_guardian::shut_down(&self.guardian).await
    }
}

fn store_options(config: &Config, mode: NodeMode) -> StoreOptions {
    let memory_bytes = (mode == NodeMode::Proxy).then(|| config.proxy.cache_mib.saturating_mul(1 << 20));
    let page_cache_bytes = config.storage.page_cache_mib.saturating_mul(1 << 20);
    StoreOptions { memory_bytes, page_cache_bytes, ..StoreOptions::default() }
}

fn guardian_options(
    config: &Config,
    mode: NodeMode,
    data: &DataDir,
    identity: &Identity,
) -> Result<GuardianOptions, NodeError> {
    let seal_key = SealKey::new(identity.derive("bib/kek/db/v1"));
    let mut options = GuardianOptions::new(data.path().to_owned(), mode, seal_key, identity.public_key());
    let runtime = config.database.runtime.parse();
    options.runtime = runtime.map_err(|why| ConfigError::Value { key: "database.runtime", why })?;
    options.postgres_bin.clone_from(&config.database.bin_dir);
    let ttl_hours = config.database.cache_ttl_hours;
    options.cache_ttl = (ttl_hours > 0).then(|| Duration::from_secs(ttl_hours.saturating_mul(3600)));
    options.database_user.clone_from(&config.database.user);
    let storage = &config.storage;
    options.space.rules.reserve_bytes = storage.reserve_mib.saturating_mul(1 << 20);
    options.space.rules.reserve_percent = storage.reserve_percent;
    options.space.rules.ballast_bytes = storage.ballast_mib.saturating_mul(1 << 20);
    options.orphans.period = Duration::from_secs(storage.sweep_seconds);
    options.orphans.grace = Duration::from_secs(storage.orphan_grace_seconds);
    options.space.period = Duration::from_millis(storage.check_ms);
    Ok(options)
}

fn gateway_options(config: &Config, mode: NodeMode, data: &DataDir, id: &NodeId) -> Result<GatewayOptions, NodeError> {
    let mut options = GatewayOptions::new(data.path(), id.clone(), config.node.name.clone(), mode);
    options.grpc_listen.clone_from(&config.grpc.listen);
    options.names.clone_from(&config.grpc.names);
    options.names.extend(config.web.hosts.iter().cloned());
    if config.web.tls {
        options.names.push(config.web.listen.ip().to_string());
        options.names.extend(config.announced()?.map(|announced| announced.host().to_owned()));
    }
    options.query.max_rows = config.query.max_rows;
    options.query.memory_bytes = usize::try_from(config.query.memory_mib.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
    options.query.timeout = Duration::from_secs(config.query.timeout_seconds);
    options.bootstrap_keys = config.keys()?;
    Ok(options)
}

fn pages_options(config: &Config, mode: NodeMode, id: &NodeId) -> Result<PagesOptions, NodeError> {
    let mut options = PagesOptions::new(id.clone(), config.node.name.clone());
    options.listen = config.web.listen;
    options.tls = config.web.tls;
    options.certificate = config.web.certificate.clone().zip(config.web.key.clone());
    options.announce = config.announced()?;
    options.hosts = config.grpc.names.iter().chain(&config.web.hosts).cloned().collect();
    options.mode = mode;
    Ok(options)
}

/// One that asks the guardian in its start: a database that does not answer just then is waited for.
const fn needs_guardian(spec: ChildSpec) -> ChildSpec {
    spec.with_passing(bib_guardian::passes)
}

/// The swarm needs none of the actors below it.
fn swarm_spec(options: &SwarmOptions) -> ChildSpec {
    ChildSpec::new("swarm", 4).with_mailbox(options.mailbox)
}
