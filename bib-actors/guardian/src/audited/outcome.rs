//! The last record of a change.

use super::{Change, draft, intent};
use crate::core::Core;
use crate::error::GuardianError;
use crate::ledger::Ledger;
use crate::settle::Doubtful;
use bib_audit::{AuditDraft, AuditError, Outcome};
use bib_kit::clock;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the record of an outcome is tried: the change is done, so a full mailbox must not hide it.
const OUTCOME_TRIES: u32 = 4;
const OUTCOME_PAUSE: Duration = Duration::from_millis(50);

/// Why a change failed whose first record was not taken, or not in time.
const NOT_BEGUN: &str = "the audit log did not say in time that it has the first record; nothing was changed";

/// How long one that nobody waits for rests before it is tried again, at first and at most.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);

impl Core {
    /// Hands the record of an outcome over that the row of its request tells, too. It is written with the next record that
    /// somebody waits for; a log that refuses it then is asked until it takes it, or until the next start.
    pub(super) async fn owe_outcome(&self, record: AuditDraft) -> Result<(), GuardianError> {
        let Ok(pending) = self.ledger.append_soon(record.clone()).await else {
            return self.record_outcome(record).await;
        };
        let ledger = Arc::clone(&self.ledger);
        self.owe(async move {
            if pending.durable().await.is_err() {
                insist(&*ledger, record, Duration::ZERO).await;
            }
        });
        Ok(())
    }

    /// Records what became of a change. Where the log does not take it now, it is asked until it does, and nobody waits.
    pub(super) async fn record_outcome(&self, record: AuditDraft) -> Result<(), GuardianError> {
        let recorded = record_outcome(&*self.ledger, record.clone()).await;
        if recorded.is_err() {
            self.insist(record);
        }
        recorded
    }

    /// A change that was undone, since the log did not say that it has its first record: that may be there, or come into it.
    pub(super) fn not_begun(&self, failed: AuditDraft, error: &AuditError) -> GuardianError {
        if !matches!(error, AuditError::NoRoom { .. }) {
            self.insist(failed.metadata("reason", NOT_BEGUN));
        }
        GuardianError::AuditUnavailable { reason: error.to_string() }
    }

    /// Has a record tried until the log takes it.
    fn insist(&self, record: AuditDraft) {
        let ledger = Arc::clone(&self.ledger);
        self.owe(async move { insist(&*ledger, record, REST).await });
    }

    /// Has it found out later whether a change was committed.
    pub(super) fn doubt(&self, change: Doubtful) {
        if let Err(error) = self.doubts.try_send(change) {
            tracing::debug!(%error, "whether a change was committed is found out at the next start");
        }
    }

    /// Records that a change was refused before it began. It has a first record all the same: its outcome must not be taken
    /// for that of another try of the same request, which may be under way.
    pub(super) async fn record_refusal<C: Change>(&self, change: &C, why: &GuardianError, begun: Instant) {
        let refused = draft(change.cx(), C::ACTION, change.object(), C::ROLE, Outcome::Refused);
        let record = refused.metadata("reason", why.to_string()).duration(clock::since(begun));
        let recorded = async {
            self.ledger.append_soon(intent(change)).await?;
            self.ledger.append(record).await
        };
        // the log keeps room of its own; a refusal that it cannot take is a refusal all the same
        if let Err(error) = recorded.await {
            tracing::warn!(%error, action = C::ACTION, "a refusal was not recorded in the audit log");
        }
    }

    fn owe(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Err(full) = self.owed.spawn("outcome", work) {
            tracing::debug!(%full, "an outcome that the log refuses now is recorded at the next start");
        }
    }
}

/// Tries until the log takes the record: the disk may have room again, or the chain be back.
async fn insist(ledger: &dyn Ledger, record: AuditDraft, first_rest: Duration) {
    let mut rest = first_rest;
    loop {
        tokio::time::sleep(rest).await;
        let Err(error) = record_outcome(ledger, record.clone()).await else { return };
        if rest == first_rest {
            tracing::warn!(%error, "the outcome of a change is not in the audit log yet; it is tried again");
        }
        rest = LONGEST_REST.min(REST.max(rest * 2));
    }
}

/// Records what became of a change.
async fn record_outcome(ledger: &dyn Ledger, record: AuditDraft) -> Result<(), GuardianError> {
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
    use crate::audited::tests::Notebook;
    use bib_domain::OpContext;

    #[tokio::test]
    async fn an_outcome_is_tried_until_the_log_takes_it() {
        // a disk that is full for some tries
        let ledger = Notebook::default();
        *ledger.refuses.lock() = OUTCOME_TRIES + 1;
        let cx = OpContext::node(clock::new_request_id(), "test");
        let record = AuditDraft::from_op(&cx, "topic.create", "t").outcome(Outcome::Ok);
        insist(&ledger, record.clone(), Duration::ZERO).await;
        assert_eq!(*ledger.records.lock(), [record], "it is there, once");
        assert_eq!(*ledger.refuses.lock(), 0);
    }
}
