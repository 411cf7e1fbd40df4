//! The actor: opens the database, watches it, and ends when it is gone.
//!
//! Its state is what is on disk. A new incarnation adopts the database that its predecessor left running.

use crate::continuity::{keep_note, note};
use crate::core::{Core, Events};
use crate::database::PingError;
use crate::error::GuardianError;
use crate::files::{self, DirLock};
use crate::handle::{GuardianHandle, Shortcut};
use crate::index::AuditIndex;
use crate::ledger::Ledger;
use crate::manifests::ManifestStore;
use crate::ops::expire::ExpireCopies;
use crate::ops::status::Sweep;
use crate::options::GuardianOptions;
use crate::orphans::{remove_unnamed, sweep_orphans};
use crate::passing::passes;
use crate::process;
use crate::recall::{Answers, Recall};
use crate::settle::{Doubtful, settle_at_start, settle_later};
use crate::setup;
use crate::space::Space;
use bib_audit::AuditAppended;
use bib_chunks::ChunkStore;
use bib_domain::{OpContext, StorageKind};
use bib_kit::{
    Child, ChildSpec, Cx, Doom, ManagedChild, Reply, RestartPolicy, Router, Slot, StartArgs, StartError, Tasks, clock,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The name of the guardian in health, logs, errors and dependencies.
pub const NAME: &str = "guardian";

/// How long a start waits for the incarnation before it, or for another bibd, to let go of the data directory.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// What a start takes beside waiting for the lock and the database: making a data directory, migrations.
const START_MARGIN: Duration = Duration::from_secs(60);
/// How long a shutdown waits for the note of how far the catalogue is.
const NOTE_PATIENCE: Duration = Duration::from_secs(5);
/// What a shutdown takes beside stopping the database.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(15);
/// Background tasks: the audit table, the watches of the database and of the disks, the sweeps of rows and of chunks, the note
/// of how far the catalogue is, changes whose end is not known.
const BACKGROUND_TASKS: usize = 7;
/// Operations that have answered and whose tasks are about to end.
const ENDING_TASKS: usize = 64;
/// Blocking calls at a time: SQLite's connections, manifests, starting programs.
const BLOCKING_CALLS: usize = 16;

/// The storage guardian before it is started: give its handle to others, its child to the root.
pub struct StorageGuardian {
    slot: Slot<Guardian>,
    parts: Parts,
}

/// What every incarnation is made of.
#[derive(Clone)]
struct Parts {
    options: GuardianOptions,
    chunks: ChunkStore,
    audit: Arc<dyn Ledger>,
    router: Router,
    space: Space,
    recall: Recall,
}

impl StorageGuardian {
    /// A guardian that records in `audit`, and publishes and hears events through `router`.
    #[must_use]
    pub fn new(options: GuardianOptions, chunks: ChunkStore, audit: Arc<dyn Ledger>, router: Router) -> Self {
        let slot = Slot::new(Self::spec(&options));
        let space = Space::new(&options.data_dir, options.space);
        Self { slot, parts: Parts { options, chunks, audit, router, space, recall: Recall::default() } }
    }

    /// Rank, policy and bounds.
    #[must_use]
    pub fn spec(options: &GuardianOptions) -> ChildSpec {
        ChildSpec::new(NAME, 2)
            .with_depends_on(&[bib_audit::NAME])
            .with_policy(RestartPolicy::permanent().with_start_within(start_within(options)))
            .with_passing(passes)
            .with_placement(options.placement)
            .with_mailbox(options.mailbox)
            .with_shutdown(options.stop_deadline + SHUTDOWN_MARGIN)
    }

    /// The verbs, for whoever needs them; valid before the start and across restarts.
    #[must_use]
    pub fn handle(&self) -> GuardianHandle {
        GuardianHandle::new(
            self.slot.handle(),
            self.parts.chunks.clone(),
            self.parts.space.clone(),
            Shortcut { recall: self.parts.recall.clone(), ledger: Arc::clone(&self.parts.audit) },
            &self.parts.options,
        )
    }

    /// The child, for the root to start.
    #[must_use]
    pub fn child(self) -> Box<dyn ManagedChild> {
        let Self { slot, parts } = self;
        slot.child(move |args| {
            let parts = parts.clone();
            async move { Ok(Guardian::open(args, parts).await?) as Result<Guardian, StartError> }
        })
    }
}

/// How long a start may take. One that keeps its own bounds is never taken for a hung one: it would be ended without a word
/// of why, and its successor would begin to wait anew.
fn start_within(options: &GuardianOptions) -> Duration {
    // the server is waited for, then its recovery, then the server in that time; one that is started anew is once more
    let database = options.start_deadline * 4 + options.stop_deadline + SHUTDOWN_MARGIN;
    LOCK_PATIENCE + database + START_MARGIN
}

/// Stops the PostgreSQL of a data directory if it runs; false if it did not. An orderly shutdown of the actor does this
/// itself: this is for a process that ends without one. To be called when no guardian can start one any more.
///
/// # Errors
/// If the server does not stop.
pub async fn shut_down(options: &GuardianOptions) -> Result<bool, GuardianError> {
    let data = options.data_dir.join("postgres").join("data");
    let starting = process::stop_starting(&data, options.stop_deadline).await;
    Ok(process::stop_running(&data, options.stop_deadline).await? || starting)
}

/// The actor.
pub struct Guardian {
    pub(crate) core: Arc<Core>,
    /// Operations under way.
    pub(crate) work: Tasks,
    /// Goes to the task that settles them.
    doubts: Option<Doubts>,
    /// What goes on beside them; `None` once a shutdown has begun.
    background: Option<Tasks>,
    doom: Doom,
    router: Router,
}

impl Guardian {
    /// Opens everything on the shared runtime, where connections belong.
    async fn open(args: StartArgs, parts: Parts) -> Result<Self, GuardianError> {
        let (tx, rx) = oneshot::channel();
        let opening = args.tasks(1);
        let (router, starting, given) = (parts.router.clone(), args.clone(), parts.clone());
        opening
            .spawn("open", async move {
                let _ = tx.send(open_core(&starting, given).await);
            })
            .map_err(|error| GuardianError::Setup(error.to_string()))?;
        let (core, doubts) = rx.await.map_err(|_| GuardianError::GoingDown)??;
        Ok(Self {
            core: Arc::new(core),
            // an operation holds its place in the mailbox until it is answered
            // and leaves it before its task has ended
            work: args.tasks(parts.options.mailbox.max(1) + ENDING_TASKS),
            doubts: Some(doubts),
            background: Some(args.tasks(BACKGROUND_TASKS)),
            doom: args.doom(),
            router,
        })
    }

    fn background(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(Err(error)) = self.background.as_ref().map(|tasks| tasks.spawn(name, task)) {
            self.doom.fail(error.to_string());
        }
    }
}

/// Changes whose end the start could not find out, and those that come to be in doubt.
type Doubts = (Vec<Doubtful>, mpsc::Receiver<Doubtful>);

async fn open_core(args: &StartArgs, parts: Parts) -> Result<(Core, Doubts), GuardianError> {
    let Parts { options, chunks, audit, router, space, recall } = parts;
    let pool = args.blocking(BLOCKING_CALLS);
    let data_dir = options.data_dir.clone();
    process::on(&pool, move || files::private_dir(&data_dir)).await?;
    let lock = DirLock::acquire(options.data_dir.join("guardian.lock"), LOCK_PATIENCE).await?;
    // a database that starts on a full disk needs the ballast's room for its recovery
    let look = space.clone();
    process::on(&pool, move || {
        look.keep();
        Ok(())
    })
    .await?;
    let database = setup::open_database(&options, &pool, args.incarnation).await?;
    let (root, cache, files) = (options.data_dir.join("manifests"), options.manifest_cache_bytes, pool.clone());
    let manifests = process::on(&pool, move || ManifestStore::open(root, cache, files)).await?;
    let events = Events { versions: router.topic(), peers: router.topic(), subscriptions: router.topic() };
    let index = AuditIndex::default();
    let serving = recall.serve(Arc::new(Answers::new(options.catalog_cache_bytes)));
    let owed = args.tasks(options.mailbox.max(1));
    let (doubts, more) = mpsc::channel(options.mailbox.max(1));
    let core = Core {
        options,
        database,
        ledger: audit,
        manifests,
        chunks,
        events,
        index,
        space,
        serving,
        pool,
        owed,
        doubts,
        noting: Arc::default(),
        _lock: lock,
    };
    let left = settle_at_start(&core).await;
    Ok((core, (left, more)))
}

impl Child for Guardian {
    const NAME: &'static str = NAME;

    fn started(&mut self, _cx: &mut Cx<'_, Self>) {
        let news = self.router.topic::<AuditAppended>().subscribe();
        let core = Arc::clone(&self.core);
        self.background("audit-index", async move { core.index.follow(&core, news).await });
        self.background("watch", watch(Arc::clone(&self.core), self.doom.clone()));
        self.background("space", watch_space(Arc::clone(&self.core)));
        self.background("orphans", sweep_orphans(Arc::clone(&self.core)));
        self.background("continuity", keep_note(Arc::clone(&self.core)));
        self.background("sweep", sweep(Arc::clone(&self.core)));
        if let Some((left, more)) = self.doubts.take() {
            self.background("settle", settle_later(Arc::clone(&self.core), left, more));
        }
    }

    /// Stops the database when every operation has been answered.
    fn shutdown(&mut self, _cx: &mut Cx<'_, Self>) -> Reply<()> {
        self.background = None;
        let core = Arc::clone(&self.core);
        Reply::later(async move {
            // a database that does not answer is waited for below
            let _ = tokio::time::timeout(NOTE_PATIENCE, note(&core)).await;
            if let Err(error) = core.database.shut_down(core.options.stop_deadline).await {
                tracing::error!(%error, "the database did not stop in order");
            }
        })
    }
}

/// Asks the database now and then whether it is there.
async fn watch(core: Arc<Core>, doom: Doom) {
    let (mut failures, mut recovering) = (0, None);
    loop {
        tokio::time::sleep(core.options.ping_interval).await;
        match core.database.ping().await {
            Ok(()) => (failures, recovering) = (0, None),
            // it does what a restart of the guardian would wait for; only for so long as a start may take
            Err(PingError::Recovering(reason))
                if clock::since(*recovering.get_or_insert_with(clock::monotonic)) < core.options.start_deadline =>
            {
                tracing::info!(reason, "the database recovers by itself");
            }
            Err(PingError::Dead(reason)) => {
                doom.fail(format!("{reason}; it is started again"));
                return;
            }
            Err(PingError::Sick(reason) | PingError::Recovering(reason)) => {
                failures += 1;
                tracing::warn!(failures, reason, "the database does not answer well");
                if failures >= core.options.ping_failures {
                    doom.fail(format!("the database does not answer: {reason}"));
                    return;
                }
            }
        }
    }
}

/// Looks at the disks now and then, and keeps the ballast.
async fn watch_space(core: Arc<Core>) {
    loop {
        let space = core.space.clone();
        if let Err(error) = core.pool.run(move || space.keep()).await {
            tracing::error!(%error, "the room on the disks was not looked at");
        }
        core.space.next_look().await;
    }
}

/// Removes what expired.
async fn sweep(core: Arc<Core>) {
    loop {
        tokio::time::sleep(core.options.sweep_interval).await;
        let cx = OpContext::node(clock::new_request_id(), NAME);
        if let Err(error) = core.change(Sweep { cx, retention: core.options.request_retention }).await {
            tracing::warn!(%error, "what expired was not removed; it is tried again later");
        }
        if core.database.info().kind == StorageKind::Sqlite
            && let Err(error) = expire_copies(&core).await
        {
            tracing::warn!(%error, "copies of topics that were left were not removed; it is tried again later");
        }
    }
}

/// The limited mode is a cache: it lets go of what nobody is subscribed to any more.
async fn expire_copies(core: &Core) -> Result<(), GuardianError> {
    let (Some(ttl), limit) = (core.options.cache_ttl, core.options.page_limit) else { return Ok(()) };
    let cx = OpContext::node(clock::new_request_id(), NAME);
    let gone = core.change(ExpireCopies { cx, ttl, limit }).await?;
    if !gone.is_empty() {
        tracing::info!(versions = gone.len(), "copies of topics that were left are removed: their time was over");
    }
    for id in gone {
        remove_unnamed(core, id).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::SealKey;
    use bib_domain::NodeMode;

    #[test]
    fn a_start_that_keeps_its_own_bounds_is_not_taken_for_a_hung_one() {
        let key = SealKey::new([1; 32]);
        let mut options = GuardianOptions::new("/srv/bib".into(), NodeMode::Full, key, [2; 32]);
        for start in [120, 3600] {
            options.start_deadline = Duration::from_secs(start);
            let within = StorageGuardian::spec(&options).policy.start_within;
            // a server that runs with another configuration: waited for, recovered, stopped, started
            assert!(within > LOCK_PATIENCE + options.start_deadline * 3 + options.stop_deadline, "{within:?}");
        }
    }
}
