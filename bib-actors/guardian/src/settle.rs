//! Changes of which it is not known whether they were committed get their outcome in the audit log.
//!
//! An end of the node or of the guardian leaves intents without one, which the next start looks for; and a connection that is
//! lost in the middle of a commit leaves one while the node goes on. Of a change that leaves the row of its request in the
//! database, the row says whether it was committed: so it may be answered before the record of its outcome is durable. Of all
//! others nobody knows what became of them, and their record says so.

use crate::audited::{CLAIM, REQUEST, Stamp};
use crate::core::Core;
use crate::database::{Access, DbRole, Tx, Value};
use crate::error::GuardianError;
use bib_audit::{AuditDraft, AuditError, AuditRecord, Outcome, Pending, Unsettled};
use bib_kit::clock;
use futures::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// Stands in the record of an outcome that was found out afterwards: when.
const SETTLED: &str = "settled";
const AT_START: &str = "at the next start";
const AFTERWARDS: &str = "afterwards";

/// What the reason of a failure is.
const NOT_COMMITTED: &str = "it was broken off before it was committed; nothing was changed";
const NOT_KNOWN: &str = "it was broken off before it was answered; whether it was done is not known";

/// How long what could not be settled rests before it is tried again, at first and at most.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// How long the log may take for the records.
const LOG_PATIENCE: Duration = Duration::from_secs(20);

/// How long before its end the time for which rows are kept is not relied on.
const MARGIN: Duration = Duration::from_secs(3600);

/// A change whose end is not known.
pub(crate) struct Doubtful {
    /// Its first record.
    intent: AuditDraft,
    begun_ms: i64,
}

impl Doubtful {
    /// One that was under way just now.
    pub(crate) fn now(intent: AuditDraft) -> Self {
        Self { intent, begun_ms: clock::unix_ms() }
    }

    /// One that an earlier incarnation left.
    fn left(intent: &AuditRecord) -> Self {
        let begun_ms = i64::try_from(intent.unix_ns / 1_000_000).unwrap_or(i64::MAX);
        Self { intent: AuditDraft::from_intent(intent, Outcome::Intent), begun_ms }
    }
}

/// Records the outcomes that are missing. Nobody else works for this guardian while this runs. What is left could not be
/// settled now.
pub(crate) async fn settle_at_start(core: &Core) -> Vec<Doubtful> {
    let open = match core.ledger.unsettled().await {
        Ok(open) => open,
        Err(error) => {
            tracing::warn!(%error, "operations that were broken off stay without an outcome until the next start");
            return Vec::new();
        }
    };
    let ours = open.iter().filter(|open| open.left_over || is_own(&open.intent));
    let all = ours.map(|Unsettled { intent, .. }| Doubtful::left(intent)).collect();
    settle(core, all, AT_START).await
}

/// Goes on with what the start could not settle, and with what comes to be in doubt.
pub(crate) async fn settle_later(core: Arc<Core>, mut left: Vec<Doubtful>, mut more: Receiver<Doubtful>) {
    let mut rest = REST;
    loop {
        // what comes meanwhile waits in the queue, whose bound is that of this list
        if left.is_empty() {
            let Some(doubtful) = more.recv().await else { return };
            left.push(doubtful);
            rest = REST;
        }
        // the database is being started again, perhaps
        tokio::time::sleep(rest).await;
        while left.len() < more.max_capacity()
            && let Ok(doubtful) = more.try_recv()
        {
            left.push(doubtful);
        }
        left = settle(&core, left, AFTERWARDS).await;
        rest = LONGEST_REST.min(rest * 2);
    }
}

