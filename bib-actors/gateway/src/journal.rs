//! The gateway's own audit records: logins, reads of data, refusals. What changes the catalogue is recorded by the
//! guardian.
//!
//! A record is opened when the work begins and closed with its outcome; one that is dropped open says that the work
//! broke off. Refusals are durable before they are answered. Changes wait for their durable record before they begin;
//! reads go on when the log cannot be written, and the node's log says so.

use crate::access::{Caller, Rates};
use crate::options::SessionOptions;
use crate::problem::Problem;
use bib_audit::{AuditDraft, AuditHandle, Outcome};
use bib_domain::{OpContext, Who};
use bib_kit::{Tasks, clock};
use std::sync::Arc;
use std::time::Instant;

/// Writes records.
pub(crate) struct Journal {
    audit: AuditHandle,
    refusals: Rates,
    tasks: Arc<Tasks>,
}

impl Journal {
    pub(crate) fn new(audit: AuditHandle, options: &SessionOptions, tasks: Arc<Tasks>) -> Arc<Self> {
        let refusals = Rates::new(options.refusal_records, options.failure_window, options.addresses);
        Arc::new(Self { audit, refusals, tasks })
    }

    /// Begins a read: its intent is buffered, its outcome follows.
    pub(crate) async fn reads(self: &Arc<Self>, op: &OpContext, action: &str, object: &str) -> Record {
        self.reads_since(op, action, object, clock::monotonic()).await
    }

    /// Begins a read whose work began before its object was known.
    pub(crate) async fn reads_since(
        self: &Arc<Self>,
        op: &OpContext,
        action: &str,
        object: &str,
        began: Instant,
    ) -> Record {
        let draft = begin(op, action, object);
        self.buffer(draft.clone().outcome(Outcome::Intent)).await;
        Record { journal: Arc::clone(self), draft: Some(draft), began }
    }

    /// Begins a change: it must not happen unless this returns.
    pub(crate) async fn changes(
        self: &Arc<Self>,
        op: &OpContext,
        action: &str,
        object: &str,
    ) -> Result<Record, Problem> {
        let draft = begin(op, action, object);
        self.audit.append(draft.clone().outcome(Outcome::Intent)).await?;
        Ok(Record { journal: Arc::clone(self), draft: Some(draft), began: clock::monotonic() })
    }

    /// Writes down that a call was refused at the gate. Of a flood, the first ones and a count.
    pub(crate) async fn refused(&self, caller: &Caller, path: &str, problem: &Problem) {
        let counted = self.refusals.count(clock::monotonic(), caller.address());
        if !counted.within {
            return;
        }
        let mut draft = begin(&caller.op(), "call.refuse", path)
            .outcome(Outcome::Refused)
            .metadata("reason", problem.reason())
            .metadata("from", caller.origin.to_string());
        if counted.missed > 0 {
            draft = draft.metadata("not_recorded_before", counted.missed.to_string());
        }
        self.keep(draft).await;
    }

    /// Writes a record that is worth waiting for, though its operation is over: who looks for it must find it.
    async fn keep(&self, draft: AuditDraft) {
        let action = draft.action.clone();
        if let Err(error) = self.audit.append(draft).await {
            tracing::warn!(%error, action, "a refusal was not recorded in the audit log");
        }
    }

    async fn buffer(&self, draft: AuditDraft) {
        let action = draft.action.clone();
        if let Err(error) = self.audit.append_buffered(draft).await {
            tracing::warn!(%error, action, "a read was not recorded in the audit log");
        }
    }
}

/// Whoever has not logged in has no role, whatever the operation's context must name.
fn begin(op: &OpContext, action: &str, object: &str) -> AuditDraft {
    let draft = AuditDraft::from_op(op, action, object);
    if op.who == Who::Anonymous { draft.role("none") } else { draft }
}

/// One operation that is being done.
pub(crate) struct Record {
    journal: Arc<Journal>,
    draft: Option<AuditDraft>,
    began: Instant,
}

impl Record {
    /// Adds something that is known only now.
    pub(crate) fn note(&mut self, name: &str, value: impl Into<String>) {
        self.draft = self.draft.take().map(|draft| draft.metadata(name, value));
    }

    /// Adds the shape of a query, without its values.
    pub(crate) fn fingerprint(&mut self, fingerprint: impl Into<String>) {
        self.draft = self.draft.take().map(|draft| draft.fingerprint(fingerprint));
    }

    /// Says who it was: a login is nobody's until it has succeeded.
    pub(crate) fn was(&mut self, op: &OpContext) {
        self.draft =
            self.draft.take().map(|draft| AuditDraft { actor: op.who.to_string(), ..draft.role(op.role.as_str()) });
    }

    /// It was done, with so many rows if they were counted.
    pub(crate) async fn done(mut self, rows: Option<u64>) {
        if let Some(mut draft) = self.close(Outcome::Ok) {
            draft.rows = rows;
            self.journal.buffer(draft).await;
        }
    }

    /// It was done, and its record must be durable before anybody hears of it.
    pub(crate) async fn done_durably(mut self) -> Result<(), Problem> {
        if let Some(draft) = self.close(Outcome::Ok) {
            self.journal.audit.append(draft).await?;
        }
        Ok(())
    }

    /// It was refused or failed.
    pub(crate) async fn ended(mut self, problem: &Problem) {
        let refused = problem.is_refusal();
        if let Some(draft) = self.close(if refused { Outcome::Refused } else { Outcome::Failed }) {
            let draft = draft.metadata("reason", problem.reason());
            if refused { self.journal.keep(draft).await } else { self.journal.buffer(draft).await }
        }
    }

    /// A stream came to its end, with all its rows, or broke off after so many.
    pub(crate) async fn streamed(mut self, sent: Result<(), Problem>, rows: u64) -> Result<(), Problem> {
        match &sent {
            Ok(()) => self.done(Some(rows)).await,
            Err(problem) => {
                self.note("rows_sent", rows.to_string());
                self.ended(problem).await;
            }
        }
        sent
    }

    fn close(&mut self, outcome: Outcome) -> Option<AuditDraft> {
        let spent = clock::since(self.began);
        self.draft.take().map(|draft| draft.outcome(outcome).duration(spent))
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(draft) = self.close(Outcome::Failed) {
            let journal = Arc::clone(&self.journal);
            let write = async move { journal.buffer(draft.metadata("reason", "BROKEN_OFF")).await };
            if let Err(error) = self.journal.tasks.spawn("audit record", write) {
                tracing::warn!(%error, "the end of an operation was not recorded in the audit log");
            }
        }
    }
}
