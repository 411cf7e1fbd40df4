//! The writer: one blocking thread that takes records from the queue, many at a time, and answers when they are durable.
//!
//! Group commit without artificial delay: whatever has gathered while the last sync ran is the next batch. Only a batch
//! in which nobody waits is held back a little for company. After an error everybody who waits is told and the writer
//! ends; it never tries again through the same file.

use crate::error::AuditError;
use crate::handle::{AuditAppended, Receipt};
use crate::options::AuditOptions;
use crate::queue::{Barrier, Entry, Inbox, Job, Waiter};
use crate::sequencer::Sequencer;
use bib_kit::{Topic, clock};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// The writer and all that it needs.
pub(crate) struct Writer {
    inbox: Inbox,
    sequencer: Sequencer,
    topic: Topic<AuditAppended>,
    batch_max_entries: usize,
    buffer_delay: Duration,
    mark_interval: Duration,
    marked: Instant,
}

/// Records that are made durable together.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    barriers: Vec<Barrier>,
    somebody_waits: bool,
    /// Enough have gathered that nobody waits for.
    flush: bool,
    finish: bool,
}

impl Batch {
    fn take(&mut self, job: Job) {
        match job {
            Job::Write(entry) => {
                self.somebody_waits |= entry.waiter.is_somebody();
                self.entries.push(*entry);
            }
            Job::Gather => {}
            Job::Flush => self.flush = true,
            Job::Barrier(barrier) => {
                self.somebody_waits = true;
                self.barriers.push(*barrier);
            }
            Job::Finish => self.finish = true,
        }
    }

    fn is_due(&self) -> bool {
        self.somebody_waits || self.flush || self.finish
    }
}

impl Writer {
    pub(crate) fn new(inbox: Inbox, sequencer: Sequencer, topic: Topic<AuditAppended>, options: &AuditOptions) -> Self {
        Self {
            inbox,
            sequencer,
            topic,
            batch_max_entries: options.batch_max_entries.max(1),
            buffer_delay: options.buffer_delay,
            mark_interval: options.mark_interval,
            marked: clock::monotonic(),
        }
    }

    /// Runs until told to finish or until no sender is left.
    ///
    /// # Errors
    /// When the log cannot be written; everybody who waited has been told then.
    pub(crate) fn run(mut self) -> Result<(), AuditError> {
        loop {
            let Some(batch) = self.gather() else { break };
            let finish = batch.finish;
            if let Err(error) = self.write(batch.entries) {
                self.refuse_the_rest(&error);
                return Err(error);
            }
            batch.barriers.into_iter().for_each(Barrier::pass);
            if finish {
                break;
            }
            if clock::since(self.marked) >= self.mark_interval {
                self.mark();
            }
        }
        self.sequencer.close();
        Ok(())
    }

    /// Waits for records and takes what there is; `None` when there will be no more.
    fn gather(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        batch.take(self.first()?);
        self.take_ready(&mut batch);
        let begun = clock::monotonic();
        while !batch.is_due() && batch.entries.len() < self.batch_max_entries {
            let left = self.buffer_delay.saturating_sub(clock::since(begun));
            match self.inbox.recv_timeout(left) {
                Ok(job) => {
                    batch.take(job);
                    self.take_ready(&mut batch);
                }
                Err(_) => break,
            }
        }
        // they came before what was taken last, and their callers may have waited for that
        let mut gathered = self.inbox.gathered();
        gathered.append(&mut batch.entries);
        batch.entries = gathered;
        Some(batch)
    }

    /// The next job; renews the mark when there is none for a while.
    fn first(&mut self) -> Option<Job> {
        while self.sequencer.unmarked() {
            match self.inbox.recv_timeout(self.mark_interval) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    self.mark();
                    if self.sequencer.unmarked() {
                        break;
                    }
                }
            }
        }
        self.inbox.recv()
    }

    fn take_ready(&self, batch: &mut Batch) {
        while batch.entries.len() < self.batch_max_entries && !batch.finish {
            let Some(job) = self.inbox.try_recv() else { break };
            batch.take(job);
        }
    }

    fn write(&mut self, entries: Vec<Entry>) -> Result<(), AuditError> {
        let mut drafts = Vec::with_capacity(entries.len());
        let mut waiters = Vec::with_capacity(entries.len());
        for Entry { draft, waiter, room } in entries {
            drafts.push(draft);
            waiters.push((waiter, room));
        }
        let mut drafts = drafts.into_iter();
        let mut waiters = waiters.into_iter();
        while waiters.len() > 0 {
            match self.sequencer.commit(&mut drafts) {
                Ok(records) => self.answer(records, &mut waiters),
                Err(error) => {
                    waiters.for_each(|(waiter, _room)| waiter.answer(Err(error.clone())));
                    if matches!(error, AuditError::NoRoom { .. }) {
                        // nothing was written: the log is whole, and goes on when there is room
                        tracing::warn!(%error, "records were refused");
                        return Ok(());
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn answer(
        &self,
        records: Vec<crate::AuditRecord>,
        waiters: &mut impl Iterator<Item = (Waiter, OwnedSemaphorePermit)>,
    ) {
        let receipts: Vec<_> = records.iter().map(Receipt::of).collect();
        self.topic.publish(AuditAppended { records: records.into() });
        for (receipt, (waiter, _room)) in receipts.into_iter().zip(waiters) {
            waiter.answer(Ok(receipt));
        }
    }

    fn refuse_the_rest(&self, error: &AuditError) {
        while let Some(job) = self.inbox.try_recv() {
            if let Job::Write(entry) = job {
                entry.waiter.answer(Err(error.clone()));
            }
        }
    }

    fn mark(&mut self) {
        self.sequencer.mark();
        self.marked = clock::monotonic();
    }
}
