//! The actor: opens the log, owns the writer, ends when the writer does.
//!
//! Its state is what is on disk. A new incarnation opens the log anew, after the writer of the one before has ended: the
//! kit waits for it, and the lock on the directory keeps other processes out.

use crate::clock::{NodeClock, TimeSource};
use crate::error::AuditError;
use crate::handle::{AuditAppended, AuditHandle};
use crate::log::{self, DirLock, Shared};
use crate::options::AuditOptions;
use crate::params::ParamKey;
use crate::queue::{Door, Opened, Queue};
use crate::read::Cursors;
use crate::sequencer::Sequencer;
use crate::storage::{AuditFs, DiskFs};
use crate::writer::Writer;
use bib_kit::{BlockingPool, CancellationToken, Child, ChildSpec, Cx, ManagedChild, Reply, RestartPolicy};
use bib_kit::{Slot, StartArgs, StartError, Topic, clock};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often a start looks whether the lock is free.
const LOCK_POLL: Duration = Duration::from_millis(10);

/// The audit chain before it is started: give its handle to others, its child to the root.
pub struct AuditChain {
    slot: Slot<AuditActor>,
    options: Arc<AuditOptions>,
    topic: Topic<AuditAppended>,
    fs: Arc<dyn AuditFs>,
    door: Door,
}

impl AuditChain {
    /// An audit chain that publishes what it wrote on `topic`.
    #[must_use]
    pub fn new(options: AuditOptions, topic: Topic<AuditAppended>) -> Self {
        let slot = Slot::new(Self::spec(&options));
        Self { slot, options: Arc::new(options), topic, fs: Arc::new(DiskFs), door: Door::default() }
    }

    /// The same on another file system, for tests.
    #[must_use]
    pub fn with_fs(mut self, fs: Arc<dyn AuditFs>) -> Self {
        self.fs = fs;
        self
    }

    /// Rank, policy and bounds: one restart, which reads the tail back; a second failure stops the node.
    #[must_use]
    pub fn spec(options: &AuditOptions) -> ChildSpec {
        ChildSpec::new(AuditActor::NAME, 1)
            .with_policy(RestartPolicy::one_retry())
            .with_mailbox(options.mailbox_capacity)
            .with_placement(options.placement)
            .with_shutdown(options.append_deadline)
    }

    /// The verbs, for whoever needs them; valid before the start and across restarts.
    #[must_use]
    pub fn handle(&self) -> AuditHandle {
        AuditHandle::new(self.slot.handle(), self.door.clone(), &self.options)
    }

    /// The child, for the root to start.
    #[must_use]
    pub fn child(self) -> Box<dyn ManagedChild> {
        let Self { slot, options, topic, fs, door } = self;
        slot.child(move |args| {
            let (options, topic, fs, door) = (Arc::clone(&options), topic.clone(), Arc::clone(&fs), door.clone());
            async move { Ok(AuditActor::open(args, options, topic, fs, door).await?) as Result<AuditActor, StartError> }
        })
    }
}

/// Ends when the writer does: well, or with the reason.
type Writing = Pin<Box<dyn Future<Output = Result<(), AuditError>>>>;

/// The actor.
pub struct AuditActor {
    pub(crate) options: Arc<AuditOptions>,
    pub(crate) queue: Queue,
    /// Where records come in without a message.
    door: Opened,
    pub(crate) shared: Arc<Shared>,
    pub(crate) cursors: Arc<Cursors>,
    pub(crate) readers: BlockingPool,
    /// Cancelled when readers should break off.
    pub(crate) ended: CancellationToken,
    /// Cancelled when the writer has ended.
    written: CancellationToken,
    /// The end of the writer, which runs already.
    writing: Option<Writing>,
}

