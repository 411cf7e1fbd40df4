//! The frame around every operation: recorded ahead, done in one transaction, recorded after, then answered.
//!
//! A change that fails to get its first record does not begin; one that fails to get its last record is not
//! acknowledged, and a retry with the same request id finds what was done and records it.

use crate::core::Core;
use crate::database::{Access, DbRole, Footprint, Session, Tx};
use crate::error::GuardianError;
use crate::ledger::Ledger;
use bib_audit::{AuditDraft, Outcome};
use bib_domain::{Need, OpContext};
use bib_kit::clock;
use futures::future::join;
use std::future::Future;
use std::time::Duration;

/// How often the record of an outcome is tried: the change is done, so a full mailbox must not hide it.
const OUTCOME_TRIES: u32 = 4;
const OUTCOME_PAUSE: Duration = Duration::from_millis(50);

/// When a change happens, and which record was durable before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) now_ms: i64,
    /// What has passed for certain, whatever the wall clock says.
    pub(crate) passed_ms: i64,
    pub(crate) audit_seq: u64,
}

impl Stamp {
    /// The moment that lies so long ago: what is older may be removed. A clock that jumps ahead makes nothing older.
    pub(crate) fn before(&self, retention: Duration) -> i64 {
        let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        self.now_ms.min(self.passed_ms).saturating_sub(retention)
    }
}

/// A mutation.
pub(crate) trait Change: Send + Sync + 'static {
    type Output: Send + 'static;
    /// What it is called in the audit log.
    const ACTION: &'static str;
    /// The database role it runs under.
    const ROLE: DbRole;
    /// Whether a retry must find the first answer, since doing it twice is not the same as once.
    const REMEMBER: bool = false;
    /// What it takes of the disk: what needs room is refused when there is little.
    const NEED: Need = Need::Room;
    /// Whether it may change the answer to a read that has a [`Look::recall_key`].
    const CATALOG: bool = true;
    /// Whether [`Change::prepare`] has anything to do. If not, the transaction may be open when the first record
    /// is written.
    const PREPARES: bool = false;

    /// Who asked.
    fn cx(&self) -> &OpContext;
    /// What it is about, for the audit log.
    fn object(&self) -> String;
    /// What a retry is recognized by, beside the request id and the action.
    fn subject(&self) -> String {
        self.object()
    }
    /// What has to be on disk before the transaction.
    fn prepare(&self, _core: &Core) -> impl Future<Output = Result<(), GuardianError>> + Send {
        std::future::ready(Ok(()))
    }
    /// Does it and returns a note from which the answer can be made, now and on a retry.
    fn apply(&self, tx: &mut Tx, stamp: Stamp) -> impl Future<Output = Result<String, GuardianError>> + Send;
    /// Makes the answer.
    fn answer(&self, tx: &mut Tx, note: &str) -> impl Future<Output = Result<Self::Output, GuardianError>> + Send;
    /// Tells the node, when all is durable.
    fn announce(&self, _core: &Core, _output: &Self::Output) {}
}

/// A read.
pub(crate) trait Look: Send + Sync + 'static {
    type Output: Clone + Send + Sync + 'static;
    /// What it is called in the audit log.
    const ACTION: &'static str;
    /// The database role it runs under.
    const ROLE: DbRole = DbRole::Query;

    /// What it is about, for the audit log.
    fn object(&self) -> String;
    /// What tells this read from others with the same action, if its answer may be kept in memory until the catalogue
    /// changes.
    fn recall_key(&self) -> Option<String> {
        None
    }
    /// How much an answer takes on the heap, in bytes.
    fn heap_bytes(&self, _output: &Self::Output) -> usize {
        0
    }
    /// Reads.
    fn read(&self, tx: &mut Tx) -> impl Future<Output = Result<Self::Output, GuardianError>> + Send;
}

impl Core {
    /// Carries out a change. Durable and recorded when it returns `Ok`. Dropping the future leaves the outcome
    /// unknown: a retry with the same request id finds it.
    pub(crate) async fn change<C: Change>(&self, change: C) -> Result<C::Output, GuardianError> {
        let begun = clock::monotonic();
        let draft = |outcome| draft(change.cx(), C::ACTION, change.object(), C::ROLE, outcome);
        if let Err(full) = self.space.admit(C::NEED) {
            // the log keeps room of its own; a refusal that it cannot take is a refusal all the same
            let record = draft(Outcome::Refused).metadata("reason", full.to_string()).duration(clock::since(begun));
            if let Err(error) = self.ledger.append(record).await {
                tracing::warn!(%error, action = C::ACTION, "a refusal was not recorded in the audit log");
            }
            return Err(full);
        }
        // an open transaction has done nothing yet
        let open = async { if C::PREPARES { None } else { self.database.begin_early(C::ROLE).await } };
        let (intent, open) = join(self.ledger.append(draft(Outcome::Intent)), open).await;
        let intent = intent.map_err(|error| GuardianError::AuditUnavailable { reason: error.to_string() })?;
        let stamp = Stamp { now_ms: clock::unix_ms(), passed_ms: clock::passed_ms(), audit_seq: intent.seq };

        let done = self.carry_out(&change, stamp, open).await;
        let record = match &done {
            Ok((_, footprint)) => draft(Outcome::Ok).rows(footprint.rows).fingerprint(footprint.fingerprint.clone()),
            Err(error) if error.is_refusal() => draft(Outcome::Refused).metadata("reason", error.to_string()),
            Err(error) => draft(Outcome::Failed).metadata("reason", error.to_string()),
        };
        let recorded = self.record_outcome(record.duration(clock::since(begun))).await;
        let (output, _) = done?;
        recorded?;
        change.announce(self, &output);
        Ok(output)
    }

