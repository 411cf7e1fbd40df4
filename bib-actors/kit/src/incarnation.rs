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
            let watched = Watched { living: Some(Box::pin(living)), life: life.clone(), broken };
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
            Err(error) => return Exit::Refused(chain(error.as_ref())),
        },
    };
    let host = Host::new(child, shared, life.clone(), ready, broken);
    let running = Context::<Host<C>>::new().into_future(host);
    let _ = ping.set(running.address().recipient());
    running.await;
    life.doom.reason().unwrap_or(Exit::Stopped)
}

/// The task of an incarnation: catches the panic, keeps its text, drops what is left.
struct Watched<L> {
    living: Option<Pin<Box<L>>>,
    life: Life,
    broken: Rc<Cell<bool>>,
}

impl<L: Future<Output = Exit>> Future for Watched<L> {
    type Output = Exit;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Exit> {
        let this = self.get_mut();
        let _working = Working::for_actor(this.life.name, this.life.incarnation);
        let Some(living) = this.living.as_mut() else { return Poll::Ready(Exit::Stopped) };
        let exit = match catch_unwind(AssertUnwindSafe(|| living.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(exit)) => exit,
            Err(payload) => {
                this.broken.set(true);
                Exit::Panicked(panics::text(payload.as_ref()))
            }
        };
        this.life.token.cancel();
        let living = this.living.take();
        match catch_unwind(AssertUnwindSafe(|| drop(living))) {
            Ok(()) => Poll::Ready(exit),
            Err(payload) => {
                let text = format!("while its state was dropped: {}", panics::text(payload.as_ref()));
                Poll::Ready(if exit.is_failure() { exit } else { Exit::Panicked(text) })
            }
        }
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
