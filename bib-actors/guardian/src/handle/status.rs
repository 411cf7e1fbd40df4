//! Verbs about the guardian itself.

use super::GuardianHandle;
use crate::error::GuardianError;
use crate::messages::{AskIndexStatus, AskStorage, RebuildIndex};
use crate::ops::status::CountAll;
use crate::rows::{AuditIndexStatus, Counts, StorageInfo};
use bib_domain::OpContext;

impl GuardianHandle {
    /// Where the metadata is kept, and what the storage cannot do.
    ///
    /// # Errors
    /// If the guardian does not answer.
    pub async fn storage(&self) -> Result<StorageInfo, GuardianError> {
        Ok(self.to.ask(AskStorage, self.limits.deadline).await?)
    }

    /// How much there is in the catalogue.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn counts(&self) -> Result<Counts, GuardianError> {
        self.look(CountAll).await
    }

    /// How far the audit table follows the audit log, and whether they agree that far.
    ///
    /// # Errors
    /// If the database or the log cannot be read.
    pub async fn audit_index_status(&self) -> Result<AuditIndexStatus, GuardianError> {
        let cx = self.reader();
        self.to.ask_as(cx.request_id, AskIndexStatus { cx }, self.limits.deadline).await?
    }

    /// Empties the audit table and fills it from the log; how many records it has then. A long log takes longer than
    /// the deadline; the work goes on then.
    ///
    /// # Errors
    /// If the database or the log fails.
    pub async fn rebuild_audit_index(&self, cx: &OpContext) -> Result<u64, GuardianError> {
        self.to.ask_as(cx.request_id, RebuildIndex { cx: cx.clone() }, self.limits.deadline).await?
    }
}
