//! The bounded queue between the actor and the writer's thread.
//!
//! A record that somebody waits for is a job of its own and wakes the writer. Records that nobody waits for gather beside
//! the jobs, and only the first of them wakes the writer: waking it for each would cost more than writing it. Records that
//! somebody waits for without haste gather with them.

use crate::draft::AuditDraft;
use crate::error::AuditError;
use crate::handle::Receipt;
use bib_kit::Promise;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
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

/// What the writer is to do. Small, since the queue has all its places from the start.
pub(crate) enum Job {
    /// Write a record.
    Write(Box<Entry>),
    /// The first record that nobody waits for has come.
    Gather,
    /// Enough of them have gathered.
    Flush,
    /// Write what came before, then say so.
    Barrier(Box<Barrier>),
    /// Write what came before, then end.
    Finish,
}

/// Somebody who wants to know that all is written that came before, and the place in the queue.
pub(crate) struct Barrier {
    reached: oneshot::Sender<()>,
    _room: OwnedSemaphorePermit,
}

impl Barrier {
    /// All that came before is durable.
    pub(crate) fn pass(self) {
        // nobody hears it any more
        let _ = self.reached.send(());
    }
}

/// Records that nobody waits for, or not in haste.
struct Gathered {
    entries: Vec<Entry>,
    /// A job [`Job::Gather`] is on its way: the writer will look here after it has taken it.
    told: bool,
    /// The writer has taken one and has not looked here yet.
    awake: bool,
    /// The writer has ended.
    closed: bool,
}

/// The sending end.
#[derive(Clone)]
pub(crate) struct Queue {
    tx: SyncSender<Job>,
    room: Arc<Semaphore>,
    gathered: Arc<Mutex<Gathered>>,
    /// How many that nobody waits for are written at once.
    enough: usize,
}

/// The writer's end.
pub(crate) struct Inbox {
    rx: Receiver<Job>,
    gathered: Arc<Mutex<Gathered>>,
}

impl Inbox {
    /// The next job, as soon as there is one.
    pub(crate) fn recv(&self) -> Option<Job> {
        self.rx.recv().ok().map(|job| self.taken(job))
    }

    /// The next job, if it comes in time.
    pub(crate) fn recv_timeout(&self, left: Duration) -> Result<Job, RecvTimeoutError> {
        self.rx.recv_timeout(left).map(|job| self.taken(job))
    }

    /// The next job, if there is one.
    pub(crate) fn try_recv(&self) -> Option<Job> {
        self.rx.try_recv().ok().map(|job| self.taken(job))
    }

    fn taken(&self, job: Job) -> Job {
        if matches!(job, Job::Gather) {
            let mut gathered = self.gathered.lock();
            (gathered.told, gathered.awake) = (false, true);
        }
        job
    }

    /// All records that nobody waits for and that came before the jobs which were taken.
    pub(crate) fn gathered(&self) -> Vec<Entry> {
        let mut gathered = self.gathered.lock();
        gathered.awake = false;
        std::mem::take(&mut gathered.entries)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut gathered = self.gathered.lock();
        gathered.closed = true;
        gathered.entries = Vec::new();
    }
}

impl Queue {
    /// A queue of `capacity` records, of which `enough` that nobody waits for are written without more delay.
    pub(crate) fn new(capacity: usize, enough: usize) -> (Self, Inbox) {
        let capacity = capacity.max(1);
        // More places than permits, for the jobs that need none: the order to finish, the word that something gathers, and
        // that enough has, which can be there twice.
        let (tx, rx) = sync_channel(capacity + 4);
        let gathered = Arc::new(Mutex::new(Gathered { entries: Vec::new(), told: false, awake: false, closed: false }));
        let queue = Self {
            tx,
            room: Arc::new(Semaphore::new(capacity)),
            gathered: Arc::clone(&gathered),
            enough: enough.clamp(1, capacity),
        };
        (queue, Inbox { rx, gathered })
    }

    /// A place, if one is free.
    pub(crate) fn try_room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// A place, as soon as one is free.
    pub(crate) async fn room(&self) -> Result<OwnedSemaphorePermit, AuditError> {
        Arc::clone(&self.room).acquire_owned().await.map_err(|_| gone())
    }

