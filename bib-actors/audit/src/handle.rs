//! The verbs of the audit chain, for every actor above it.

use crate::actor::AuditActor;
use crate::draft::AuditDraft;
use crate::error::AuditError;
use crate::format::Hash;
use crate::log::Head;
use crate::messages::{Append, AppendBuffered, AskHead, AskUnsettled, ExportSince, List, Verify};
use crate::options::AuditOptions;
use crate::queue::{Answer, Door};
use crate::read::{AuditVerdict, ListFilter};
use crate::record::AuditRecord;
use bib_kit::{AskError, FaultError, Ref, faults::Where};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Proof that a record is durable; a client may keep it and ask for the record later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Which log.
    pub epoch: u64,
    /// Position in it.
    pub seq: u64,
    /// The record's hash.
    pub leaf_hash: Hash,
}

impl Receipt {
    pub(crate) const fn of(record: &AuditRecord) -> Self {
        Self { epoch: record.epoch, seq: record.seq, leaf_hash: record.leaf_hash }
    }
}

/// A record that the writer has, and that is durable soon.
#[derive(Debug)]
pub struct Pending {
    answer: oneshot::Receiver<Answer>,
}

impl Pending {
    /// One that is answered already.
    #[must_use]
    pub fn answered(answer: Result<Receipt, AuditError>) -> Self {
        let (tx, rx) = oneshot::channel();
        // it has just been made
        let _ = tx.send(answer);
        Self { answer: rx }
    }

    /// Waits until the record is durable.
    ///
    /// # Errors
    /// As [`AuditHandle::append`].
    pub async fn durable(self) -> Result<Receipt, AuditError> {
        self.answer.await.unwrap_or_else(|_| Err(AskError::Unknown { actor: crate::NAME }.into()))
    }
}

/// An intent without an outcome in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// Its record.
    pub intent: AuditRecord,
    /// It was there when the log was opened: whoever would have recorded its outcome is gone.
    pub left_over: bool,
}

/// Event: these records became durable, in this order. Published once for each block.
#[derive(Debug, Clone)]
pub struct AuditAppended {
    /// The records.
    pub records: Arc<[AuditRecord]>,
}

/// Reaches the audit chain, whichever incarnation it is in. Cheap to clone.
#[derive(Clone)]
pub struct AuditHandle {
    to: Ref<AuditActor>,
    door: Door,
    limits: Limits,
}

#[derive(Clone, Copy)]
struct Limits {
    append: Duration,
    read: Duration,
    verify: Duration,
}

impl AuditHandle {
    pub(crate) const fn new(to: Ref<AuditActor>, door: Door, options: &AuditOptions) -> Self {
        let limits =
            Limits { append: options.append_deadline, read: options.read_deadline, verify: options.verify_deadline };
        Self { to, door, limits }
    }

    /// Writes a record. It is durable when this returns. Records of a caller that waits for each are in its order.
    /// Dropping the future does not take the record back.
    ///
    /// # Errors
    /// Any error means: refuse the operation. The record may be in the log all the same, unless
    /// [`AuditError::nothing_was_written`] says that it is not.
    pub async fn append(&self, draft: AuditDraft) -> Result<Receipt, AuditError> {
        let op_id = draft.op_id;
        let mut left = Some(draft);
        if let Some(answer) = self.door.append(&mut left) {
            let (actor, after) = (crate::NAME, self.limits.append);
            return match tokio::time::timeout(after, answer).await {
                Ok(Ok(answer)) => answer,
                // the writer took it and ended with no word: it may be in the log
                Ok(Err(_)) => Err(AskError::Unknown { actor }.into()),
                Err(_) => Err(AskError::Timeout { actor, after }.into()),
            };
        }
        let Some(draft) = left else { return Err(AskError::Restarting { actor: crate::NAME }.into()) };
        self.to.ask_as(op_id, Append { draft }, self.limits.append).await?
    }

    /// Hands a record over that is written with the next one that somebody waits for, or after the time for which buffered
    /// records wait. Waits while the queue is full.
    ///
    /// # Errors
    /// As [`AuditHandle::append`]; what becomes of a record that was taken, [`Pending::durable`] says.
    pub async fn append_soon(&self, draft: AuditDraft) -> Result<Pending, AuditError> {
        let mut left = Some(draft);
        match (self.door.append_soon(&mut left), left) {
            (Some(taken), _) => Ok(Pending { answer: taken? }),
            (None, Some(draft)) => Ok(Pending::answered(Ok(self.append(draft).await?))),
            (None, None) => Err(AskError::Restarting { actor: crate::NAME }.into()),
        }
    }

    /// Hands a record over that is durable within 50 ms unless the machine fails before. For reads of public metadata
    /// only. Waits while the queue is full.
    ///
    /// # Errors
    /// If the record was not taken.
    pub async fn append_buffered(&self, draft: AuditDraft) -> Result<(), AuditError> {
        let op_id = draft.op_id;
        let mut left = Some(draft);
        if let Some(taken) = self.door.push(&mut left) {
            return taken;
        }
        let Some(draft) = left else { return Ok(()) };
        self.to.ask_as(op_id, AppendBuffered { draft }, self.limits.append).await?
    }

    /// Verifies the whole log while appends go on, and says what it found.
    ///
    /// # Errors
    /// Only if the verification itself could not be done; damage is a verdict.
    pub async fn verify(&self) -> Result<AuditVerdict, AuditError> {
        self.to.ask(Verify, self.limits.verify).await?
    }

    /// A page of records, latest first. The last record's position is the next page's `before_seq`.
    ///
    /// # Errors
    /// If the log cannot be read or is damaged there, or [`AuditError::NothingFound`] when the search gave up.
    pub async fn list(&self, filter: ListFilter) -> Result<Vec<AuditRecord>, AuditError> {
        self.to.ask(List { filter }, self.limits.read).await?
    }

    /// The intents that have no outcome in the log, oldest first: what is under way now, and what a crash left open. At most
    /// as many as the option `unsettled_max` says.
    ///
    /// # Errors
    /// If the log cannot be read or written.
    pub async fn unsettled(&self) -> Result<Vec<Unsettled>, AuditError> {
        self.to.ask(AskUnsettled, self.limits.read).await?
    }

    /// The end of the log.
    ///
    /// # Errors
    /// If the audit chain does not answer.
    pub async fn head(&self) -> Result<Head, AuditError> {
        Ok(self.to.ask(AskHead, self.limits.append).await?)
    }

    /// At most `limit` records after position `seq`, oldest first; 0 stands for the beginning. Empty at the end.
    ///
    /// # Errors
    /// If the log cannot be read or is damaged there.
    pub async fn export_since(&self, seq: u64, limit: usize) -> Result<Vec<AuditRecord>, AuditError> {
        self.to.ask(ExportSince { seq, limit }, self.limits.read).await?
    }

    /// Waits until the audit chain takes records; false if it does not within the deadline.
    pub async fn ready(&self, deadline: Duration) -> bool {
        self.to.ready(deadline).await
    }

    /// Makes the actor fail, for tests.
    ///
    /// # Errors
    /// If faults are not enabled or no incarnation is there to fail.
    pub fn inject_panic(&self, place: Where) -> Result<(), FaultError> {
        self.to.inject_panic(place)
    }
}
