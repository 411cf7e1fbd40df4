//! A whole node in a folder of its own: audit chain, guardian, swarm, replicator and gateway.

use super::Person;
use super::disk::Disk;
use bib_audit::{AuditAppended, AuditChain, AuditHandle, AuditOptions, AuditRecord};
use bib_chunks::{ChunkStore, StoreOptions};
use bib_domain::NodeMode;
use bib_gateway::web::Door;
use bib_gateway::web::{self, PagesOptions};
use bib_gateway::{GatewayDeps, GatewayHandle, GatewayOptions, Listening};
use bib_guardian::{DatabaseRuntime, GuardianHandle, GuardianOptions, SealKey, StorageGuardian};
use bib_kit::probe::Guard;
use bib_kit::{ActorState, ChildSpec, ExitReport, HealthBoard, Placement, Router};
use bib_proto::client::{Address, Client, ClientError, ClientOptions, Credential, Fingerprint, Trust, TrustStore};
use bib_proto::v1::CreateTopicRequest;
use bib_replicator::{InviteKey, ReplicatorDeps, ReplicatorOptions};
use bib_swarm::{Identity, SwarmOptions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// How many audit records one search looks at: few, so that a test can write more.
pub(crate) const AUDIT_SCAN: u64 = 200;

/// Where a node keeps its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    Postgres,
    Sqlite,
}

/// A node under test. Its parts end with it, the gateway first.
pub(crate) struct Node {
    pub(crate) gateway: GatewayHandle,
    pub(crate) gate: Guard,
    pub(crate) listening: Listening,
    pub(crate) web: SocketAddr,
    pub(crate) door: Door,
    pub(crate) guardian: GuardianHandle,
    pub(crate) audit: AuditHandle,
    pub(crate) audit_disk: Disk,
    pub(crate) identity: Identity,
    pub(crate) board: HealthBoard,
    pub(crate) stops: Arc<AtomicUsize>,
    guards: Vec<Guard>,
    home: Home,
}

/// A data directory in a place that an unprivileged user can reach, as PostgreSQL needs it when tests run as root.
/// Whatever still runs in it when the test ends is stopped.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("bib-w-").tempdir_in("/tmp").unwrap();
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
            drop(std::process::Command::new("kill").args(["-QUIT", pid]).status());
        }
    }
}