    /// Waits until everything is durable that is in the queue now.
    pub(crate) async fn barrier(&self) -> Result<(), AuditError> {
        let room = self.room().await?;
        let (reached, passed) = oneshot::channel();
        self.tx.try_send(Job::Barrier(Box::new(Barrier { reached, _room: room }))).map_err(|_| gone())?;
        passed.await.map_err(|_| gone())
    }

    /// Puts a record in. Never waits, since `room` says that there is a place.
    pub(crate) fn push(&self, draft: AuditDraft, waiter: Waiter, room: OwnedSemaphorePermit) -> Result<(), AuditError> {
        let entry = Entry { draft, waiter, room };
        if !entry.waiter.is_somebody() {
            return self.gather(entry);
        }
        self.tx.try_send(Job::Write(Box::new(entry))).map_err(|error| {
            let (TrySendError::Full(job) | TrySendError::Disconnected(job)) = error;
            if let Job::Write(entry) = job {
                entry.waiter.answer(Err(gone()));
            }
            gone()
        })
    }

    fn gather(&self, entry: Entry) -> Result<(), AuditError> {
        let (tell, flush) = {
            let mut gathered = self.gathered.lock();
            if gathered.closed {
                return Err(gone());
            }
            gathered.entries.push(entry);
            let tell = !gathered.told && !gathered.awake;
            gathered.told |= tell;
            (tell, gathered.entries.len() == self.enough)
        };
        // a writer that ends meanwhile drops the record, as it drops those that it has taken and cannot write
        if tell && self.tx.try_send(Job::Gather).is_err() {
            self.gathered.lock().told = false;
        }
        if flush {
            let _ = self.tx.try_send(Job::Flush);
        }
        Ok(())
    }

    /// Has the writer write what is in the queue and end. A writer that has ended already is fine.
    pub(crate) fn finish(&self) {
        let _ = self.tx.try_send(Job::Finish);
    }
}

/// The queue of the incarnation that runs now: while there is room in it, a record needs no message.
#[derive(Clone, Default)]
pub(crate) struct Door(Arc<RwLock<Option<Queue>>>);

impl Door {
    /// From now on records go into this queue, until what is returned is closed or dropped.
    pub(crate) fn open(&self, queue: &Queue) -> Opened {
        *self.0.write() = Some(queue.clone());
        Opened { door: self.clone(), room: Arc::clone(&queue.room) }
    }

    /// Puts a record in that nobody waits for, if there is room at once; else leaves it.
    pub(crate) fn push(&self, draft: &mut Option<AuditDraft>) -> Option<Result<(), AuditError>> {
        self.put(draft, Waiter::Nobody)
    }

    /// Puts a record in whose answer will come, if there is room at once; else leaves it.
    pub(crate) fn append(&self, draft: &mut Option<AuditDraft>) -> Option<oneshot::Receiver<Answer>> {
        let (tx, answer) = oneshot::channel();
        // if it fails, the reason is in the answer
        let _ = self.put(draft, Waiter::Future(tx))?;
        Some(answer)
    }

    /// Puts a record in whose answer will come when others are written or the time of buffered records is over, if there is
    /// room at once; else leaves it.
    pub(crate) fn append_soon(
        &self,
        draft: &mut Option<AuditDraft>,
    ) -> Option<Result<oneshot::Receiver<Answer>, AuditError>> {
        let queue = self.0.read();
        let queue = queue.as_ref()?;
        let room = queue.try_room()?;
        let (tx, answer) = oneshot::channel();
        let entry = Entry { draft: draft.take()?, waiter: Waiter::Future(tx), room };
        Some(queue.gather(entry).map(|()| answer))
    }

    fn put(&self, draft: &mut Option<AuditDraft>, waiter: Waiter) -> Option<Result<(), AuditError>> {
        let queue = self.0.read();
        let queue = queue.as_ref()?;
        let room = queue.try_room()?;
        Some(queue.push(draft.take()?, waiter, room))
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
mod tests;
