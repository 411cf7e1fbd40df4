//! Faults that tests inject into any actor.
//!
//! Off unless whoever starts the child enables them; a node does so only when told to by its environment or
//! configuration. Nothing here is reachable from outside the process.

use crate::envelope::Open;
use crate::host::Step;
use crate::slot::Shared;
use crate::{AskError, Child, Cx, Ref};
use actix::AsyncContext;
use actix::fut::wrap_future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Where an actor is to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// A handler panics.
    Handler,
    /// A future in the actor's task panics.
    Spawned,
    /// A background task of the actor panics.
    Task,
    /// The next `started` panics.
    Started,
    /// The next factory panics.
    Factory,
    /// The actor does not turn any more, but its thread does.
    Stall,
    /// The actor's thread is blocked for this long.
    Block(Duration),
}

/// Why a fault was not injected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// This node does not allow it.
    #[error("faults are not enabled, nothing was done to {actor}; start the node with faults enabled, only for tests")]
    Disabled {
        /// The actor that was to fail.
        actor: &'static str,
    },
    /// There is no incarnation to fail.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// The faults that are planned for the next start.
#[derive(Default)]
pub(crate) struct Faults {
    enabled: AtomicBool,
    started: AtomicU32,
    factory: AtomicU32,
}

impl Faults {
    pub(crate) fn enable(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::Relaxed);
    }

    /// Panics if a panic is planned here.
    pub(crate) fn strike(&self, place: Where, actor: &str) {
        let Some(planned) = self.counter(place) else { return };
        if self.enabled.load(Ordering::Relaxed)
            && planned.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
        {
            panic_now(place, actor);
        }
    }

    const fn counter(&self, place: Where) -> Option<&AtomicU32> {
        match place {
            Where::Started => Some(&self.started),
            Where::Factory => Some(&self.factory),
            _ => None,
        }
    }
}

fn panic_now(place: Where, actor: &str) {
    panic!("injected panic in {place:?} of {actor}");
}

impl<C: Child> Shared<C> {
    pub(crate) fn inject(&self, fault: Where) -> Result<(), FaultError> {
        let actor = self.spec.name;
        if !self.faults.enabled.load(Ordering::Relaxed) {
            return Err(FaultError::Disabled { actor });
        }
        if let Some(planned) = self.faults.counter(fault) {
            planned.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let door = self.door.load();
        let Some(door) = door.as_ref() else { return Err(AskError::Restarting { actor }.into()) };
        door.tx.try_send(Box::new(Blow(fault))).map_err(|_| AskError::NotDelivered { actor })?;
        Ok(())
    }
}

impl<C: Child> Ref<C> {
    /// Makes the actor fail: at once, or at its next start for `Started` and `Factory`. Comes back as soon as the fault
    /// is on its way.
    ///
    /// # Errors
    /// If faults are not enabled or no incarnation is there to fail.
    pub fn inject_panic(&self, place: Where) -> Result<(), FaultError> {
        self.shared.inject(place)
    }
}

/// A message that every actor takes: its fault.
struct Blow(Where);

impl<C: Child> Open<C> for Blow {
    fn open(self: Box<Self>, _child: &mut C, cx: &mut Cx<'_, C>) {
        let actor = cx.core.shared.spec.name;
        let place = self.0;
        match place {
            Where::Handler | Where::Started | Where::Factory => panic_now(place, actor),
            Where::Spawned => cx.spawn(async move { panic_now(place, actor) }),
            Where::Task => {
                let tasks = cx.tasks(1);
                let _ = tasks.spawn("injected", async move { panic_now(place, actor) });
                cx.core.push(async move {
                    tasks.wait_idle().await;
                    Step::Done
                });
            }
            Where::Stall => cx.ctx.wait(wrap_future(std::future::pending())),
            Where::Block(time) => block(time),
        }
    }
}

fn block(time: Duration) {
    let begun = crate::clock::monotonic();
    while let Some(left) = time.checked_sub(crate::clock::since(begun)) {
        std::thread::park_timeout(left);
    }
}
