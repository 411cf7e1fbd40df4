//! The loop that serves an actor's mailbox and its futures in turns.
//!
//! It lets go of the thread after a bounded number of steps, so that neither a flood of messages nor a crowd of futures
//! keeps timers and neighbours waiting.

use crate::host::{Core, Host, Step};
use crate::options::TURN;
use crate::{Child, Cx};
use actix::fut::ActorFuture;
use actix::{AsyncContext, Context};
use futures::StreamExt;
use std::pin::Pin;
use std::task::{self, Poll};

/// Runs as the only future in the host's context.
pub(crate) struct Pump;

impl<C: Child> ActorFuture<Host<C>> for Pump {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        host: &mut Host<C>,
        ctx: &mut Context<Host<C>>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        let Host { child, core, .. } = host;
        // the futures were asked in this turn and wait: whichever goes on wakes the task
        let mut quiet = false;
        for _ in 0..TURN {
            let mut idle = true;
            let mut drained = false;
            match core.inbox.poll_recv(task) {
                Poll::Ready(Some(envelope)) => {
                    idle = false;
                    envelope.open(child, &mut Cx { ctx, core });
                }
                Poll::Ready(None) => drained = true,
                Poll::Pending => {}
            }
            if ctx.waiting() {
                return Poll::Pending;
            }
            // a message that was handled may have left one more
            let stepped = if quiet && idle { None } else { step(core, task) };
            quiet = stepped.is_none();
            if let Some(step) = stepped {
                idle = false;
                match step {
                    Step::Done => {}
                    Step::Replied => core.owed = core.owed.saturating_sub(1),
                    Step::Then(go_on) => go_on(child, &mut Cx { ctx, core }),
                }
            }
            if ctx.waiting() {
                return Poll::Pending;
            }
            if drained
                && core.owed == 0
                && core.farewell.is_some()
                && core.owing.is_settled(task.waker())
                && let Some(farewell) = core.farewell.take()
            {
                (idle, quiet) = (false, false);
                core.push(async move {
                    farewell.await;
                    Step::Then(Box::new(|_child, cx| cx.stop()))
                });
            }
            if idle {
                return Poll::Pending;
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What a future of the actor leaves to be done, if one has come to its end.
fn step<C: Child>(core: &mut Core<C>, task: &mut task::Context<'_>) -> Option<Step<C>> {
    match core.work.poll_next_unpin(task) {
        Poll::Ready(step) => step,
        Poll::Pending => None,
    }
}
