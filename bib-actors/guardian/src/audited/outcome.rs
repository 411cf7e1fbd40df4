//! The last record of a change.

use crate::core::Core;
use crate::error::GuardianError;
use crate::ledger::Ledger;
use bib_audit::AuditDraft;
use std::sync::Arc;
use std::time::Duration;

/// How often the record of an outcome is tried: the change is done, so a full mailbox must not hide it.
const OUTCOME_TRIES: u32 = 4;
const OUTCOME_PAUSE: Duration = Duration::from_millis(50);

impl Core {
    /// Hands the record of an outcome over that the row of its request tells, too. It is written with the next record that
    /// somebody waits for; a log that refuses it then is asked again.
    pub(super) async fn owe_outcome(&self, record: AuditDraft) -> Result<(), GuardianError> {
        let Ok(pending) = self.ledger.append_soon(record.clone()).await else {
            return record_outcome(&*self.ledger, record).await;
        };
        let ledger = Arc::clone(&self.ledger);
        let seen_to = self.owed.spawn("outcome", async move {
            if pending.durable().await.is_err()
                && let Err(error) = record_outcome(&*ledger, record).await
            {
                tracing::warn!(%error, "the outcome of a change is recorded at the next start");
            }
        });
        if let Err(full) = seen_to {
            tracing::debug!(%full, "an outcome that the log refuses now is recorded at the next start");
        }
        Ok(())
    }
}

/// Records what became of a change.
pub(super) async fn record_outcome(ledger: &dyn Ledger, record: AuditDraft) -> Result<(), GuardianError> {
    let mut tries = 0;
    loop {
        match ledger.append(record.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) => {
                tries += 1;
                if tries == OUTCOME_TRIES {
                    return Err(GuardianError::AuditUnavailable { reason: error.to_string() });
                }
                tokio::time::sleep(OUTCOME_PAUSE * tries).await;
            }
        }
    }
}
