//! The reference to an actor, whichever incarnation it is in.
//!
//! Each call finds the present incarnation anew, so nobody ever holds a dead address. Other crates wrap it in a handle
//! with verbs and do not pass it on.

use crate::clock::{monotonic, quick_request_id, since};
use crate::deadline::Deadline;
use crate::envelope::{Answered, Letter, Meta, WayBack};
use crate::slot::Shared;
use crate::{AskError, Child, Handles, Message};
use bib_domain::RequestId;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

/// Reaches an actor through its bounded mailbox. Cheap to clone.
pub struct Ref<C: Child> {
    pub(crate) shared: Arc<Shared<C>>,
}

impl<C: Child> Clone for Ref<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C: Child> Ref<C> {
    /// Asks and waits for the answer, at most until the deadline.
    ///
    /// Asks of one asker that waits for each answer are handled in order. Dropping the future takes a message back that
    /// has not been looked at; one in hand is worked on to its end.
    ///
    /// # Errors
    /// See [`AskError`]: each says whether the work may have been done.
    pub async fn ask<M: Message>(&self, msg: M, deadline: Duration) -> Result<M::Reply, AskError>
    where
        C: Handles<M>,
    {
        self.ask_as(quick_request_id(), msg, deadline).await
    }

    /// The same for an ask that carries the request id of the operation it belongs to.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask_as<M: Message>(&self, request: RequestId, msg: M, deadline: Duration) -> Result<M::Reply, AskError>
    where
        C: Handles<M>,
    {
        let permit = self.permit()?;
        self.asked(request, msg, deadline, deadline, permit).await
    }

    /// Asks, and waits for a place in the mailbox if there is none: for callers that have nothing better to do than to
    /// wait and are few. The deadline covers both waits.
    ///
    /// # Errors
    /// See [`AskError`]; `Overloaded` if there was no place until the deadline.
    pub async fn ask_patiently<M: Message>(&self, msg: M, deadline: Duration) -> Result<M::Reply, AskError>
    where
        C: Handles<M>,
    {
        let begun = monotonic();
        let place = Arc::clone(&self.shared.permits).acquire_owned();
        let Ok(Ok(permit)) = timeout(deadline, place).await else { return Err(self.overloaded()) };
        self.asked(quick_request_id(), msg, deadline, deadline.saturating_sub(since(begun)), permit).await
    }

    /// Puts a message into the mailbox without waiting for an answer. Ok means that it is there; if the incarnation ends
    /// before it is handled it is lost, so commands that matter are asks.
    ///
    /// # Errors
    /// If the mailbox is full or there is no incarnation at this moment.
    pub fn tell<M: Message>(&self, msg: M) -> Result<(), AskError>
    where
        C: Handles<M>,
    {
        let permit = self.permit()?;
        let meta = Meta { request: quick_request_id(), deadline: None };
        self.deliver(Letter { msg, back: WayBack::new(None, permit), meta })
    }

    /// Waits until an incarnation takes messages; false if none does within the deadline.
    pub async fn ready(&self, deadline: Duration) -> bool {
        self.ready_after(0, deadline).await
    }

    /// Waits until an incarnation later than this one takes messages; false if none does within the deadline.
    pub async fn ready_after(&self, incarnation: u64, deadline: Duration) -> bool {
        let mut up = self.shared.up.subscribe();
        matches!(timeout(deadline, up.wait_for(|&present| present > incarnation)).await, Ok(Ok(_)))
    }

    /// The incarnation that takes messages now; 0 if none does.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.shared.door.load().as_ref().map_or(0, |door| door.incarnation)
    }

    /// How many messages it has in hand.
    #[must_use]
    pub fn mailbox_used(&self) -> usize {
        self.shared.gauge().used()
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, AskError> {
        Arc::clone(&self.shared.permits).try_acquire_owned().map_err(|_| self.overloaded())
    }

    fn overloaded(&self) -> AskError {
        AskError::Overloaded { actor: self.shared.spec.name, capacity: self.shared.spec.mailbox }
    }

    async fn asked<M: Message>(
        &self,
        request: RequestId,
        msg: M,
        deadline: Duration,
        left: Duration,
        permit: OwnedSemaphorePermit,
    ) -> Result<M::Reply, AskError>
    where
        C: Handles<M>,
    {
        let actor = self.shared.spec.name;
        let (tx, mut rx) = oneshot::channel::<Answered<M::Reply>>();
        let mut patience = Deadline::after(left);
        self.deliver(Letter {
            msg,
            back: WayBack::new(Some(tx), permit),
            meta: Meta { request, deadline: patience.at() },
        })?;
        let answer = poll_fn(|cx| match Pin::new(&mut rx).poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => patience.poll(cx).map(|()| None),
        });
        match answer.await {
            Some(Ok(Ok(answer))) => Ok(answer),
            Some(Ok(Err(_undelivered))) => Err(AskError::NotDelivered { actor }),
            Some(Err(_closed)) => Err(AskError::Unknown { actor }),
            None => Err(AskError::Timeout { actor, after: deadline }),
        }
    }

    fn deliver<M: Message>(&self, letter: Letter<M>) -> Result<(), AskError>
    where
        C: Handles<M>,
    {
        let actor = self.shared.spec.name;
        let door = self.shared.door.load();
        let Some(door) = door.as_ref() else { return Err(AskError::Restarting { actor }) };
        match door.tx.try_send(Box::new(letter)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(self.overloaded()),
            Err(TrySendError::Closed(_)) => Err(AskError::NotDelivered { actor }),
        }
    }
}