    async fn carry_out<C: Change>(
        &self,
        change: &C,
        stamp: Stamp,
        open: Option<Box<dyn Session>>,
    ) -> Result<(C::Output, Footprint), GuardianError> {
        change.prepare(self).await?;
        // ends when the outcome is in the database or was given up, before anybody hears of it
        let _changing = C::CATALOG.then(|| self.serving.answers.changing());
        let session = match open {
            Some(open) => open,
            None => self.database.begin(C::ROLE, Access::Write).await?,
        };
        let mut tx = Tx::new(session);
        let note =
            if C::REMEMBER { self.once(change, &mut tx, stamp).await? } else { change.apply(&mut tx, stamp).await? };
        let output = change.answer(&mut tx, &note).await?;
        let footprint = tx.footprint();
        tx.commit().await?;
        Ok((output, footprint))
    }

    /// Applies a change unless its request is remembered. The row of the request is inserted first: of two retries
    /// at the same time one waits for the other's transaction.
    async fn once<C: Change>(&self, change: &C, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        let request = change.cx().request_id;
        let key = [request.as_bytes().into(), C::ACTION.into(), change.subject().into()];
        let [id, action, object] = key.clone();
        let fresh = tx
            .run(
                "insert into requests (request_id, action, object, result, created_ms) values ($1, $2, $3, '', $4) \
                 on conflict (request_id, action, object) do nothing",
                &[id, action, object, stamp.now_ms.into()],
            )
            .await?;
        if fresh == 0 {
            let remembered = tx
                .one("select result from requests where request_id = $1 and action = $2 and object = $3", &key)
                .await?
                .text()?;
            return Ok(remembered);
        }
        let note = change.apply(tx, stamp).await?;
        let [id, action, object] = key;
        tx.run(
            "update requests set result = $4 where request_id = $1 and action = $2 and object = $3",
            &[id, action, object, note.as_str().into()],
        )
        .await?;
        Ok(note)
    }

    async fn record_outcome(&self, record: AuditDraft) -> Result<(), GuardianError> {
        let mut tries = 0;
        loop {
            match self.ledger.append(record.clone()).await {
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

    /// Carries out a read. Its record is durable within the audit chain's buffer time; a read is answered also when
    /// the log cannot take it, which the node's log says.
    pub(crate) async fn look<L: Look>(&self, cx: &OpContext, look: L) -> Result<L::Output, GuardianError> {
        let begun = clock::monotonic();
        let seen = self.see(&look).await;
        let draft = draft(cx, L::ACTION, look.object(), L::ROLE, Outcome::Ok);
        let record = match &seen {
            Ok((_, footprint)) => draft.rows(footprint.rows).fingerprint(footprint.fingerprint.clone()),
            Err(error) if error.is_refusal() => draft.outcome(Outcome::Refused).metadata("reason", error.to_string()),
            Err(error) => draft.outcome(Outcome::Failed).metadata("reason", error.to_string()),
        };
        record_read(&*self.ledger, record.duration(clock::since(begun))).await;
        seen.map(|(output, _)| output)
    }

    async fn see<L: Look>(&self, look: &L) -> Result<(L::Output, Footprint), GuardianError> {
        let generation = self.serving.answers.generation();
        if let Some(kept) = self.serving.answers.get(look) {
            return Ok(kept);
        }
        let seen = self.read(look).await?;
        self.serving.answers.put(look, generation, &seen.0, &seen.1);
        Ok(seen)
    }

    async fn read<L: Look>(&self, look: &L) -> Result<(L::Output, Footprint), GuardianError> {
        let mut tx = Tx::new(self.database.begin(L::ROLE, Access::Read).await?);
        let output = look.read(&mut tx).await?;
        let footprint = tx.footprint();
        tx.commit().await?;
        Ok((output, footprint))
    }
}

/// Records a read, whose answer does not depend on it.
pub(crate) async fn record_read(ledger: &dyn Ledger, record: AuditDraft) {
    let action = record.action.clone();
    if let Err(error) = ledger.append_buffered(record).await {
        tracing::warn!(%error, action, "a read was not recorded in the audit log");
    }
}

/// The record of an operation, without what only its end knows.
pub(crate) fn draft(
    cx: &OpContext,
    action: &'static str,
    object: String,
    role: DbRole,
    outcome: Outcome,
) -> AuditDraft {
    AuditDraft::from_op(cx, action, object).outcome(outcome).metadata("db_role", role.group())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_makes_nothing_older() {
        let year = 365 * 24 * 3_600_000;
        let stamp = |now_ms, passed_ms| Stamp { now_ms, passed_ms, audit_seq: 0 };
        let week = Duration::from_secs(7 * 24 * 3600);
        let week_ms = 7 * 24 * 3_600_000;
        assert_eq!(stamp(50 * year, 50 * year).before(week), 50 * year - week_ms);
        assert_eq!(stamp(60 * year, 50 * year).before(week), 50 * year - week_ms, "ten years ahead");
        assert_eq!(stamp(40 * year, 50 * year).before(week), 40 * year - week_ms, "ten years back");
        assert!(stamp(0, 0).before(Duration::MAX) < -50 * year, "a time without end is no time at all");
    }
}
