//! Intents that an end of the node or of the guardian left without an outcome get one at the next start.
//!
//! Of a change that leaves the row of its request in the database, the row says whether it was committed: so it may be answered
//! before the record of its outcome is durable. Of all others nobody knows what became of them, and their record says so.

use crate::audited::{CLAIM, REQUEST};
use crate::core::Core;
use crate::database::{Access, DbRole, Tx, Value};
use crate::error::GuardianError;
use bib_audit::{AuditDraft, AuditError, AuditRecord, Outcome, Unsettled};
use futures::future::join_all;

/// Stands in the record of an outcome that was made at a start.
const SETTLED: &str = "settled";

/// What the reason of a failure is.
const NOT_COMMITTED: &str = "the node ended before it was committed; nothing was changed";
const NOT_KNOWN: &str = "the node ended before it was answered; whether it was done is not known";

/// Records the outcomes that are missing. Nobody else works for this guardian while this runs. What cannot be recorded now is
/// recorded at the next start.
pub(crate) async fn settle(core: &Core) {
    match settle_all(core).await {
        Ok(0) => {}
        Ok(settled) => tracing::info!(settled, "recorded what became of operations that were broken off"),
        Err(error) => {
            tracing::warn!(%error, "operations that were broken off stay without an outcome until the next start")
        }
    }
}

async fn settle_all(core: &Core) -> Result<usize, GuardianError> {
    let unavailable = |error: AuditError| GuardianError::AuditUnavailable { reason: error.to_string() };
    let open = core.ledger.unsettled().await.map_err(unavailable)?;
    let mut outcomes = Vec::new();
    for Unsettled { intent, .. } in open.iter().filter(|open| open.left_over || is_own(&open.intent)) {
        let draft = match is_committed(core, intent).await? {
            Some(true) => AuditDraft::from_intent(intent, Outcome::Ok),
            Some(false) => AuditDraft::from_intent(intent, Outcome::Failed).metadata("reason", NOT_COMMITTED),
            None => AuditDraft::from_intent(intent, Outcome::Failed).metadata("reason", NOT_KNOWN),
        };
        outcomes
            .push(core.ledger.append_soon(draft.metadata(SETTLED, "at the next start")).await.map_err(unavailable)?);
    }
    let settled = outcomes.len();
    for recorded in join_all(outcomes.into_iter().map(bib_audit::Pending::durable)).await {
        recorded.map_err(unavailable)?;
    }
    Ok(settled)
}

/// Whether the guardian wrote an intent: an earlier incarnation then, which has ended.
fn is_own(intent: &AuditRecord) -> bool {
    intent.component == crate::NAME || intent.metadata("db_role").is_some()
}

/// Whether a change was committed; `None` if it leaves no row of its request.
///
/// The row is put in once more, which waits for whoever may still be about to commit it. One that is there is written anew,
/// so that it is on the disk before anybody says so.
async fn is_committed(core: &Core, intent: &AuditRecord) -> Result<Option<bool>, GuardianError> {
    let Some(named) = intent.metadata(REQUEST) else { return Ok(None) };
    let mut tx = Tx::new(core.database.begin(DbRole::Node, Access::Write).await?);
    let id: Value = intent.op_id.as_bytes().into();
    let sql = "select object from requests where request_id = $1 and action = $2";
    let mut subject = if named.is_empty() { intent.object.clone() } else { named.to_owned() };
    for mut row in tx.all(sql, &[id.clone(), intent.action.as_str().into()]).await? {
        let object = row.text()?;
        // the log may have it in another form of Unicode, or cut
        if AuditDraft::object_as_recorded(&object) == subject {
            subject = object;
            break;
        }
    }
    let key = [id, intent.action.as_str().into(), subject.into()];
    let claim = [&key[..], &[0_i64.into()]].concat();
    if tx.run(CLAIM, &claim).await? > 0 {
        // dropping it takes the row back
        return Ok(Some(false));
    }
    let sql = "update requests set result = result where request_id = $1 and action = $2 and object = $3";
    tx.run(sql, &key).await?;
    tx.commit().await?;
    Ok(Some(true))
}
