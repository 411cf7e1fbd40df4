//! A whole node but its gateway: audit chain, guardian, swarm and replicator, in a folder of its own.

use super::data::{manifest, store_file};
use super::{eventually, op};
use bib_audit::{AuditAppended, AuditChain, AuditHandle, AuditOptions};
use bib_chunks::{ChunkStore, SignedManifest, StoreOptions, verify_version};
use bib_domain::backoff::Backoff;
use bib_domain::{DatasetRef, NodeId, NodeMode, VersionId};
use bib_guardian::{
    DatabaseRuntime, GuardianHandle, GuardianOptions, NewTopic, SealKey, StorageGuardian, VersionRow, VersionState,
};
use bib_kit::probe::Guard;
use bib_kit::{ChildSpec, Placement, Router, clock};
use bib_replicator::{InviteKey, ReplicatorDeps, ReplicatorHandle, ReplicatorOptions, TransferRow};
use bib_swarm::{Identity, SwarmHandle, SwarmOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use zeroize::Zeroizing;

/// Where a node keeps its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Trusted: it serves others.
    Postgres,
    /// A cache that serves nobody.
    Sqlite,
}

/// A node under test. Its parts end with it, the replicator first.
pub(crate) struct Node {
    pub(crate) replicator: ReplicatorHandle,
    pub(crate) replicator_guard: Guard,
    pub(crate) swarm: SwarmHandle,
    pub(crate) swarm_guard: Guard,
    pub(crate) guardian: GuardianHandle,
    guardian_guard: Guard,
    pub(crate) audit: AuditHandle,
    _audit_guard: Guard,
    pub(crate) chunks: ChunkStore,
    pub(crate) identity: Identity,
    pub(crate) id: NodeId,
    home: Home,
}

/// A data directory in a place that an unprivileged user can reach, as PostgreSQL needs it when tests run as root.
/// Whatever still runs in it when the test ends is stopped.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("bib-r-").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        std::fs::create_dir(dir.path().join("node")).unwrap();
        Self(dir)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("node")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.path().join("postgres/data/postmaster.pid")).unwrap_or_default();
        if let Some(pid) = pid.lines().next() {
            let _ = std::process::Command::new("kill").args(["-QUIT", pid]).status();
        }
    }
}

/// Short times, so that tests do not wait; polling is off unless a test wants it.
pub(crate) fn options(identity: &Identity, mode: NodeMode) -> ReplicatorOptions {
    let key = InviteKey::new(identity.derive("invite"));
    let mut options = ReplicatorOptions::new(identity.node_id().clone(), "test node".to_owned(), mode, key);
    options.poll_interval = Duration::from_secs(3600);
    options.backlog.retry = Backoff { first: Duration::from_millis(100), max: Duration::from_millis(400) };
    options.tick = Duration::from_millis(50);
    options.patience = Duration::from_secs(5);
    options.transfer.stall_ms = 1500;
    options.answer_deadline = Duration::from_secs(10);
    options
}

impl Node {
    pub(crate) async fn start(seed: u8, storage: Storage, mode: NodeMode) -> Self {
        Self::with(seed, storage, mode, |_| ()).await
    }

    /// A node whose replicator has other options than usual.
    pub(crate) async fn with(
        seed: u8,
        storage: Storage,
        mode: NodeMode,
        change: impl FnOnce(&mut ReplicatorOptions),
    ) -> Self {
        Self::with_store(seed, storage, mode, StoreOptions::default(), change).await
    }

    /// The same, with a chunk store that has other options than usual.
    pub(crate) async fn with_store(
        seed: u8,
        storage: Storage,
        mode: NodeMode,
        store: StoreOptions,
        change: impl FnOnce(&mut ReplicatorOptions),
    ) -> Self {
        let home = Home::new();
        let dir = home.path();
        let identity = Identity::from_seed(Zeroizing::new([seed; 32]));
        let id = identity.node_id().clone();
        let router = Router::new();

        let mut audit = AuditOptions::new(dir.join("audit"), id.clone(), identity.derive("audit"));
        audit.placement = Placement::Current;
        let chain = AuditChain::new(audit, router.topic::<AuditAppended>());
        let audit = chain.handle();
        let audit_guard = started(Guard::new(chain.child())).await;

        let chunks = ChunkStore::open(&dir.join("blobs"), store).unwrap();
        let options_guardian = guardian_options(&dir, &identity, storage, mode);
        let keeper = StorageGuardian::new(options_guardian, chunks.clone(), Arc::new(audit.clone()), router.clone());
        let guardian = keeper.handle();
        let guardian_guard = started(Guard::new(keeper.child())).await;

        let swarm_options = SwarmOptions {
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            mdns: false,
            redial: Backoff { first: Duration::from_millis(20), max: Duration::from_millis(200) },
            ..SwarmOptions::default()
        };
        let spec = ChildSpec::new("swarm", 4).with_placement(Placement::Current).with_mailbox(swarm_options.mailbox);
        let (swarm, child) = bib_swarm::child(spec, identity.clone(), swarm_options, router.topic());
        let swarm_guard = started(Guard::new(child)).await;

        let mut options = options(&identity, mode);
        change(&mut options);
        let deps = ReplicatorDeps { guardian: guardian.clone(), swarm: swarm.clone(), audit: audit.clone(), router };
        let spec = bib_replicator::spec().with_placement(Placement::Current);
        let (replicator, child) = bib_replicator::child(spec, options, deps);
        let replicator_guard = started(Guard::new(child)).await;
        Self {
            replicator,
            replicator_guard,
            swarm,
            swarm_guard,
            guardian,
            guardian_guard,
            audit,
            _audit_guard: audit_guard,
            chunks,
            identity,
            id,
            home,
        }
    }

