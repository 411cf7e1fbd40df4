//! What belongs to one incarnation: its number, its token, its background work and the reason of its end.
//!
//! When the incarnation ends the token is cancelled and the work aborted; its end is reported only when that work has
//! really ended, so that no old work runs beside a new incarnation.

use crate::{BlockingPool, Exit, Tasks};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a factory gets.
#[derive(Clone)]
#[non_exhaustive]
pub struct StartArgs {
    /// Counts up with each start of this child, beginning with 1.
    pub incarnation: u64,
    /// Cancelled when the incarnation ends.
    pub token: CancellationToken,
    /// The shared multi-thread runtime: sockets, SQL and heavy work run there, never on an actor's thread. What is
    /// spawned on it directly outlives the incarnation and could write beside the next one: use [`StartArgs::tasks`].
    pub runtime: Handle,
    pub(crate) life: Life,
}

impl StartArgs {
    pub(crate) fn new(life: Life) -> Self {
        Self { incarnation: life.incarnation, token: life.token.clone(), runtime: life.runtime.clone(), life }
    }

    /// A set of at most `limit` background tasks that end with the incarnation; a panic in one ends the incarnation.
    #[must_use]
    pub fn tasks(&self, limit: usize) -> Tasks {
        self.life.tasks(limit)
    }

    /// A pool of at most `limit` blocking calls at a time that the end of the incarnation waits for.
    #[must_use]
    pub fn blocking(&self, limit: usize) -> BlockingPool {
        BlockingPool::tracked(self.runtime.clone(), limit, self.life.tracker.clone())
    }

    /// The means for work outside the actor to end the incarnation with a reason.
    #[must_use]
    pub fn doom(&self) -> Doom {
        self.life.doom.clone()
    }
}

/// Ends an incarnation from anywhere, with a reason that counts as a failure.
#[derive(Clone)]
pub struct Doom(Arc<Fate>);

struct Fate {
    token: CancellationToken,
    reason: Mutex<Option<Exit>>,
}

impl Doom {
    fn new() -> Self {
        Self(Arc::new(Fate { token: CancellationToken::new(), reason: Mutex::new(None) }))
    }

    /// The incarnation ends soon; the first reason given is the one that is reported.
    pub fn fail(&self, reason: impl Into<String>) {
        self.end(Exit::Failed(reason.into()));
    }

    pub(crate) fn end(&self, exit: Exit) {
        self.note(exit);
        self.0.token.cancel();
    }

    /// Notes the reason without waking the actor, which is ending already.
    pub(crate) fn note(&self, exit: Exit) {
        self.0.reason.lock().get_or_insert(exit);
    }

    pub(crate) fn reason(&self) -> Option<Exit> {
        self.0.reason.lock().clone()
    }

    pub(crate) fn token(&self) -> CancellationToken {
        self.0.token.clone()
    }
}

/// The parts of one incarnation that its host, its tasks and its watcher share.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) name: &'static str,
    pub(crate) incarnation: u64,
    pub(crate) token: CancellationToken,
    pub(crate) runtime: Handle,
    pub(crate) tracker: TaskTracker,
    pub(crate) doom: Doom,
    /// Asks for an orderly end.
    pub(crate) stop: CancellationToken,
}

impl Life {
    pub(crate) fn new(name: &'static str, incarnation: u64, runtime: Handle) -> Self {
        Self {
            name,
            incarnation,
            token: CancellationToken::new(),
            runtime,
            tracker: TaskTracker::new(),
            doom: Doom::new(),
            stop: CancellationToken::new(),
        }
    }

    pub(crate) fn tasks(&self, limit: usize) -> Tasks {
        let doom = self.doom.clone();
        Tasks::of(self, limit)
            .on_panic(move |task, text| doom.end(Exit::Panicked(format!("background task {task}: {text}"))))
    }
}
