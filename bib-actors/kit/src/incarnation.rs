//! One incarnation from its factory to its end, watched.
//!
//! The factory, the hooks and every handler run inside one task. A panic in any of them is caught where the task is
//! polled, its text kept, and the whole incarnation dropped; the watcher then reports the end over a oneshot, after all
//! background work of the incarnation has ended.

use crate::error::chain;
use crate::faults::Where;
use crate::host::{Host, Ping};
use crate::life::Life;
use crate::managed::{Control, Running, StartEnv};
use crate::panics::{self, Working};
use crate::place::Place;
use crate::slot::Shared;
use crate::{Child, Exit, ExitReport, StartArgs, StartError};
use actix::{Context, Recipient};
use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::{self, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Starts an incarnation at its place. Everything that can go wrong comes out of the returned `exit`.
pub(crate) fn launch<C, F, Fut>(
    place: &mut Place,
    shared: &Arc<Shared<C>>,
    factory: &Arc<F>,
    env: &StartEnv,
    incarnation: u64,
) -> Running
where
    C: Child,
    F: Fn(StartArgs) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<C, StartError>> + 'static,
{
    let life = Life::new(shared.spec.name, incarnation, env.runtime.clone());
    let kill = CancellationToken::new();
    let ping = Arc::new(OnceLock::new());
    let (ready_tx, ready) = oneshot::channel();
    let (exit_tx, exit) = oneshot::channel();
    let control = Control { stop: life.stop.clone(), kill: kill.clone(), ping: Arc::clone(&ping) };
    let stale_wait = env.stale_wait;
    let start = {
        let shared = Arc::clone(shared);
        let factory = Arc::clone(factory);
        move || {
            let broken = Rc::new(Cell::new(false));
            let living = live(Arc::clone(&shared), factory, life.clone(), ready_tx, ping, Rc::clone(&broken));
            let watched = Watched { living: Guarded::new(living, broken), life: life.clone() };
            let task = tokio::task::spawn_local(watched);
            tokio::task::spawn_local(async move {
                let report = watch(task, kill, &life, stale_wait, || shared.close_door(incarnation)).await;
                let _ = exit_tx.send(report);
            });
        }
    };
    match place.run(start) {
        Ok(()) => Running { incarnation, ready, exit, control },
        Err(reason) => Running::refused(incarnation, reason, control),
    }
}

/// The whole life of an incarnation.
async fn live<C, F, Fut>(
    shared: Arc<Shared<C>>,
    factory: Arc<F>,
    life: Life,
    ready: oneshot::Sender<()>,
    ping: Arc<OnceLock<Recipient<Ping>>>,
    broken: Rc<Cell<bool>>,
) -> Exit
where
    C: Child,
    F: Fn(StartArgs) -> Fut,
    Fut: Future<Output = Result<C, StartError>>,
{
    shared.faults.strike(Where::Factory, shared.spec.name);
    let doomed = life.doom.token();
    let child = tokio::select! {
        biased;
        () = life.stop.cancelled() => return Exit::Stopped,
        () = doomed.cancelled() => return life.doom.reason().unwrap_or(Exit::Stopped),
        made = factory(StartArgs::new(life.clone())) => match made {
            Ok(child) => child,
            Err(error) if (shared.spec.passes)(error.as_ref()) => return Exit::Failed(chain(error.as_ref())),
            Err(error) => return Exit::Refused(chain(error.as_ref())),
        },
    };
    let host = Host::new(child, shared, life.clone(), ready, Rc::clone(&broken));
    let running = Context::<Host<C>>::new().into_future(host);
    let _ = ping.set(running.address().recipient());
    let ended = Guarded::new(running, broken).await;
    let reason = life.doom.reason();
    match ended {
        Ok(()) => reason.unwrap_or(Exit::Stopped),
        Err(panic) => reason.unwrap_or(Exit::Panicked(panic)),
    }
}

/// The task of an incarnation: tells the panic hook whom it works for.
struct Watched<L: Future<Output = Exit>> {
    living: Guarded<L>,
    life: Life,
}

impl<L: Future<Output = Exit>> Future for Watched<L> {
    type Output = Exit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Exit> {
        let _working = Working::for_actor(self.life.name, self.life.incarnation);
        Pin::new(&mut self.living).poll(cx).map(|ended| ended.unwrap_or_else(Exit::Panicked))
    }
}

/// Polls a future and drops it, and turns a panic of either into its text. What is left of a future that panicked is
/// dropped after the unwinding, not during it, so that a second panic does not abort the process.
struct Guarded<F: Future> {
    inner: Option<Pin<Box<F>>>,
    broken: Rc<Cell<bool>>,
}

impl<F: Future> Guarded<F> {
    fn new(future: F, broken: Rc<Cell<bool>>) -> Self {
        Self { inner: Some(Box::pin(future)), broken }
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, String>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(inner) = this.inner.as_mut() else { return Poll::Ready(Err("polled after its end".to_owned())) };
        let output = match catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => {
                this.broken.set(true);
                Err(panics::text(payload.as_ref()))
            }
        };
        let inner = this.inner.take();
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(inner)));
        Poll::Ready(output.and_then(|output| {
            let text = |payload: Box<dyn Any + Send>| panics::text(payload.as_ref());
            dropped.map(|()| output).map_err(|payload| format!("while its state was dropped: {}", text(payload)))
        }))
    }
}

/// Waits for the end of the task and of all work that belongs to it.
async fn watch(
    mut task: JoinHandle<Exit>,
    kill: CancellationToken,
    life: &Life,
    stale_wait: Duration,
    close_door: impl FnOnce(),
) -> ExitReport {
    let ended = tokio::select! {
        ended = &mut task => ended,
        () = kill.cancelled() => {
            life.token.cancel();
            task.abort();
            task.await
        }
    };
    let exit = match ended {
        Ok(exit) => exit,
        Err(error) if error.is_panic() => Exit::Panicked(panics::text(error.into_panic().as_ref())),
        Err(_) => Exit::Aborted,
    };
    close_door();
    life.token.cancel();
    life.tracker.close();
    let stale_work = !life.tracker.is_empty() && tokio::time::timeout(stale_wait, life.tracker.wait()).await.is_err();
    ExitReport { incarnation: life.incarnation, exit, stale_work }
}