    /// Makes a topic, and subscribes this node to it.
    pub(crate) async fn topic(&self, name: &str) {
        let new = NewTopic {
            name: name.parse().unwrap(),
            description: format!("about {name}"),
            owner: self.id.clone(),
            created_ms: clock::unix_ms(),
            if_not_exists: true,
        };
        self.guardian.create_topic(&op(), new).await.unwrap();
    }

    /// Subscribes to a topic, once this node knows it.
    pub(crate) async fn subscribe(&self, name: &str) {
        let name = name.parse().unwrap();
        eventually("the topic is known", || async { self.guardian.get_topic(&name).await.unwrap().is_some() }).await;
        self.guardian.set_subscribed(&op(), &name, true).await.unwrap();
    }

    /// Publishes a version of one file of `length` bytes.
    pub(crate) async fn publish(&self, dataset: &str, number: u64, length: usize) -> VersionId {
        let seed = u64::from(self.identity.public_key()[0]) * 1000 + number;
        let content = store_file(&self.chunks, seed, length);
        let signed = SignedManifest::sign(manifest(dataset, number, content), &self.identity.signing_key()).unwrap();
        let id = signed.id();
        self.guardian.publish(&op(), Arc::new(signed), VersionState { complete: true }).await.unwrap();
        id
    }

    /// Pairs `joiner` with this node by ticket.
    pub(crate) async fn pair(&self, joiner: &Self, base: bool) {
        let invite = self.replicator.create_invite(&op(), Duration::from_secs(60)).await.unwrap();
        let row = joiner.replicator.join(&op(), &invite.ticket, base).await.unwrap();
        assert_eq!(row.node_id, self.id);
    }

    /// What is known here of a version.
    pub(crate) async fn version(&self, dataset: &str, id: VersionId) -> Option<VersionRow> {
        let dataset: DatasetRef = dataset.parse().unwrap();
        self.guardian.find_version(&dataset, &id.to_hex()).await.ok()
    }

    /// Waits until a version is whole here, and checks every byte of it.
    pub(crate) async fn gets(&self, dataset: &str, id: VersionId) {
        eventually("the version is whole", || async {
            self.version(dataset, id).await.is_some_and(|row| row.complete)
        })
        .await;
        let signed = self.guardian.manifest(id).await.unwrap().unwrap();
        let report = verify_version(&self.chunks, &signed, |_| ());
        assert!(report.signature_ok && report.damage.is_empty(), "{:?}", report.damage);
    }

    /// The transfer of a version, if it is shown.
    pub(crate) async fn transfer(&self, id: VersionId) -> Option<TransferRow> {
        let rows = self.replicator.transfers().await.ok()?;
        rows.into_iter().find(|row| row.version == id)
    }

    /// Why a peer is blamed here; empty if it is not.
    pub(crate) async fn blamed(&self, peer: &NodeId) -> String {
        let rows = self.guardian.peers().await.unwrap();
        rows.into_iter().find(|row| row.node_id == *peer).map(|row| row.blamed).unwrap_or_default()
    }

    /// Whether the audit log has a record of this action whose object contains `about`.
    pub(crate) async fn audited(&self, action: &str, about: &str) -> bool {
        let records = self.audit.export_since(0, 10_000).await.unwrap();
        records.iter().any(|record| record.action == action && record.object.contains(about))
    }

    /// How many records of this action the audit log has whose object contains `about`.
    pub(crate) async fn records(&self, action: &str, about: &str) -> usize {
        let records = self.audit.export_since(0, 10_000).await.unwrap();
        records.iter().filter(|record| record.action == action && record.object.contains(about)).count()
    }

    /// Restarts the guardian and what builds on it, as after a crash; `meanwhile` happens while they are gone.
    pub(crate) async fn restart_guardian(&mut self, meanwhile: impl FnOnce(&Path)) {
        self.replicator_guard.abort().await;
        self.guardian_guard.abort().await;
        meanwhile(&self.dir());
        self.guardian_guard.start().await.unwrap();
        self.replicator_guard.start().await.unwrap();
    }

    /// Restarts the guardian alone, while what builds on it goes on; `meanwhile` happens while it is gone.
    pub(crate) async fn restart_guardian_alone(&mut self, meanwhile: impl FnOnce(&Path)) {
        self.guardian_guard.abort().await;
        meanwhile(&self.dir());
        self.guardian_guard.start().await.unwrap();
    }

    /// The data directory.
    pub(crate) fn dir(&self) -> PathBuf {
        self.home.path()
    }

    /// Ends the node in order, its database too.
    pub(crate) async fn stop(mut self) {
        self.replicator_guard.stop().await;
        self.swarm_guard.stop().await;
        self.guardian_guard.stop().await;
    }
}

async fn started(mut guard: Guard) -> Guard {
    guard.start().await.unwrap();
    guard
}

fn guardian_options(dir: &Path, identity: &Identity, storage: Storage, mode: NodeMode) -> GuardianOptions {
    let mut options =
        GuardianOptions::new(dir.to_owned(), mode, SealKey::new(identity.derive("seal")), identity.public_key());
    options.placement = Placement::Current;
    options.runtime = match storage {
        Storage::Postgres => DatabaseRuntime::Process,
        Storage::Sqlite => DatabaseRuntime::Sqlite,
    };
    options
}
