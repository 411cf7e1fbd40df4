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

/// How long one that nobody waits for rests before it is tried again, at first and at most.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);

impl Core {
    /// Hands the record of an outcome over that the row of its request tells, too. It is written with the next record that
    /// somebody waits for; a log that refuses it then is asked until it takes it, or until the next start.
    pub(super) async fn owe_outcome(&self, record: AuditDraft) -> Result<(), GuardianError> {
        let Ok(pending) = self.ledger.append_soon(record.clone()).await else {
            return record_outcome(&*self.ledger, record).await;
        };
        let ledger = Arc::clone(&self.ledger);
        let seen_to = self.owed.spawn("outcome", async move {
            if pending.durable().await.is_err() {
                insist(&*ledger, record, REST).await;
            }
        });
        if let Err(full) = seen_to {
            tracing::debug!(%full, "an outcome that the log refuses now is recorded at the next start");
        }
        Ok(())
    }
}

/// Tries until the log takes the record: the disk may have room again, or the chain be back.
async fn insist(ledger: &dyn Ledger, record: AuditDraft, mut rest: Duration) {
    let mut told = false;
    while let Err(error) = record_outcome(ledger, record.clone()).await {
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(%error, "the outcome of a change is not in the audit log yet; it is tried again");
        }
        tokio::time::sleep(rest).await;
        rest = LONGEST_REST.min(rest * 2);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audited::tests::NoLog;
    use async_trait::async_trait;
    use bib_audit::{AuditError, AuditRecord, Head, Outcome, Pending, Receipt, Unsettled};
    use bib_domain::OpContext;
    use bib_kit::clock;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A disk that is full for some tries.
    struct FullFor(AtomicU32);

    #[async_trait]
    impl Ledger for FullFor {
        async fn append(&self, draft: AuditDraft) -> Result<Receipt, AuditError> {
            assert_eq!(draft.outcome, Outcome::Ok);
            let left = self.0.load(Ordering::SeqCst);
            assert!(left > 0, "one record is enough");
            self.0.store(left - 1, Ordering::SeqCst);
            match left {
                1 => Ok(Receipt { epoch: 1, seq: 1, leaf_hash: [0; 32] }),
                _ => Err(AuditError::NotWritable { reason: "no space left on device".to_owned() }),
            }
        }

        async fn append_soon(&self, draft: AuditDraft) -> Result<Pending, AuditError> {
            NoLog.append_soon(draft).await
        }

        async fn append_buffered(&self, draft: AuditDraft) -> Result<(), AuditError> {
            NoLog.append_buffered(draft).await
        }

        async fn export_since(&self, seq: u64, limit: u32) -> Result<Vec<AuditRecord>, AuditError> {
            NoLog.export_since(seq, limit).await
        }

        async fn unsettled(&self) -> Result<Vec<Unsettled>, AuditError> {
            NoLog.unsettled().await
        }

        async fn head(&self) -> Result<Head, AuditError> {
            NoLog.head().await
        }
    }

    #[tokio::test]
    async fn an_outcome_is_tried_until_the_log_takes_it() {
        let ledger = FullFor(AtomicU32::new(2 * OUTCOME_TRIES + 2));
        let cx = OpContext::node(clock::new_request_id(), "test");
        let record = AuditDraft::from_op(&cx, "topic.create", "t").outcome(Outcome::Ok);
        insist(&ledger, record, Duration::from_millis(1)).await;
        assert_eq!(ledger.0.load(Ordering::SeqCst), 0, "it is there, once");
    }
}
