//! What the guardian needs of the audit chain.
//!
//! A trait, so that the guardian can be tried with a log that fails on demand. The node uses the audit actor's handle.

use async_trait::async_trait;
use bib_audit::{AuditDraft, AuditError, AuditHandle, AuditRecord, Head, Pending, Receipt, Unsettled};

/// An append-only audit log.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Appends a record, which is durable when this returns.
    async fn append(&self, draft: AuditDraft) -> Result<Receipt, AuditError>;
    /// Takes a record that will be durable shortly, and says when it is.
    async fn append_soon(&self, draft: AuditDraft) -> Result<Pending, AuditError>;
    /// Takes a record that will be durable shortly.
    async fn append_buffered(&self, draft: AuditDraft) -> Result<(), AuditError>;
    /// Durable records from position `seq` on, at most `limit`.
    async fn export_since(&self, seq: u64, limit: u32) -> Result<Vec<AuditRecord>, AuditError>;
    /// The intents that have no outcome.
    async fn unsettled(&self) -> Result<Vec<Unsettled>, AuditError>;
    /// The end of the log.
    async fn head(&self) -> Result<Head, AuditError>;
}

#[async_trait]
impl Ledger for AuditHandle {
    async fn append(&self, draft: AuditDraft) -> Result<Receipt, AuditError> {
        Self::append(self, draft).await
    }

    async fn append_soon(&self, draft: AuditDraft) -> Result<Pending, AuditError> {
        Self::append_soon(self, draft).await
    }

    async fn append_buffered(&self, draft: AuditDraft) -> Result<(), AuditError> {
        Self::append_buffered(self, draft).await
    }

    async fn export_since(&self, seq: u64, limit: u32) -> Result<Vec<AuditRecord>, AuditError> {
        Self::export_since(self, seq, limit as usize).await
    }

    async fn unsettled(&self) -> Result<Vec<Unsettled>, AuditError> {
        Self::unsettled(self).await
    }

    async fn head(&self) -> Result<Head, AuditError> {
        Self::head(self).await
    }
}