impl AuditActor {
    /// Opens the log and lets the writer run on the same blocking thread, so that a record that is taken always has a
    /// writer.
    async fn open(
        args: StartArgs,
        options: Arc<AuditOptions>,
        topic: Topic<AuditAppended>,
        fs: Arc<dyn AuditFs>,
        door: Door,
    ) -> Result<Self, AuditError> {
        let lock = take_lock(&options).await?;
        let pool = args.blocking(1);
        let (queue, inbox) = Queue::new(options.queue_capacity, options.batch_max_entries);
        let (tx, opened) = oneshot::channel();
        let opening = Arc::clone(&options);
        let mut writing = Box::pin(async move {
            pool.run(move || {
                let (sequencer, shared) = open_sequencer(&opening, fs, lock, Box::new(NodeClock::new()))?;
                let writer = Writer::new(inbox, sequencer, topic, &opening);
                // Nobody waits for a start that was given up; the writer then ends at once, having no sender.
                let _ = tx.send(shared);
                writer.run()
            })
            .await?
        });
        let shared = tokio::select! {
            biased;
            Ok(shared) = opened => shared,
            ended = &mut writing => {
                ended?;
                return Err(AuditError::Reader { reason: "the writer ended at once".to_owned() });
            }
        };
        Ok(Self {
            door: door.open(&queue),
            queue,
            shared,
            cursors: Arc::new(Cursors::default()),
            readers: args.blocking(options.readers.max(1)),
            ended: args.token.child_token(),
            written: CancellationToken::new(),
            writing: Some(writing),
            options,
        })
    }
}

/// Waits for the lock on the log's directory.
async fn take_lock(options: &AuditOptions) -> Result<DirLock, AuditError> {
    let begun = clock::monotonic();
    loop {
        if let Some(lock) = DirLock::try_take(&options.dir)? {
            return Ok(lock);
        }
        if clock::since(begun) >= options.lock_wait {
            return Err(AuditError::InUse { dir: options.dir.clone() });
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
}

/// Opens the log and makes the sequencer that goes on with it.
pub(crate) fn open_sequencer(
    options: &AuditOptions,
    fs: Arc<dyn AuditFs>,
    lock: DirLock,
    clock: Box<dyn TimeSource>,
) -> Result<(Sequencer, Arc<Shared>), AuditError> {
    let now_ns = clock.now().unix_ns;
    let opened = log::open(options, fs, lock, now_ns)?;
    clocks_have_passed(&options.dir, opened.log.chain().unix_ns, now_ns);
    let key = ParamKey::derive(&options.hmac_key, opened.shared.head().epoch);
    let block_max = options.batch_max_bytes.clamp(1, log::PAYLOAD_MAX_BYTES);
    let mut sequencer = Sequencer::new(opened.log, key, clock, block_max);
    if let Some(cut) = &opened.cut {
        tracing::warn!(file = %cut.file.display(), bytes = cut.bytes, after_seq = cut.after_seq, "torn tail cut off the audit log");
        sequencer.note_cut(cut, bib_kit::clock::new_request_id())?;
    }
    let head = opened.shared.head();
    tracing::info!(epoch = head.epoch, seq = head.seq, "audit log open");
    Ok((sequencer, opened.shared))
}

/// Tells the clock of deadlines what has passed for certain: the last record, and the time that was written down. What was
/// recorded while the clock was far ahead would else give every later session and ticket as much more time.
fn clocks_have_passed(dir: &Path, last_record_ns: u64, now_ns: u64) {
    let ms = |ns: u64| i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX);
    let (last_record, now) = (ms(last_record_ns), ms(now_ns));
    if log::passed::is_credible(last_record, now) {
        clock::has_passed(last_record);
    }
    if let Some(passed) = log::passed::load(dir, now) {
        clock::has_passed(passed);
    }
}

impl Child for AuditActor {
    const NAME: &'static str = crate::NAME;

    fn started(&mut self, cx: &mut Cx<'_, Self>) {
        let Some(writing) = self.writing.take() else { return };
        cx.spawn_then(writing, |audit, ended, cx| {
            audit.written.cancel();
            if let Err(error) = ended {
                cx.fail(error.to_string());
            }
        });
    }

    fn shutdown(&mut self, _cx: &mut Cx<'_, Self>) -> Reply<()> {
        self.ended.cancel();
        self.door.close();
        let (queue, written) = (self.queue.clone(), self.written.clone());
        Reply::later(async move {
            queue.finish();
            written.cancelled().await;
        })
    }
}
