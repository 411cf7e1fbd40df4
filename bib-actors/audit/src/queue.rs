//! The bounded queue between the actor and the writer's thread.

use crate::draft::AuditDraft;
use crate::error::AuditError;
use crate::handle::Receipt;
use bib_kit::Promise;
use parking_lot::RwLock;
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

/// The queue of the incarnation that runs now, for records that nobody waits for: they need no message.
#[derive(Clone, Default)]
pub(crate) struct Door(Arc<RwLock<Option<Queue>>>);

impl Door {
    /// From now on records go into this queue, until what is returned is closed or dropped.
    pub(crate) fn open(&self, queue: &Queue) -> Opened {
        *self.0.write() = Some(queue.clone());
        Opened { door: self.clone(), room: Arc::clone(&queue.room) }
    }

    /// Puts a record in if that needs no waiting; else leaves it.
    pub(crate) fn push(&self, draft: &mut Option<AuditDraft>) -> Option<Result<(), AuditError>> {
        let queue = self.0.read();
        let queue = queue.as_ref()?;
        let room = queue.try_room()?;
        Some(queue.push(draft.take()?, Waiter::Nobody, room))
    }
}

/// The door is open for one incarnation. Its writer ends when nobody can send to it, so this ends with the actor.
pub(crate) struct Opened {
    door: Door,
    room: Arc<Semaphore>,
}

impl Opened {
    /// No record comes in after this returns.
    pub(crate) fn close(&self) {
        let mut queue = self.door.0.write();
        if queue.as_ref().is_some_and(|queue| Arc::ptr_eq(&queue.room, &self.room)) {
            *queue = None;
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.close();
    }
}

fn gone() -> AuditError {
    AuditError::NotWritable { reason: "the writer has ended after an error; it starts again in a moment".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(door: &Door, action: &str) -> bool {
        let mut record = Some(draft(action));
        let taken = matches!(door.push(&mut record), Some(Ok(())));
        assert_eq!(taken, record.is_none(), "what is not taken is given back");
        taken
    }

    fn draft(action: &str) -> AuditDraft {
        let op = bib_domain::OpContext::node(bib_kit::clock::new_request_id(), "test");
        AuditDraft::from_op(&op, action, "object")
    }

    fn taken(rx: &Receiver<Job>) -> Vec<String> {
        let mut actions = Vec::new();
        while let Ok(job) = rx.try_recv() {
            match job {
                Job::Write(entry) => actions.push(entry.draft.action),
                Job::Finish => actions.push("finish".to_owned()),
            }
        }
        actions
    }

    #[test]
    fn records_come_in_by_the_open_door_while_there_is_room() {
        let door = Door::default();
        assert!(!push(&door, "a"), "no incarnation runs");
        let (queue, rx) = Queue::new(2);
        let opened = door.open(&queue);
        for action in ["a", "b"] {
            assert!(push(&door, action), "{action}");
        }
        assert!(!push(&door, "c"), "it is full");
        assert_eq!(taken(&rx), ["a", "b"]);
        opened.close();
        assert!(!push(&door, "d"));
        queue.finish();
        assert_eq!(taken(&rx), ["finish"], "nothing comes behind the order to finish");
    }

    #[test]
    fn the_writer_sees_the_end_of_its_incarnation() {
        let door = Door::default();
        let (queue, rx) = Queue::new(2);
        let opened = door.open(&queue);
        drop(queue);
        assert!(matches!(rx.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty)), "the door holds a sender");
        let (next, _next_rx) = Queue::new(2);
        let second = door.open(&next);
        drop(opened);
        assert!(matches!(rx.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected)));
        assert!(push(&door, "a"), "the end of the first leaves the second open");
        drop(second);
        assert!(!push(&door, "b"));
    }
}
