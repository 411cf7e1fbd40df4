//! A data directory and a guardian in it, on either database.

use super::{FlakyLedger, node_id, own_key};
use bib_audit::{AuditAppended, AuditChain, AuditHandle, AuditOptions, AuditRecord};
use bib_chunks::{ChunkStore, StoreOptions};
use bib_domain::NodeMode;
use bib_guardian::{DatabaseRuntime, GuardianHandle, GuardianOptions, Ledger, SealKey, StorageGuardian};
use bib_kit::probe::Guard;
use bib_kit::{ExitReport, Placement, Router};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The database of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Postgres,
    Sqlite,
}

/// A data directory. Whatever still runs in it when the test ends is stopped.
pub(crate) struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    /// In a place that an unprivileged user can reach, as PostgreSQL needs it when the tests run as root.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("bib-g-").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("node")
    }

    pub(crate) fn options(&self, backend: Backend) -> GuardianOptions {
        let key = own_key().verifying_key().to_bytes();
        let mut options = GuardianOptions::new(self.path(), NodeMode::Selective, SealKey::new([5; 32]), key);
        options.runtime = match backend {
            Backend::Postgres => DatabaseRuntime::Process,
            Backend::Sqlite => DatabaseRuntime::Sqlite,
        };
        options.ping_interval = Duration::from_millis(100);
        // a disk that stands still for some seconds is no reason for a test to fail
        options.pool_wait = super::PATIENCE;
        options.placement = Placement::Current;
        options
    }

    /// A guardian of this directory, with the audit chain beneath it.
    pub(crate) async fn start(&self, backend: Backend) -> Node {
        Node::start(self, self.options(backend)).await
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        super::server::kill_leftover(&self.path());
    }
}

/// A running guardian. Dropping it ends the actor as a crash would: PostgreSQL goes on.
pub(crate) struct Node {
    pub(crate) guardian: GuardianHandle,
    pub(crate) guard: Guard,
    pub(crate) audit: AuditHandle,
    pub(crate) ledger: FlakyLedger,
    pub(crate) router: Router,
    pub(crate) options: GuardianOptions,
    audit_guard: Guard,
}

impl Node {
    pub(crate) async fn start(home: &Home, options: GuardianOptions) -> Self {
        let mut node = Self::build(home, options).await;
        if let Err(report) = node.guard.start().await {
            panic!("the guardian did not start: {}", report.exit);
        }
        node
    }

    /// Everything but the guardian is started.
    pub(crate) async fn build(home: &Home, options: GuardianOptions) -> Self {
        std::fs::create_dir_all(home.path()).unwrap();
        let router = Router::new();
        let mut audit_options = AuditOptions::new(home.path().join("audit"), node_id("a"), [7; 32]);
        audit_options.placement = Placement::Current;
        audit_options.lock_wait = Duration::from_secs(10);
        let chain = AuditChain::new(audit_options, router.topic::<AuditAppended>());
        let audit = chain.handle();
        let mut audit_guard = Guard::new(chain.child());
        if let Err(report) = audit_guard.start().await {
            panic!("the audit chain did not start: {}", report.exit);
        }
        let ledger = FlakyLedger::new(audit.clone());
        let chunks = ChunkStore::open(&home.path().join("blobs"), StoreOptions::default()).unwrap();
        let deps: Arc<dyn Ledger> = Arc::new(ledger.clone());
        let guardian = StorageGuardian::new(options.clone(), chunks, deps, router.clone());
        let handle = guardian.handle();
        Self { guardian: handle, guard: Guard::new(guardian.child()), audit, ledger, router, options, audit_guard }
    }

    /// The whole audit log. One answer has a page of it.
    pub(crate) async fn records(&self) -> Vec<AuditRecord> {
        let mut all: Vec<AuditRecord> = Vec::new();
        loop {
            let after = all.last().map_or(0, |last| last.seq);
            let page = self.audit.export_since(after, 1000).await.unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    /// Why the guardian does not start.
    pub(crate) async fn refusal(home: &Home, options: GuardianOptions) -> String {
        let mut node = Self::build(home, options).await;
        match node.guard.start().await {
            Ok(()) => panic!("the guardian started"),
            Err(report) => report.exit.to_string(),
        }
    }

    /// Ends both in order.
    pub(crate) async fn stop(mut self) -> ExitReport {
        let report = self.guard.stop().await;
        self.audit_guard.stop().await;
        report
    }

    /// Ends the guardian's actor as a crash would, waits for it, and starts another one.
    pub(crate) async fn crash_and_restart(&mut self) {
        self.guard.abort().await;
        if let Err(report) = self.guard.start().await {
            panic!("the guardian did not start again: {}", report.exit);
        }
    }

    /// Ends both actors as a crash would, and waits for them.
    pub(crate) async fn crash(mut self) {
        self.guard.abort().await;
        self.audit_guard.abort().await;
    }

    /// Empties the tables of a PostgreSQL, all but the audit table.
    pub(crate) async fn clear(&self) {
        let password = super::passwords(self.data_dir())["bibd_admin_a"].clone();
        let admin = super::connect(self.data_dir(), "bibd_admin_a", &password, "bib").await.unwrap();
        let tables = "truncate bib.nodes, bib.topics, bib.subscriptions, bib.datasets, bib.dataset_versions, bib.manifests, \
            bib.invites, bib.users, bib.user_keys, bib.sessions, bib.requests";
        super::query(&admin, tables).await.unwrap();
        // that went past the guardian, which remembers what it read until it has tried a change of its own
        let nowhere = self.guardian.set_subscribed(&super::op(), &super::topic("nowhere"), true).await;
        assert!(nowhere.is_err(), "no topic is left");
    }

    pub(crate) fn log_dir(&self) -> PathBuf {
        self.options.data_dir.join("postgres").join("log")
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.options.data_dir
    }
}
