//! The frame around every operation: recorded ahead, done in one transaction, recorded after, then answered.
//!
//! A change that fails to get its first record does not begin. One that leaves the row of its request in the database is
//! answered when that is committed and its last record is in the log's queue: should the record be lost there, the next start
//! makes it anew from the row ([`crate::settle`]). Any other is answered when its last record is durable. One whose last record
//! is not taken is not acknowledged, and a retry with the same request id finds what was done and records it.

mod outcome;
mod ready;

use crate::core::Core;
use crate::database::{Access, DbRole, Footprint, Many, ManyRows, Session, Statement, Tx, Value, fingerprint_of};
use crate::error::GuardianError;
use crate::ledger::Ledger;
use crate::recall::Changing;
use crate::settle::Doubtful;
use bib_audit::{AuditDraft, Outcome};
use bib_domain::{Need, OpContext};
use bib_kit::clock;
use futures::future::join;
use ready::Ready;
use std::future::Future;
use std::time::Duration;

/// Stands in the intent of a change that leaves the row of its request: what the row names, or nothing where that is the object
/// of the record.
pub(crate) const REQUEST: &str = "request";

/// Stands in the record of a change that an earlier try of its request had done otherwise: what that did.
const DONE_BEFORE: &str = "done_before";

/// When a change happens, and where in the audit log its first record is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) now_ms: i64,
    /// What has passed for certain, whatever the wall clock says.
    pub(crate) passed_ms: i64,
    /// `None` where the change goes on beside its record: only one that prepares something can say where that is.
    pub(crate) audit_seq: Option<u64>,
}

impl Stamp {
    pub(crate) fn now(audit_seq: Option<u64>) -> Self {
        Self { now_ms: clock::unix_ms(), passed_ms: clock::passed_ms(), audit_seq }
    }

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
    /// Whether [`Change::prepare`] has anything to do. If not, the statements may run while the first record is
    /// written; what they do can be undone until the commit, which waits for the record.
    const PREPARES: bool = false;

    /// Whether it may share a transaction with others of its role: after its claim, the first lock that it takes of those
    /// that others may hold is the one on the catalogue's counter, or it takes none that anybody keeps who waits for that.
    const SHARES: bool = false;

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
    /// The change as a batch of statements, if it is nothing else and its answer is known when each of them changed a row.
    /// Only for those that may share a transaction, prepare nothing and leave an empty note.
    fn batch(&self, _stamp: Stamp) -> Option<Batch<Self::Output>> {
        None
    }
    /// Does it and returns a note from which the answer can be made, now and on a retry.
    fn apply(&self, tx: &mut Tx, stamp: Stamp) -> impl Future<Output = Result<String, GuardianError>> + Send;
    /// Makes the answer.
    fn answer(&self, tx: &mut Tx, note: &str) -> impl Future<Output = Result<Self::Output, GuardianError>> + Send;
    /// What an earlier try of this request did, where that is not the object of this one.
    fn done_before(&self, _output: &Self::Output) -> Option<String> {
        None
    }
    /// Tells the node, when all is durable.
    fn announce(&self, _core: &Core, _output: &Self::Output) {}
}

/// A change that is statements alone: done when each of them has changed a row.
pub(crate) struct Batch<T> {
    pub(crate) statements: Vec<Statement>,
    /// The answer then.
    pub(crate) output: T,
}

/// How far a change came while its first record was written.
enum Early<'a, T> {
    Open(Option<Box<dyn Session>>),
    Done(Result<Ready<'a, T>, GuardianError>),
}

/// The row of a request. A request that has one was carried out before.
pub(crate) const CLAIM: &str = "insert into requests (request_id, action, object, result, created_ms) values ($1, $2, $3, '', $4) \
                     on conflict (request_id, action, object) do nothing";
const CLAIMS: Many = Many {
    sql: "insert into requests (request_id, action, object, result, created_ms) \
          select id, action, object, '', at from unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[]) \
          as claims (id, action, object, at) on conflict (request_id, action, object) do nothing",
    rows: ManyRows::Own,
};

/// The first record of a change.
fn intent<C: Change>(change: &C) -> AuditDraft {
    let intent = draft(change.cx(), C::ACTION, change.object(), C::ROLE, Outcome::Intent);
    if !C::REMEMBER {
        return intent;
    }
    let subject = change.subject();
    let named = if subject == intent.object { String::new() } else { subject };
    intent.metadata(REQUEST, named)
}

/// What a retry is recognized by.
fn request<C: Change>(change: &C) -> [Value; 3] {
    [change.cx().request_id.as_bytes().into(), C::ACTION.into(), change.subject().into()]
}