async fn started(mut guard: Guard) -> Guard {
    if let Err(report) = guard.start().await {
        panic!("it did not start: {}", report.exit);
    }
    guard
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut GatewayOptions)) -> Self {
        Self::made(1, Storage::Sqlite, change).await
    }

    /// With other options of the pages.
    pub(crate) async fn with_pages(change: impl FnOnce(&mut PagesOptions)) -> Self {
        Self::begun(1, Storage::Sqlite, |_| (), change).await.unwrap()
    }

    /// Why the pages do not start with these options.
    pub(crate) async fn pages_refused(change: impl FnOnce(&mut PagesOptions)) -> String {
        match Self::begun(1, Storage::Sqlite, |_| (), change).await {
            Ok(_) => panic!("the pages were served"),
            Err(report) => report.exit.to_string(),
        }
    }

    pub(crate) async fn made(seed: u8, storage: Storage, change: impl FnOnce(&mut GatewayOptions)) -> Self {
        Self::begun(seed, storage, change, |_| ()).await.unwrap()
    }

    async fn begun(
        seed: u8,
        storage: Storage,
        change: impl FnOnce(&mut GatewayOptions),
        change_pages: impl FnOnce(&mut PagesOptions),
    ) -> Result<Self, ExitReport> {
        let home = Home::new();
        let dir = home.path();
        let identity = Identity::from_seed(Zeroizing::new([seed; 32]));
        let id = identity.node_id().clone();
        let router = Router::new();
        let board = HealthBoard::new();
        let mut guards = Vec::new();

        let mut audit = AuditOptions::new(dir.join("audit"), id.clone(), identity.derive("audit"));
        audit.placement = Placement::Current;
        audit.scan_max_records = AUDIT_SCAN;
        let audit_disk = Disk::default();
        let chain = AuditChain::new(audit, router.topic::<AuditAppended>()).with_fs(Arc::new(audit_disk.clone()));
        let audit = chain.handle();
        guards.push(started(Guard::new(chain.child())).await);

        let chunks = ChunkStore::open(&dir.join("blobs"), StoreOptions::default()).unwrap();
        let seal = SealKey::new(identity.derive("seal"));
        let mut options = GuardianOptions::new(dir.clone(), NodeMode::Selective, seal, identity.public_key());
        options.placement = Placement::Current;
        options.runtime = match storage {
            Storage::Postgres => DatabaseRuntime::Process,
            Storage::Sqlite => DatabaseRuntime::Sqlite,
        };
        let keeper = StorageGuardian::new(options, chunks.clone(), Arc::new(audit.clone()), router.clone());
        let guardian = keeper.handle();
        guards.push(started(Guard::new(keeper.child())).await);

        let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
        let options = SwarmOptions { listen, mdns: false, ..SwarmOptions::default() };
        let spec = ChildSpec::new("swarm", 4).with_placement(Placement::Current).with_mailbox(options.mailbox);
        let (swarm, child) = bib_swarm::child(spec, identity.clone(), options, router.topic());
        guards.push(started(Guard::new(child)).await);

        let key = InviteKey::new(identity.derive("invite"));
        let options = ReplicatorOptions::new(id.clone(), "test node".to_owned(), NodeMode::Selective, key);
        let (gateway_router, door) = (router.clone(), Door::new());
        let deps = ReplicatorDeps { guardian: guardian.clone(), swarm: swarm.clone(), audit: audit.clone(), router };
        let spec = bib_replicator::spec().with_placement(Placement::Current);
        let (replicator, child) = bib_replicator::child(spec, options, deps);
        guards.push(started(Guard::new(child)).await);

        let mut options = GatewayOptions::new(&dir, id, "test node", NodeMode::Selective);
        options.grpc_listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        options.bootstrap_keys = Person::KNOWN.map(Person::bootstrap).to_vec();
        options.originate_untrusted = true;
        change(&mut options);
        let stops = Arc::new(AtomicUsize::new(0));
        let stopped = Arc::clone(&stops);
        let deps = GatewayDeps {
            audit: audit.clone(),
            guardian: guardian.clone(),
            swarm,
            replicator,
            chunks,
            signing_key: identity.signing_key(),
            health: board.clone(),
            router: gateway_router,
            door: door.clone(),
            shutdown: Arc::new(move || {
                stopped.fetch_add(1, Ordering::Relaxed);
            }),
        };
        board.register("gateway", 7, None);
        let spec = bib_gateway::spec(&options).with_placement(Placement::Current);
        let (gateway, child) = bib_gateway::child(spec, options, deps);
        let gate = started(Guard::new(child)).await;
        board.update("gateway", |actor| actor.state = ActorState::Up);
        let listening = gateway.listening().await.unwrap();
        let mut pages_options = PagesOptions::new(identity.node_id().clone(), "test node");
        pages_options.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        change_pages(&mut pages_options);
        let spec = web::spec().with_placement(Placement::Current);
        let (pages, child) = web::child(spec, pages_options, door.clone(), board.clone());
        let mut pages_guard = Guard::new(child);
        pages_guard.start().await?;
        guards.push(pages_guard);
        let web = pages.listening().await.unwrap().0;
        Ok(Self {
            gateway,
            gate,
            listening,
            web,
            door,
            guardian,
            audit,
            audit_disk,
            identity,
            board,
            stops,
            guards,
            home,
        })
    }

    /// Ends the node in order, its database too.
    pub(crate) async fn stop(mut self) {
        self.gate.stop().await;
        for guard in self.guards.iter_mut().rev() {
            guard.stop().await;
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.home.path()
    }

    /// A place for the files of clients.
    pub(crate) fn desk(&self) -> PathBuf {
        self.home.0.path().to_owned()
    }

    pub(crate) fn tcp(&self) -> SocketAddr {
        self.listening.grpc[0]
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::from_bytes(self.listening.tls_fingerprint)
    }

    fn store(&self) -> TrustStore {
        TrustStore::at(self.home.0.path().join("trusted"))
    }

    /// A connection over TLS without a session.
    pub(crate) async fn anonymous(&self) -> Client {
        let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: self.tcp().port() };
        let trust = Trust::Expect(self.fingerprint());
        Client::connect(&address, &self.store(), trust, ClientOptions::default()).await.unwrap()
    }

    /// A connection over TLS with a session.
    pub(crate) async fn client(&self, person: Person) -> Client {
        let mut client = self.anonymous().await;
        self.log_in(&mut client, person).await.unwrap();
        client
    }

    pub(crate) async fn log_in(&self, client: &mut Client, person: Person) -> Result<(), ClientError> {
        let path = person.write_key(self.home.0.path());
        client.log_in(&Credential::File { path, passphrase: None }).await.map(drop)
    }

    /// A connection over the Unix socket.
    pub(crate) async fn local(&self) -> Client {
        let address = Address::Unix(self.listening.socket.clone());
        Client::connect(&address, &self.store(), Trust::KnownOnly, ClientOptions::default()).await.unwrap()
    }

    /// Makes a topic as an operator would.
    pub(crate) async fn topic(&self, name: &str) {
        let request = CreateTopicRequest { name: name.to_owned(), if_not_exists: true, ..Default::default() };
        self.local().await.topics().create_topic(request).await.unwrap();
    }

    /// All audit records so far. One answer has a page of them.
    pub(crate) async fn records(&self) -> Vec<AuditRecord> {
        let mut all: Vec<AuditRecord> = Vec::new();
        loop {
            let page = self.audit.export_since(all.last().map_or(0, |last| last.seq), 1000).await.unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    /// Waits for audit records of this action and gives them.
    pub(crate) async fn audited(&self, action: &str, outcome: &str) -> Vec<AuditRecord> {
        let find = || async {
            let all = self.records().await;
            all.into_iter().filter(|r| r.action == action && r.outcome.as_str() == outcome).collect::<Vec<_>>()
        };
        super::eventually(&format!("{action} {outcome} is recorded"), || async { !find().await.is_empty() }).await;
        find().await
    }
}