/// Records what became of each, one by one; those that could not be settled are left.
async fn settle(core: &Core, all: Vec<Doubtful>, when: &'static str) -> Vec<Doubtful> {
    let (mut left, mut recorded, mut first) = (Vec::new(), Vec::new(), None);
    for doubtful in all {
        match recorded_soon(core, &doubtful, when).await {
            Ok(pending) => recorded.push((doubtful, pending)),
            Err(error) => {
                first.get_or_insert_with(|| error.to_string());
                left.push(doubtful);
            }
        }
    }
    let (settled, pending): (Vec<_>, Vec<_>) = recorded.into_iter().unzip();
    let durable = join_all(pending.into_iter().map(|pending| timeout(LOG_PATIENCE, pending.durable())));
    let mut count = 0;
    for (doubtful, durable) in settled.into_iter().zip(durable.await) {
        match durable {
            Ok(Ok(_)) => count += 1,
            Ok(Err(error)) => {
                first.get_or_insert_with(|| error.to_string());
                left.push(doubtful);
            }
            Err(_) => {
                first.get_or_insert_with(|| "the audit log does not answer".to_owned());
                left.push(doubtful);
            }
        }
    }
    if count > 0 {
        tracing::info!(count, "recorded what became of operations that were broken off");
    }
    if let Some(error) = first {
        tracing::warn!(error, count = left.len(), "what became of operations that were broken off is found out later");
    }
    left
}

async fn recorded_soon(core: &Core, of: &Doubtful, when: &'static str) -> Result<Pending, GuardianError> {
    let (outcome, reason) = find_out(core, of).await?;
    let mut record = of.intent.clone().outcome(outcome);
    if let Some(reason) = reason {
        record = record.metadata("reason", reason);
    }
    let unavailable = |error: AuditError| GuardianError::AuditUnavailable { reason: error.to_string() };
    core.ledger.append_soon(record.metadata(SETTLED, when)).await.map_err(unavailable)
}

/// Whether the guardian wrote an intent: an earlier incarnation then, which has ended.
fn is_own(intent: &AuditRecord) -> bool {
    intent.component == crate::NAME || intent.metadata("db_role").is_some()
}

/// What became of a change, and why it is nothing, if that is so.
///
/// The row of its request is put in once more, which waits for whoever may still be about to commit it. One that is there is
/// written anew, so that it is on the disk before anybody says so.
async fn find_out(core: &Core, of: &Doubtful) -> Result<(Outcome, Option<String>), GuardianError> {
    let failed = |reason: &str| Ok((Outcome::Failed, Some(reason.to_owned())));
    let Some((_, named)) = of.intent.metadata.iter().find(|(name, _)| name == REQUEST) else {
        return failed(NOT_KNOWN);
    };
    let mut tx = Tx::new(core.database.begin(DbRole::Node, Access::Write).await?);
    let (id, action): (Value, Value) = (of.intent.op_id.as_bytes().into(), of.intent.action.as_str().into());
    let sql = "select object from requests where request_id = $1 and action = $2";
    let mut subject = if named.is_empty() { of.intent.object.clone() } else { named.clone() };
    for mut row in tx.all(sql, &[id.clone(), action.clone()]).await? {
        let object = row.text()?;
        // the log may have it in another form of Unicode, or cut
        if AuditDraft::object_as_recorded(&object) == AuditDraft::object_as_recorded(&subject) {
            subject = object;
            break;
        }
    }
    let key = [id, action, subject.into()];
    let claim = [&key[..], &[0_i64.into()]].concat();
    if tx.run(CLAIM, &claim).await? > 0 {
        // undoing it takes the row back
        drop(tx.undo());
        // rows are kept for a time, and this one may have been here
        let kept_since = Stamp::now(None).before(core.options.request_retention.saturating_sub(MARGIN));
        return failed(if of.begun_ms < kept_since { NOT_KNOWN } else { NOT_COMMITTED });
    }
    let sql = "update requests set result = result where request_id = $1 and action = $2 and object = $3";
    tx.run(sql, &key).await?;
    let sql = "select result from requests where request_id = $1 and action = $2 and object = $3";
    let done = tx.one(sql, &key).await?.text()?;
    tx.commit().await?;
    // where the row names something else than the record, it says of which of several tries it is
    let other = done.rsplit(' ').next().filter(|id| !named.is_empty() && !of.intent.object.ends_with(id));
    Ok(match other {
        None => (Outcome::Ok, None),
        Some(_) => {
            (Outcome::Failed, Some(format!("another try of the same request was done ({done}), and this one was not")))
        }
    })
}

#[cfg(test)]
mod tests;
