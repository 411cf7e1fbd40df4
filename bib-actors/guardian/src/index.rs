//! The audit table follows the audit log.
//!
//! The log is the source of truth and knows nothing of the table. The table gets what the log announces, reads what it
//! missed, and is emptied and filled anew when it is not what the log says. A failure here delays the table and nothing
//! else.

use crate::core::Core;
use crate::database::{Access, Column, DbRole, Pace, Tx, Value};
use crate::error::GuardianError;
use crate::ops::to_i64;
use crate::rows::AuditIndexStatus;
use bib_audit::{AuditAppended, AuditRecord};
use bib_domain::SpaceState;
use bib_kit::{Event, Subscription};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long the first records wait for company: many small transactions cost the disk more than a few large ones.
const LINGER: Duration = Duration::from_millis(250);
/// Pauses after failures.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MOST: Duration = Duration::from_secs(30);
/// Rows of the table that one statement compares with those before them.
const COMPARED: u64 = 500_000;

/// The columns of the table, in the order of [`values`].
const COLUMNS: [(&str, Column); 20] = [
    ("id", Column::Int),
    ("epoch", Column::Int),
    ("time_ns", Column::Int),
    ("node_id", Column::Text),
    ("actor", Column::Text),
    ("session_hash", Column::Bytes),
    ("job_id", Column::Text),
    ("operation_id", Column::Bytes),
    ("role_used", Column::Text),
    ("action", Column::Text),
    ("table_name", Column::Text),
    ("query_hash", Column::Text),
    ("rows_affected", Column::Int),
    ("duration_us", Column::Int),
    ("source_component", Column::Text),
    ("outcome", Column::Text),
    ("break_glass", Column::Bool),
    ("metadata", Column::Text),
    ("prev_hash", Column::Bytes),
    ("entry_hash", Column::Bytes),
];

/// How far the table is. Whoever writes the table holds it.
#[derive(Debug, Default)]
pub(crate) struct AuditIndex {
    /// Position of the last record in the table, and whether the table was compared with the log since the start.
    state: Mutex<Option<u64>>,
}

fn int(value: u64) -> Value {
    // the log's numbers are counts and clock readings: none comes near the limit
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// What the record says in pairs, as JSON. Parameters are HMACs in the log already.
fn metadata(record: &AuditRecord) -> String {
    #[derive(Serialize)]
    struct Said<'a> {
        metadata: BTreeMap<&'a str, &'a str>,
        params: BTreeMap<&'a str, String>,
    }
    let said = Said {
        metadata: record.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        params: record.params.iter().map(|(name, hmac)| (name.as_str(), hex::encode(hmac))).collect(),
    };
    // texts and maps of texts always have a form
    serde_json::to_string(&said).unwrap_or_default()
}

/// The record as a row. A zero byte in a text is replaced, since PostgreSQL takes none and would refuse the record for ever;
/// the log keeps it as it was.
fn values(record: &AuditRecord) -> Vec<Value> {
    let mut values = vec![
        int(record.seq),
        int(record.epoch),
        int(record.unix_ns),
        (&record.node_id).into(),
        record.actor.as_str().into(),
        record.session_hash.as_ref().into(),
        record.job_id.as_deref().into(),
        record.op_id.as_bytes().into(),
        record.role.as_str().into(),
        record.action.as_str().into(),
        record.object.as_str().into(),
        record.fingerprint.as_deref().into(),
        record.rows.map_or(Value::Null, int),
        int(record.duration_us),
        record.component.as_str().into(),
        record.outcome.as_str().into(),
        record.break_glass.into(),
        metadata(record).into(),
        (&record.prev_hash).into(),
        (&record.leaf_hash).into(),
    ];
    for value in &mut values {
        if let Value::Text(text) = value
            && text.contains('\0')
        {
            *text = text.replace('\0', "\u{fffd}");
        }
    }
    values
}

/// Adds the records that follow the last row of the table. After an error it is not known whether they are there: the
/// table is compared with the log again before anything else is added.
async fn insert(
    core: &Core,
    records: &[AuditRecord],
    state: &mut Option<u64>,
    pace: Pace,
) -> Result<(), GuardianError> {
    let (Some(first), Some(end)) = (records.first(), records.last()) else { return Ok(()) };
    *state = None;
    let mut tx = Tx::new(core.database.begin(DbRole::Audit, Access::Write).await?);
    // the database may forget its last rows when it crashes, since the log has them
    let row = tx.first("select id from audit_log order by id desc limit 1", &[]).await?;
    let last = row.map(|mut row| row.count()).transpose()?.unwrap_or(0);
    if last + 1 != first.seq {
        let reason = format!("the audit table ends at {last} and not before {}", first.seq);
        return Err(GuardianError::Unavailable { reason });
    }
    tx.add("audit_log", &COLUMNS, Box::new(records.iter().map(values)), pace).await?;
    tx.commit().await?;
    *state = Some(end.seq);
    Ok(())
}

/// The last row of the table: position and hash.
async fn last_row(core: &Core) -> Result<Option<(u64, [u8; 32])>, GuardianError> {
    let mut tx = Tx::new(core.database.begin(DbRole::Audit, Access::Read).await?);
    let row = tx.first("select id, entry_hash from audit_log order by id desc limit 1", &[]).await?;
    let last = row.map(|mut row| Ok::<_, GuardianError>((row.count()?, row.bytes32()?))).transpose()?;
    tx.commit().await?;
    Ok(last)
}

