//! Background tasks that belong to somebody.
//!
//! A task never outlives its set: dropping the set aborts all. A panic in a task is caught and told to the owner. A task
//! may not block its thread; see [`crate::blocking`] for that.

use crate::life::Life;
use crate::panics::{self, Working};
use futures::FutureExt;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The set holds as many tasks as it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{limit} background tasks run already, {name} was not started; wait until one of them has ended")]
pub struct TooManyTasks {
    /// The task that was refused.
    pub name: String,
    /// How many the set may hold.
    pub limit: usize,
}

type OnPanic = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// A bounded set of background tasks on the shared runtime.
pub struct Tasks {
    set: Arc<Set>,
    on_panic: Option<OnPanic>,
}

struct Set {
    runtime: Handle,
    limit: usize,
    tracker: TaskTracker,
    /// Ends all tasks when it is cancelled.
    token: CancellationToken,
    owner: (&'static str, u64),
    running: Mutex<Running>,
    ended: Notify,
}

#[derive(Default)]
struct Running {
    next: u64,
    /// Tasks with a lower number were to be aborted.
    aborted_below: u64,
    /// A task is counted before it has a handle.
    tasks: HashMap<u64, Option<AbortHandle>>,
}

impl Tasks {
    /// A set of at most `limit` tasks.
    #[must_use]
    pub fn new(runtime: Handle, limit: usize) -> Self {
        Self::make(runtime, limit, TaskTracker::new(), CancellationToken::new(), ("tasks", 0))
    }

    /// A set that ends with the incarnation, also when somebody else still holds it.
    pub(crate) fn of(life: &Life, limit: usize) -> Self {
        let (runtime, tracker, token) = (life.runtime.clone(), life.tracker.clone(), life.token.clone());
        Self::make(runtime, limit, tracker, token, (life.name, life.incarnation))
    }

    fn make(
        runtime: Handle,
        limit: usize,
        tracker: TaskTracker,
        token: CancellationToken,
        owner: (&'static str, u64),
    ) -> Self {
        let running = Mutex::new(Running::default());
        let set = Set { runtime, limit, tracker, token, owner, running, ended: Notify::new() };
        Self { set: Arc::new(set), on_panic: None }
    }

    /// Has this called with the task's name and the panic's text when a task panics. The default only logs it.
    #[must_use]
    pub fn on_panic(mut self, tell: impl Fn(&str, &str) + Send + Sync + 'static) -> Self {
        self.on_panic = Some(Arc::new(tell));
        self
    }

    /// Starts a task.
    ///
    /// # Errors
    /// If the set is full; nothing was started then.
    pub fn spawn(
        &self,
        name: impl Into<String>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), TooManyTasks> {
        let name = name.into();
        let id = {
            let mut running = self.set.running.lock();
            if running.tasks.len() >= self.set.limit {
                return Err(TooManyTasks { name, limit: self.set.limit });
            }
            let id = running.next;
            running.next += 1;
            running.tasks.insert(id, None);
            id
        };
        let leave = Leave { set: Arc::downgrade(&self.set), id };
        let on_panic = self.on_panic.clone();
        let token = self.set.token.clone();
        let marked = Marked { inner: Box::pin(future), owner: self.set.owner };
        let work = async move {
            let caught = AssertUnwindSafe(marked).catch_unwind();
            if let Some(Err(payload)) = token.run_until_cancelled_owned(caught).await {
                let text = panics::text(payload.as_ref());
                tracing::error!(task = name, panic = text, "background task panicked");
                if let Some(tell) = on_panic {
                    tell(&name, &text);
                }
            }
        };
        // the lock is free meanwhile: a runtime that shuts down drops the task at once, which takes it to leave the set
        let handle = self
            .set
            .runtime
            .spawn(self.set.tracker.track_future(Leaving { work: Box::pin(work), _leave: leave }))
            .abort_handle();
        let mut running = self.set.running.lock();
        let aborted = id < running.aborted_below;
        if let Some(entry) = running.tasks.get_mut(&id) {
            *entry = Some(handle.clone());
        }
        drop(running);
        if aborted {
            handle.abort();
        }
        Ok(())
    }

    /// How many tasks run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.running.lock().tasks.len()
    }

    /// Whether no task runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Aborts all tasks; each ends at its next await.
    pub fn abort_all(&self) {
        self.set.abort_all();
    }

    /// Waits until no task runs.
    pub async fn wait_idle(&self) {
        loop {
            let ended = self.set.ended.notified();
            if self.is_empty() {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.set.abort_all();
    }
}

impl Set {
    fn abort_all(&self) {
        // the handles are cloned: an abort may drop the task at once, which takes the lock to leave the set
        let handles: Vec<AbortHandle> = {
            let mut running = self.running.lock();
            running.aborted_below = running.next;
            running.tasks.values().flatten().cloned().collect()
        };
        for handle in handles {
            handle.abort();
        }
    }
}

/// A task that leaves its set when nothing of it is left: the fields are dropped in this order.
struct Leaving<F> {
    work: Pin<Box<F>>,
    _leave: Leave,
}

impl<F: Future<Output = ()>> Future for Leaving<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.work.as_mut().poll(cx)
    }
}

/// Takes the task out of its set however it ends.
struct Leave {
    set: Weak<Set>,
    id: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(set) = self.set.upgrade() {
            set.running.lock().tasks.remove(&self.id);
            set.ended.notify_waiters();
        }
    }
}

/// Names the owner to the panic hook while the task is polled.
struct Marked {
    inner: Pin<Box<dyn Future<Output = ()> + Send>>,
    owner: (&'static str, u64),
}

impl Future for Marked {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _working = Working::for_actor(self.owner.0, self.owner.1);
        self.inner.as_mut().poll(cx)
    }
}
