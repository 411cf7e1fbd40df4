//! A message on its way: what was asked, where the answer goes, and the permit that bounds the mailbox.
//!
//! The permit is given back just before the answer is sent, so that the number of messages in hand is bounded from the
//! ask to the reply and an asker that has its answer may ask again. An envelope that is dropped unopened says so.

use crate::message::Kind;
use crate::{Child, Cx, Handles, Message};
use bib_domain::RequestId;
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// The message was not looked at.
pub(crate) struct Undelivered;

pub(crate) type Answered<R> = Result<R, Undelivered>;

/// A message for the actor `C`, whatever its type.
pub(crate) trait Open<C: Child>: Send {
    fn open(self: Box<Self>, child: &mut C, cx: &mut Cx<'_, C>);
}

pub(crate) type Envelope<C> = Box<dyn Open<C>>;

/// Which ask an actor works on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta {
    pub(crate) request: RequestId,
    pub(crate) deadline: Option<Instant>,
}

/// One message with its way back.
pub(crate) struct Letter<M: Message> {
    pub(crate) msg: M,
    pub(crate) back: WayBack<M::Reply>,
    pub(crate) meta: Meta,
}

impl<C: Handles<M>, M: Message> Open<C> for Letter<M> {
    fn open(self: Box<Self>, child: &mut C, cx: &mut Cx<'_, C>) {
        let Self { msg, mut back, meta } = *self;
        if back.abandoned() {
            return;
        }
        let back = back.take();
        cx.core.asked = Some(meta);
        let reply = child.handle(msg, cx);
        cx.core.asked = None;
        match reply.0 {
            Kind::Now(value) => {
                back.send(value);
            }
            Kind::Later(future) => cx.owe(async move {
                back.send(future.await);
            }),
            Kind::Promised(promised) => promised.to(back, &cx.core.owing),
        }
    }
}

/// Where the answer goes. Dropped unopened it tells the asker that nothing was done.
pub(crate) struct WayBack<R> {
    tx: Option<oneshot::Sender<Answered<R>>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<R> WayBack<R> {
    pub(crate) const fn new(tx: Option<oneshot::Sender<Answered<R>>>, permit: OwnedSemaphorePermit) -> Self {
        Self { tx, permit: Some(permit) }
    }

    /// The asker has given up, so the message need not be looked at.
    fn abandoned(&self) -> bool {
        self.tx.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    fn take(&mut self) -> Opened<R> {
        Opened { tx: self.tx.take(), permit: self.permit.take() }
    }
}

impl<R> Drop for WayBack<R> {
    fn drop(&mut self) {
        drop(self.permit.take());
        if let Some(tx) = self.tx.take() {
            let _ = tx.send(Err(Undelivered));
        }
    }
}

/// Where the answer of a message in hand goes. Dropped without an answer, the asker sees that the outcome is unknown.
pub(crate) struct Opened<R> {
    tx: Option<oneshot::Sender<Answered<R>>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<R> Opened<R> {
    #[cfg(test)]
    pub(crate) const fn of(tx: Option<oneshot::Sender<Answered<R>>>) -> Self {
        Self { tx, permit: None }
    }

    /// Gives the answer. False if the asker no longer waits, or never did.
    pub(crate) fn send(self, value: R) -> bool {
        drop(self.permit);
        self.tx.is_some_and(|tx| tx.send(Ok(value)).is_ok())
    }
}
