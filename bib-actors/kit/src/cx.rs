//! What an actor may do besides answering: start work, set timers, end itself.
//!
//! Everything started here runs inside the actor's own task and dies with its incarnation.

use crate::host::{Core, Host, Step};
use crate::{Child, Doom, Event, Exit, Ref, Subscription, Tasks};
use actix::{ActorContext, Context};
use bib_domain::RequestId;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The context of a hook or handler.
pub struct Cx<'a, C: Child> {
    pub(crate) ctx: &'a mut Context<Host<C>>,
    pub(crate) core: &'a mut Core<C>,
}

impl<C: Child> Cx<'_, C> {
    /// Which incarnation this is, counted from 1.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.core.life.incarnation
    }

    /// The reference to this actor.
    #[must_use]
    pub fn me(&self) -> Ref<C> {
        Ref { shared: self.core.shared.clone() }
    }

    /// Cancelled when this incarnation ends.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.core.life.token.clone()
    }

    /// The shared multi-thread runtime.
    #[must_use]
    pub fn runtime(&self) -> Handle {
        self.core.life.runtime.clone()
    }

    /// The means for work outside the actor to end this incarnation.
    #[must_use]
    pub fn doom(&self) -> Doom {
        self.core.life.doom.clone()
    }

    /// A set of at most `limit` background tasks on the shared runtime that end with the incarnation; a panic in one
    /// ends the incarnation.
    #[must_use]
    pub fn tasks(&self, limit: usize) -> Tasks {
        self.core.life.tasks(limit)
    }

    /// The request id of the ask that is being handled.
    #[must_use]
    pub fn request(&self) -> Option<RequestId> {
        self.core.asked.map(|meta| meta.request)
    }

    /// How long the asker will still wait, if the message is an ask.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let deadline = self.core.asked?.deadline?;
        Some(deadline.saturating_duration_since(crate::clock::monotonic()))
    }

    /// Runs a future in the actor's task. A panic in it ends the incarnation.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) {
        self.core.push(async move {
            future.await;
            Step::Done
        });
    }

    /// Runs a future in the actor's task, then goes on with its output and the actor's state. Other messages may have
    /// been handled in between: look at the state anew.
    pub fn spawn_then<T: 'static>(
        &mut self,
        future: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut C, T, &mut Cx<'_, C>) + 'static,
    ) {
        self.core.push(async move {
            let output = future.await;
            Step::Then(Box::new(move |child, cx| then(child, output, cx)))
        });
    }

    /// Does something now and then. Ticks that were missed are skipped, not caught up.
    pub fn every(&mut self, period: Duration, tick: impl FnMut(&mut C, &mut Cx<'_, C>) + 'static) {
        self.tick_at(Instant::now() + period, period, tick);
    }

    /// Hears a topic for as long as the incarnation lives or the topic is open.
    pub fn listen<E: Clone + Send + 'static>(
        &mut self,
        mut subscription: Subscription<E>,
        mut hear: impl FnMut(&mut C, Event<E>, &mut Cx<'_, C>) + 'static,
    ) {
        self.core.push(async move {
            let event = subscription.recv().await;
            Step::Then(Box::new(move |child, cx| {
                let closed = matches!(event, Event::Closed);
                hear(child, event, cx);
                if !closed {
                    cx.listen(subscription, hear);
                }
            }))
        });
    }

    /// Ends this incarnation after the present message. Messages in the mailbox are not handled any more.
    pub fn stop(&mut self) {
        self.ctx.stop();
    }

    /// Ends this incarnation because it cannot go on. Counts as a failure; the reason is shown in health.
    pub fn fail(&mut self, reason: impl Into<String>) {
        self.core.life.doom.note(Exit::Failed(reason.into()));
        self.ctx.stop();
    }

    /// A reply that is still to be given; an orderly shutdown waits for it.
    pub(crate) fn owe(&mut self, future: impl Future<Output = ()> + 'static) {
        self.core.owed += 1;
        self.core.push(async move {
            future.await;
            Step::Replied
        });
    }

    fn tick_at(&mut self, at: Instant, period: Duration, mut tick: impl FnMut(&mut C, &mut Cx<'_, C>) + 'static) {
        self.spawn_then(tokio::time::sleep_until(at), move |child, (), cx| {
            tick(child, cx);
            let next = (at + period).max(Instant::now());
            cx.tick_at(next, period, tick);
        });
    }
}
