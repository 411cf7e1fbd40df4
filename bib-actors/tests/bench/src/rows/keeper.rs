//! A guardian of this program's own on a PostgreSQL, with an audit log beneath it or without.

use anyhow::Context;
use async_trait::async_trait;
use bib_actors::root::{Root, RootOptions};
use bib_audit::format::ZERO_HASH;
use bib_audit::{
    AuditAppended, AuditChain, AuditDraft, AuditError, AuditHandle, AuditOptions, AuditRecord, Head, Pending, Receipt,
    Unsettled,
};
use bib_chunks::{ChunkStore, StoreOptions};
use bib_domain::{NodeId, NodeMode, OpContext};
use bib_guardian::{DatabaseRuntime, GuardianHandle, GuardianOptions, Ledger, SealKey, StorageGuardian};
use bib_kit::{CancellationToken, Router};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How long the start of a database may take.
const START: Duration = Duration::from_secs(120);
/// The node whose log it is.
const NODE: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

/// What a guardian works on.
pub(crate) struct Estate {
    /// The data folder, which exists.
    pub(crate) data: PathBuf,
    pub(crate) seal: [u8; 32],
    pub(crate) public_key: [u8; 32],
}

impl Estate {
    /// A new one in `data`.
    pub(crate) fn new(data: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir(data)?;
        Ok(Self { data: data.to_owned(), seal: [5; 32], public_key: [6; 32] })
    }
}

/// The running guardian, on threads of its own. Dropping it stops the database too.
pub(crate) struct Keeper {
    pub(crate) guardian: GuardianHandle,
    pub(crate) audit: Option<AuditHandle>,
    stop: CancellationToken,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
    runtime: Option<Runtime>,
}

impl Keeper {
    /// Starts it.
    pub(crate) fn start(estate: &Estate, audited: bool) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (router, stop) = (Router::new(), CancellationToken::new());
        let chunks = ChunkStore::open(&estate.data.join("blobs"), StoreOptions::default())?;
        let mut options =
            GuardianOptions::new(estate.data.clone(), NodeMode::Full, SealKey::new(estate.seal), estate.public_key);
        options.runtime = DatabaseRuntime::Process;
        // what is measured is reading the database
        options.catalog_cache_bytes = 0;
        options.database_user = Some("postgres".to_owned());
        let chain = audited.then(|| {
            let options = AuditOptions::new(estate.data.join("bench-audit"), node(), [7; 32]);
            AuditChain::new(options, router.topic::<AuditAppended>())
        });
        let audit = chain.as_ref().map(AuditChain::handle);
        let ledger: Arc<dyn Ledger> = match &audit {
            Some(audit) => Arc::new(audit.clone()),
            None => Arc::new(NoLedger::default()),
        };
        let keeper = StorageGuardian::new(options, chunks, ledger, router);
        let guardian = keeper.handle();
        let (handle, asked) = (runtime.handle().clone(), stop.clone());
        // children are made for a thread of their own, so that is where they are put together
        let thread = std::thread::Builder::new().name("bench-root".to_owned()).spawn(move || {
            bib_kit::system::run(async move {
                let mut root = Root::builder(handle).options(RootOptions::default());
                if let Some(chain) = chain {
                    root = root.add(chain.child());
                } else {
                    root = root.add(nobody());
                }
                let root = root.add(keeper.child()).start()?;
                asked.cancelled().await;
                root.shutdown();
                root.wait().await;
                Ok(())
            })
        })?;
        let made = Self { guardian, audit, stop, thread: Some(thread), runtime: Some(runtime) };
        let ready = made.block_on(made.guardian.ready(START));
        anyhow::ensure!(ready, "the guardian did not start");
        Ok(made)
    }

    /// Runs on the guardian's runtime.
    pub(crate) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.runtime.as_ref().expect("it is there until the end").block_on(work)
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.end().context("stop the guardian")
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        let ended = self.thread.take().map(JoinHandle::join);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        match ended {
            Some(Ok(result)) => result,
            Some(Err(_)) => anyhow::bail!("its thread panicked"),
            None => Ok(()),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn node() -> NodeId {
    NODE.parse().expect("a node id")
}

/// Somebody who asks, with a request of their own.
pub(crate) fn operation() -> OpContext {
    OpContext::node(bib_kit::clock::new_request_id(), "bench")
}

/// A log that keeps nothing.
#[derive(Default)]
struct NoLedger(AtomicU64);

#[async_trait]
impl Ledger for NoLedger {
    async fn append(&self, _draft: AuditDraft) -> Result<Receipt, AuditError> {
        Ok(Receipt { epoch: 1, seq: self.0.fetch_add(1, Ordering::Relaxed) + 1, leaf_hash: ZERO_HASH })
    }

    async fn append_soon(&self, draft: AuditDraft) -> Result<Pending, AuditError> {
        Ok(Pending::answered(self.append(draft).await))
    }

    async fn append_buffered(&self, _draft: AuditDraft) -> Result<(), AuditError> {
        Ok(())
    }

    async fn export_since(&self, _seq: u64, _limit: u32) -> Result<Vec<AuditRecord>, AuditError> {
        Ok(Vec::new())
    }

    async fn unsettled(&self) -> Result<Vec<Unsettled>, AuditError> {
        Ok(Vec::new())
    }

    async fn head(&self) -> Result<Head, AuditError> {
        Ok(Head { epoch: 1, seq: 0, hash: ZERO_HASH, records: 0 })
    }
}

/// Stands where the audit chain stands, so that the guardian's dependency is there.
fn nobody() -> Box<dyn bib_kit::ManagedChild> {
    let slot = bib_kit::Slot::new(bib_kit::ChildSpec::new(bib_audit::NAME, 1));
    slot.child(|_args| async { Ok(Nobody) })
}

struct Nobody;

impl bib_kit::Child for Nobody {
    const NAME: &'static str = bib_audit::NAME;
}
