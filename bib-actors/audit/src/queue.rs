//! The bounded queue between the actor and the writer's thread.
//!
//! A record that somebody waits for is a job of its own and wakes the writer. Records that nobody waits for gather beside
//! the jobs, and only the first of them wakes the writer: waking it for each would cost more than writing it.

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
    /// Write what came before, then end.
    Finish,
}

/// Records that nobody waits for.
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

    /// What the writer would write now: what has gathered first.
    fn taken(inbox: &Inbox) -> Vec<String> {
        let mut actions = Vec::new();
        while let Some(job) = inbox.try_recv() {
            match job {
                Job::Write(entry) => actions.push(entry.draft.action),
                Job::Gather => actions.push("gather".to_owned()),
                Job::Flush => actions.push("flush".to_owned()),
                Job::Finish => actions.push("finish".to_owned()),
            }
        }
        inbox.gathered().into_iter().map(|entry| entry.draft.action).chain(actions).collect()
    }

    #[test]
    fn records_come_in_by_the_open_door_while_there_is_room() {
        let door = Door::default();
        assert!(!push(&door, "a"), "no incarnation runs");
        let (queue, rx) = Queue::new(2, 9);
        let opened = door.open(&queue);
        for action in ["a", "b"] {
            assert!(push(&door, action), "{action}");
        }
        assert!(!push(&door, "c"), "it is full");
        assert_eq!(taken(&rx), ["a", "b", "gather", "flush"], "the writer is woken twice");
        opened.close();
        assert!(!push(&door, "d"));
        queue.finish();
        assert_eq!(taken(&rx), ["finish"], "nothing comes behind the order to finish");
    }

    #[test]
    fn a_record_that_is_waited_for_comes_in_by_the_door_too() {
        let door = Door::default();
        let (queue, inbox) = Queue::new(1, 9);
        let _opened = door.open(&queue);
        let mut record = Some(draft("a"));
        let mut answer = door.append(&mut record).unwrap();
        assert!(record.is_none() && answer.try_recv().is_err(), "nobody has answered yet");
        let mut more = Some(draft("b"));
        assert!(door.append(&mut more).is_none() && more.is_some(), "what finds no room is given back");
        let Some(Job::Write(entry)) = inbox.try_recv() else { panic!("the record is the only job") };
        entry.waiter.answer(Err(gone()));
        assert!(matches!(answer.try_recv(), Ok(Err(AuditError::NotWritable { .. }))));
        drop(entry.room);
        drop(inbox);
        let mut late = door.append(&mut more).unwrap();
        assert!(matches!(late.try_recv(), Ok(Err(AuditError::NotWritable { .. }))), "the writer has ended");
    }

    #[test]
    fn the_writer_sees_the_end_of_its_incarnation() {
        let door = Door::default();
        let (queue, rx) = Queue::new(2, 9);
        let opened = door.open(&queue);
        drop(queue);
        let nothing = |inbox: &Inbox| inbox.recv_timeout(Duration::ZERO).err();
        assert_eq!(nothing(&rx), Some(RecvTimeoutError::Timeout), "the door holds a sender");
        let (next, _next_rx) = Queue::new(2, 9);
        let second = door.open(&next);
        drop(opened);
        assert_eq!(nothing(&rx), Some(RecvTimeoutError::Disconnected));
        assert!(push(&door, "a"), "the end of the first leaves the second open");
        drop(second);
        assert!(!push(&door, "b"));
    }

    #[test]
    fn only_the_first_record_that_nobody_waits_for_wakes_the_writer() {
        let (queue, inbox) = Queue::new(100, 4);
        let put = |action: &str| queue.push(draft(action), Waiter::Nobody, queue.try_room().unwrap());
        for action in ["a", "b", "c"] {
            put(action).unwrap();
        }
        assert_eq!(taken(&inbox), ["a", "b", "c", "gather"]);
        for action in ["d", "e", "f", "g", "h"] {
            put(action).unwrap();
        }
        assert_eq!(taken(&inbox), ["d", "e", "f", "g", "h", "gather", "flush"]);
        // one that comes between the waking and the look is seen by that look, and the next one wakes again
        put("i").unwrap();
        assert!(matches!(inbox.try_recv(), Some(Job::Gather)));
        put("j").unwrap();
        assert_eq!(taken(&inbox), ["i", "j"]);
        put("k").unwrap();
        assert_eq!(taken(&inbox), ["k", "gather"]);
        drop(inbox);
        assert!(put("l").is_err(), "the writer has ended");
        assert_eq!(queue.room.available_permits(), 100, "all places are free again");
    }

    #[test]
    fn a_record_is_written_before_what_its_caller_waits_for_later() {
        let (queue, inbox) = Queue::new(100, 50);
        queue.push(draft("read"), Waiter::Nobody, queue.try_room().unwrap()).unwrap();
        let (tx, _rx) = oneshot::channel();
        queue.push(draft("change"), Waiter::Future(tx), queue.try_room().unwrap()).unwrap();
        assert_eq!(taken(&inbox), ["read", "gather", "change"]);
    }
}
