//! The bounded queue between the actor and the writer's thread.

use crate::draft::AuditDraft;
use crate::error::AuditError;
use crate::handle::Receipt;
use bib_kit::Promise;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// What the writer answers.
pub(crate) type Answer = Result<Receipt, AuditError>;

/// Who waits for a record to be durable.
pub(crate) enum Waiter {
    /// Nobody: the record is buffered.
    Nobody,
    /// The asker, directly.
    Asker(Promise<Answer>),
    /// A future of the actor.
    Future(oneshot::Sender<Answer>),
}

impl Waiter {
    /// Gives the answer. That nobody hears it any more changes nothing.
    pub(crate) fn answer(self, answer: Answer) {
        match self {
            Self::Nobody => {}
            Self::Asker(promise) => {
                let _ = promise.keep(answer);
            }
            Self::Future(tx) => {
                let _ = tx.send(answer);
            }
        }
    }

    /// Whether somebody waits.
    pub(crate) const fn is_somebody(&self) -> bool {
        !matches!(self, Self::Nobody)
    }
}

/// A record to be written.
pub(crate) struct Entry {
    pub(crate) draft: AuditDraft,
    pub(crate) waiter: Waiter,
    /// The place in the queue, free again when the record is durable.
    pub(crate) room: OwnedSemaphorePermit,
}

/// What the writer is to do.
#[expect(clippy::large_enum_variant, reason = "all jobs but the last one are records")]
pub(crate) enum Job {
    /// Write a record.
    Write(Entry),
    /// Write what came before, then end.
    Finish,
}

/// The sending end.
#[derive(Clone)]
pub(crate) struct Queue {
    tx: SyncSender<Job>,
    room: Arc<Semaphore>,
}

impl Queue {
    /// A queue of `capacity` records.
    pub(crate) fn new(capacity: usize) -> (Self, Receiver<Job>) {
        let capacity = capacity.max(1);
        // One place more than permits: the order to finish needs none.
        let (tx, rx) = sync_channel(capacity + 1);
        (Self { tx, room: Arc::new(Semaphore::new(capacity)) }, rx)
    }

    /// A place, if one is free.
    pub(crate) fn try_room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// A place, as soon as one is free.
    pub(crate) async fn room(&self) -> Result<OwnedSemaphorePermit, AuditError> {
        Arc::clone(&self.room).acquire_owned().await.map_err(|_| gone())
    }

    /// Puts a record in. Never waits, since `room` says that there is a place.
    pub(crate) fn push(&self, draft: AuditDraft, waiter: Waiter, room: OwnedSemaphorePermit) -> Result<(), AuditError> {
        self.tx.try_send(Job::Write(Entry { draft, waiter, room })).map_err(|error| {
            let (std::sync::mpsc::TrySendError::Full(job) | std::sync::mpsc::TrySendError::Disconnected(job)) = error;
            if let Job::Write(entry) = job {
                entry.waiter.answer(Err(gone()));
            }
            gone()
        })
    }

    /// Has the writer write what is in the queue and end. A writer that has ended already is fine.
    pub(crate) fn finish(&self) {
        let _ = self.tx.try_send(Job::Finish);
    }
}

fn gone() -> AuditError {
    AuditError::NotWritable { reason: "the writer has ended after an error; it starts again in a moment".to_owned() }
}