/// All that a change says, if it can go in a batch.
pub(crate) fn batch<C: Change>(change: &C, stamp: Stamp) -> Option<Batch<C::Output>> {
    let mut batch = change.batch(stamp)?;
    if C::REMEMBER {
        let [id, action, object] = request(change);
        let params = vec![id, action, object, stamp.now_ms.into()];
        batch.statements.insert(0, Statement::new(CLAIM, params).or(&CLAIMS));
    }
    Some(batch)
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
            self.record_refusal(&change, &full, begun).await;
            return Err(full);
        }
        let (intent, begun_early) = join(self.ledger.append(intent(&change)), self.begin_early(&change)).await;
        let intent = match intent {
            Ok(receipt) => receipt,
            Err(error) => {
                drop(begun_early);
                return Err(self.not_begun(draft(Outcome::Failed), &error));
            }
        };

        let done = match begun_early {
            Early::Done(Ok(ready)) => ready.commit().await,
            Early::Done(Err(error)) => Err(error),
            Early::Open(open) => self.finish(&change, Stamp::now(Some(intent.seq)), open).await,
        };
        let record = match &done {
            // the connection may have been lost when the commit was on the disk already: the row of the request will say
            Err(GuardianError::Unavailable { .. }) if C::REMEMBER => {
                self.doubt(Doubtful::now(self::intent(&change)));
                return done.map(|(output, _)| output);
            }
            Ok((output, footprint)) => {
                let record = draft(Outcome::Ok).rows(footprint.rows).fingerprint(footprint.fingerprint.clone());
                match change.done_before(output) {
                    None => record,
                    Some(other) => record.metadata(DONE_BEFORE, other),
                }
            }
            Err(error) if error.is_refusal() => draft(Outcome::Refused).metadata("reason", error.to_string()),
            Err(error) => draft(Outcome::Failed).metadata("reason", error.to_string()),
        };
        let record = record.duration(clock::since(begun));
        // a refusal leaves no row
        let recorded = match &done {
            Ok(_) if C::REMEMBER => self.owe_outcome(record).await,
            _ => self.record_outcome(record).await,
        };
        let (output, _) = done?;
        recorded?;
        change.announce(self, &output);
        Ok(output)
    }

    /// What can be done of a change before its first record is durable: all but the commit if nobody could have to wait
    /// for its locks, else a transaction is opened.
    async fn begin_early<C: Change>(&self, change: &C) -> Early<'_, C::Output> {
        let open = if C::PREPARES { None } else { self.database.begin_early(C::ROLE, C::SHARES).await };
        match open {
            Some(open) if open.is_alone() => Early::Done(self.apply(change, Stamp::now(None), open).await),
            open => Early::Open(open),
        }
    }

    /// Carries a change out, in a batch if it can be.
    async fn finish<C: Change>(
        &self,
        change: &C,
        stamp: Stamp,
        open: Option<Box<dyn Session>>,
    ) -> Result<(C::Output, Footprint), GuardianError> {
        if open.is_none()
            && let Some(done) = self.run_batch(change, stamp).await?
        {
            return Ok(done);
        }
        self.carry_out(change, stamp, open).await?.commit().await
    }

    /// Carries a change out together with others, if it is statements alone and they all do what they should.
    async fn run_batch<C: Change>(
        &self,
        change: &C,
        stamp: Stamp,
    ) -> Result<Option<(C::Output, Footprint)>, GuardianError> {
        let Some(Batch { statements, output }) = batch(change, stamp) else { return Ok(None) };
        let _changing = C::CATALOG.then(|| self.serving.answers.changing());
        let fingerprint = fingerprint_of(&statements);
        let rows = self.database.batch(C::ROLE, statements).await?;
        Ok(rows.map(|rows| (output, Footprint { fingerprint, rows })))
    }

    /// Carries a change out, all but the commit.
    async fn carry_out<C: Change>(
        &self,
        change: &C,
        stamp: Stamp,
        open: Option<Box<dyn Session>>,
    ) -> Result<Ready<'_, C::Output>, GuardianError> {
        change.prepare(self).await?;
        let session = match open {
            Some(open) => open,
            None if C::SHARES => self.database.begin_shared(C::ROLE).await?,
            None => self.database.begin(C::ROLE, Access::Write).await?,
        };
        self.apply(change, stamp, session).await
    }

    /// Runs a change's statements, unless its request is remembered. The row of the request is inserted first: of two
    /// retries at the same time one waits for the other's transaction.
    async fn apply<C: Change>(
        &self,
        change: &C,
        stamp: Stamp,
        session: Box<dyn Session>,
    ) -> Result<Ready<'_, C::Output>, GuardianError> {
        let changing = C::CATALOG.then(|| self.serving.answers.changing());
        let mut tx = Tx::new(session);
        let done = async {
            if !C::REMEMBER {
                let note = change.apply(&mut tx, stamp).await?;
                return change.answer(&mut tx, &note).await;
            }
            let [id, action, object] = request(change);
            tx.claim(CLAIM, vec![id, action, object, stamp.now_ms.into()]).await?;
            let note = change.apply(&mut tx, stamp).await?;
            if !note.is_empty() {
                let [id, action, object] = request(change);
                tx.later(
                    "update requests set result = $4 where request_id = $1 and action = $2 and object = $3",
                    vec![id, action, object, note.as_str().into()],
                )
                .await?;
            }
            change.answer(&mut tx, &note).await
        };
        let done = done.await;
        if tx.claim_is_lost() {
            return self.recall(change, tx.undo(), changing).await;
        }
        Ready::of(done, tx, changing).await
    }

    /// The answer to a request that was carried out before: in the same transaction if that is open, since the first try
    /// may be another part of it, whose outcome then is not in the database before this one's is.
    async fn recall<'a, C: Change>(
        &self,
        change: &C,
        open: Option<Box<dyn Session>>,
        changing: Option<Changing<'a>>,
    ) -> Result<Ready<'a, C::Output>, GuardianError> {
        let session = match open {
            Some(open) => open,
            None => self.database.begin(C::ROLE, Access::Write).await?,
        };
        let mut tx = Tx::new(session);
        let done = async {
            let sql = "select result from requests where request_id = $1 and action = $2 and object = $3";
            let note = tx.one(sql, &request(change)).await?.text()?;
            change.answer(&mut tx, &note).await
        };
        let done = done.await;
        Ready::of(done, tx, changing).await
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
        match look.read(&mut tx).await {
            Ok(output) => Ok((output, tx.commit().await?)),
            Err(error) => Err(tx.fail(error).await),
        }
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
pub(crate) mod tests;
