//! An audit log that fails on demand.

use async_trait::async_trait;
use bib_audit::{AuditDraft, AuditError, AuditHandle, AuditRecord, Head, Outcome, Pending, Receipt, Unsettled};
use bib_guardian::Ledger;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fail {
    Nothing = 0,
    /// Every record.
    All = 1,
    /// Records of outcomes: what is done cannot be recorded.
    Outcomes = 2,
    /// Nothing that anybody hears of: outcomes that are taken get lost, as in a crash of the machine.
    LosesOutcomes = 3,
}

/// The audit chain behind a switch.
#[derive(Clone)]
pub(crate) struct FlakyLedger {
    inner: AuditHandle,
    fail: Arc<AtomicU8>,
}

impl FlakyLedger {
    pub(crate) fn new(inner: AuditHandle) -> Self {
        Self { inner, fail: Arc::new(AtomicU8::new(0)) }
    }

    pub(crate) fn set(&self, fail: Fail) {
        self.fail.store(fail as u8, Ordering::SeqCst);
    }

    fn check(&self, outcome: Outcome) -> Result<(), AuditError> {
        let fail = self.fail.load(Ordering::SeqCst);
        let fails = fail == Fail::All as u8 || fail == Fail::Outcomes as u8 && outcome != Outcome::Intent;
        if fails { Err(AuditError::NotWritable { reason: "no space left on device".to_owned() }) } else { Ok(()) }
    }
}

#[async_trait]
impl Ledger for FlakyLedger {
    async fn append(&self, draft: AuditDraft) -> Result<Receipt, AuditError> {
        self.check(draft.outcome)?;
        self.inner.append(draft).await
    }

    async fn append_soon(&self, draft: AuditDraft) -> Result<Pending, AuditError> {
        self.check(draft.outcome)?;
        if self.fail.load(Ordering::SeqCst) == Fail::LosesOutcomes as u8 {
            return Ok(Pending::answered(Ok(Receipt { epoch: 1, seq: u64::MAX, leaf_hash: [0; 32] })));
        }
        self.inner.append_soon(draft).await
    }

    async fn append_buffered(&self, draft: AuditDraft) -> Result<(), AuditError> {
        self.check(draft.outcome)?;
        self.inner.append_buffered(draft).await
    }

    async fn export_since(&self, seq: u64, limit: u32) -> Result<Vec<AuditRecord>, AuditError> {
        self.inner.export_since(seq, limit as usize).await
    }

    async fn unsettled(&self) -> Result<Vec<Unsettled>, AuditError> {
        self.inner.unsettled().await
    }

    async fn head(&self) -> Result<Head, AuditError> {
        self.inner.head().await
    }
}