async fn log_has(core: &Core, seq: u64, hash: [u8; 32]) -> Result<bool, GuardianError> {
    let Some(before) = seq.checked_sub(1) else { return Ok(false) };
    let records = core.ledger.export_since(before, 1).await.map_err(unreadable)?;
    Ok(records.first().is_some_and(|record| record.seq == seq && record.leaf_hash == hash))
}

fn unreadable(error: bib_audit::AuditError) -> GuardianError {
    GuardianError::AuditUnavailable { reason: error.to_string() }
}

impl AuditIndex {
    /// Reads what the table misses, to the end of the log. Compares the table with the log first, once per incarnation.
    async fn catch_up(&self, core: &Core, state: &mut Option<u64>) -> Result<(), GuardianError> {
        let last = match *state {
            Some(last) => last,
            None => match last_row(core).await? {
                None => 0,
                Some((seq, hash)) if log_has(core, seq, hash).await? => seq,
                Some((seq, _)) => {
                    tracing::warn!(seq, "the audit table is not what the audit log says: filling it anew");
                    core.database.clear_audit_index().await?;
                    0
                }
            },
        };
        *state = Some(last);
        loop {
            let after = state.unwrap_or(0);
            let records = core.ledger.export_since(after, core.options.index_batch).await.map_err(unreadable)?;
            if records.is_empty() {
                return Ok(());
            }
            insert(core, &records, state, Pace::Full).await?;
        }
    }

    /// Adds announced records, or reads what lies between if some were missed.
    async fn add(&self, core: &Core, records: &[AuditRecord]) -> Result<(), GuardianError> {
        let mut state = self.state.lock().await;
        let Some(last) = *state else { return self.catch_up(core, &mut state).await };
        let new = records.iter().position(|record| record.seq > last).map_or(&[][..], |at| &records[at..]);
        let Some(first) = new.first() else { return Ok(()) };
        if first.seq != last + 1 {
            return self.catch_up(core, &mut state).await;
        }
        insert(core, new, &mut state, Pace::Calm).await
    }

    /// Empties the table and fills it from the log; how many records it has then.
    pub(crate) async fn rebuild(&self, core: &Core) -> Result<u64, GuardianError> {
        let mut state = self.state.lock().await;
        core.database.clear_audit_index().await?;
        *state = Some(0);
        self.catch_up(core, &mut state).await?;
        Ok(state.unwrap_or(0))
    }

    /// Compares the table with the log. Records that the table does not have yet are no fault.
    pub(crate) async fn status(&self, core: &Core) -> Result<AuditIndexStatus, GuardianError> {
        let mut tx = Tx::new(core.database.begin(DbRole::Audit, Access::Read).await?);
        let records = tx.one("select count(*) from audit_log", &[]).await?.count()?;
        let row = tx.first("select id, entry_hash from audit_log order by id desc limit 1", &[]).await?;
        let last = row.map(|mut row| Ok::<_, GuardianError>((row.count()?, row.bytes32()?))).transpose()?;
        let end = last.map_or(0, |(seq, _)| seq);
        let (mut broken, mut from) = (false, 0);
        while from < end && !broken {
            // in parts: one statement has a time limit, and the table has any number of rows
            let to = from.saturating_add(COMPARED).min(end);
            let part = [Value::from(to_i64(from, "a position")?), to_i64(to, "a position")?.into()];
            let sql = "select 1 from audit_log a join audit_log b on b.id = a.id - 1 \
                       where a.id > $1 and a.id <= $2 and a.prev_hash <> b.entry_hash limit 1";
            broken = tx.first(sql, &part).await?.is_some();
            from = to;
        }
        tx.commit().await?;
        let ok = match last {
            None => records == 0,
            Some((seq, hash)) => records == seq && !broken && log_has(core, seq, hash).await?,
        };
        Ok(AuditIndexStatus { indexed_to: last.map(|(seq, _)| seq), records, ok })
    }

    /// Follows the log until the topic is closed.
    pub(crate) async fn follow(&self, core: &Core, mut news: Subscription<AuditAppended>) {
        let mut pause = RETRY_FIRST;
        let mut batch: Vec<AuditRecord> = Vec::new();
        let mut behind = true;
        loop {
            // the log is the truth and waits; the database must not grow
            core.space.wait(|state| state != SpaceState::Emergency).await;
            let done = if behind {
                batch.clear();
                self.catch_up(core, &mut *self.state.lock().await).await
            } else {
                self.add(core, &batch).await
            };
            batch.clear();
            behind = done.is_err();
            if let Err(error) = done {
                tracing::warn!(%error, "the audit table cannot follow the audit log now; it is tried again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MOST);
                continue;
            }
            pause = RETRY_FIRST;
            match news.recv().await {
                Event::Item(appended) => batch.extend_from_slice(&appended.records),
                Event::Missed(_) => behind = true,
                Event::Closed => return,
            }
            let company = async {
                while batch.len() < core.options.index_batch as usize {
                    match news.recv().await {
                        Event::Item(appended) => batch.extend_from_slice(&appended.records),
                        Event::Missed(_) => behind = true,
                        Event::Closed => return,
                    }
                }
            };
            // when the time is over the batch is as long as it is
            let _ = tokio::time::timeout(LINGER, company).await;
        }
    }
}
