//! A transaction that keeps count of what it did, for the audit record.

use super::{Answered, Column, DbError, Pace, Row, Rows, Session, Statement, Value};
use crate::error::GuardianError;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Statements that may wait for the next one.
const AHEAD: usize = 8;

/// An open transaction. Dropping it undoes what it did.
pub(crate) struct Tx {
    session: Box<dyn Session>,
    statements: Sha256,
    rows: u64,
    /// What goes with the next statement.
    ahead: Vec<Statement>,
    claim: Claim,
}

/// Whether the transaction stands under the condition that its first statement adds a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    None,
    Open,
    /// It added none: nothing of the transaction may stay.
    Lost,
}

fn lost() -> DbError {
    DbError::Refused("this was done before, so it is not done again".to_owned())
}

/// What a transaction did: no values, only which statements and how many rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Footprint {
    /// SHA-256 over the texts of the statements, shortened: equal for equal work.
    pub(crate) fingerprint: String,
    /// Rows returned and changed.
    pub(crate) rows: u64,
}

/// The fingerprint of a transaction of these statements, whether each was run by itself or for many at once.
pub(crate) fn fingerprint_of(statements: &[Statement]) -> String {
    let mut texts = Sha256::new();
    statements.iter().for_each(|one| note(&mut texts, &one.sql));
    fingerprint(texts)
}

fn note(texts: &mut Sha256, sql: &str) {
    texts.update(sql.as_bytes());
    texts.update([0]);
}

fn fingerprint(texts: Sha256) -> String {
    hex::encode(&texts.finalize()[..16])
}

impl Tx {
    pub(crate) fn new(session: Box<dyn Session>) -> Self {
        Self { session, statements: Sha256::new(), rows: 0, ahead: Vec::new(), claim: Claim::None }
    }

    fn note(&mut self, sql: &str) {
        note(&mut self.statements, sql);
    }

    /// Puts the transaction under a condition, as its first statement: one that adds no row fails all that follow, and
    /// [`Self::claim_is_lost`] says so. Like [`Self::later`] it goes with the next statement.
    pub(crate) async fn claim(&mut self, sql: &'static str, params: Vec<Value>) -> Result<(), DbError> {
        self.claim = Claim::Open;
        self.later(sql, params).await
    }

    /// Whether the transaction's condition turned out not to hold.
    pub(crate) fn claim_is_lost(&self) -> bool {
        self.claim == Claim::Lost
    }

    /// Undoes it; where its session can go on, it is given back.
    pub(crate) fn undo(self) -> Option<Box<dyn Session>> {
        self.session.undone()
    }

    /// Runs a statement together with the next one. What it says is not waited for; if it fails, so does the next one.
    pub(crate) async fn later(&mut self, sql: impl Into<Cow<'static, str>>, params: Vec<Value>) -> Result<(), DbError> {
        let sql = sql.into();
        self.note(&sql);
        self.ahead.push(Statement::new(sql, params));
        if self.ahead.len() < AHEAD { Ok(()) } else { self.send().await }
    }

    /// Runs the statements of a batch as a part of this transaction; how many rows each of them changed.
    pub(crate) async fn run_all(&mut self, statements: Vec<Statement>) -> Result<Vec<u64>, DbError> {
        let mut ahead = self.ready()?;
        let before = ahead.len();
        statements.iter().for_each(|one| note(&mut self.statements, &one.sql));
        ahead.extend(statements);
        let Some(Statement { sql, params, .. }) = ahead.pop() else { return Ok(Vec::new()) };
        let (mut counts, last) = self.session.execute(&ahead, &sql, &params).await;
        let last = last.map(|changed| counts.push(changed));
        let own = counts.get(before..).unwrap_or_default().to_vec();
        self.settle((counts, last))?;
        Ok(own)
    }

    /// Runs what waits for a next statement.
    async fn send(&mut self) -> Result<(), DbError> {
        self.run_all(Vec::new()).await.map(|_| ())
    }

    /// What is to go ahead of a statement.
    fn ready(&mut self) -> Result<Vec<Statement>, DbError> {
        if self.claim_is_lost() { Err(lost()) } else { Ok(std::mem::take(&mut self.ahead)) }
    }

    fn settle<T>(&mut self, (counts, result): Answered<T>) -> Result<T, DbError> {
        self.rows += counts.iter().sum::<u64>();
        if let (Claim::Open, Some(&added)) = (self.claim, counts.first()) {
            self.claim = if added == 0 { Claim::Lost } else { Claim::None };
        }
        if self.claim_is_lost() { Err(lost()) } else { result }
    }

    /// All rows of an answer.
    pub(crate) async fn all(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        self.note(sql);
        let ahead = self.ready()?;
        let answered = self.session.query(&ahead, sql, params).await;
        let rows = self.settle(answered)?;
        self.rows += rows.len() as u64;
        Ok(rows)
    }

    /// The first row of an answer, if there is one.
    pub(crate) async fn first(&mut self, sql: &str, params: &[Value]) -> Result<Option<Row>, DbError> {
        Ok(self.all(sql, params).await?.into_iter().next())
    }

    /// The only row of an answer that always has one.
    pub(crate) async fn one(&mut self, sql: &str, params: &[Value]) -> Result<Row, DbError> {
        let row = self.first(sql, params).await?;
        row.ok_or_else(|| DbError::Refused("a statement that always has a row had none".to_owned()))
    }

    /// How many rows a statement changed.
    pub(crate) async fn run(&mut self, sql: &str, params: &[Value]) -> Result<u64, DbError> {
        self.note(sql);
        let ahead = self.ready()?;
        let answered = self.session.execute(&ahead, sql, params).await;
        let changed = self.settle(answered)?;
        self.rows += changed;
        Ok(changed)
    }

    /// Adds rows to a table, many at a time.
    pub(crate) async fn add(
        &mut self,
        table: &'static str,
        columns: &'static [(&'static str, Column)],
        rows: Rows<'_>,
        pace: Pace,
    ) -> Result<(), DbError> {
        self.send().await?;
        self.note(table);
        self.rows += rows.len() as u64;
        self.session.add(table, columns, rows, pace).await
    }

    /// Ends it without a trace, and returns the error that it ended with. A refusal is given when what it rests on is
    /// durable, and may become an error of the database by that; after anything else the transaction is undone by its drop.
    pub(crate) async fn fail(self, error: GuardianError) -> GuardianError {
        if !error.is_refusal() {
            return error;
        }
        match self.session.roll_back().await {
            Ok(()) => error,
            Err(unsettled) => unsettled.into(),
        }
    }

    /// Makes it durable, and tells what it did.
    pub(crate) async fn commit(mut self) -> Result<Footprint, DbError> {
        self.send().await?;
        self.session.commit().await?;
        Ok(Footprint { fingerprint: fingerprint(self.statements), rows: self.rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use std::sync::Arc;
    use std::sync::Mutex;

    /// Notes what is sent together. Statements change one row each, but those that say how many or that they fail.
    struct Notes(Arc<Mutex<Vec<String>>>);

    impl Notes {
        fn send(&self, ahead: &[Statement], sql: &str) -> Answered<u64> {
            let all: Vec<&str> = ahead.iter().map(|one| &*one.sql).chain([sql]).collect();
            self.0.lock().unwrap().push(all.join(", "));
            let mut counts = Vec::new();
            for sql in &all {
                match *sql {
                    "nothing" => counts.push(0),
                    "fails" => return (counts, Err(DbError::Refused("as told".to_owned()))),
                    _ => counts.push(1),
                }
            }
            let last = counts.pop().unwrap();
            (counts, Ok(last))
        }
    }

    #[async_trait]
    impl Session for Notes {
        async fn query(&mut self, ahead: &[Statement], sql: &str, _params: &[Value]) -> Answered<Vec<Row>> {
            let (counts, last) = self.send(ahead, sql);
            (counts, last.map(|_| vec![Row::new(Vec::new())]))
        }

        async fn execute(&mut self, ahead: &[Statement], sql: &str, _params: &[Value]) -> Answered<u64> {
            self.send(ahead, sql)
        }

        async fn add(
            &mut self,
            table: &'static str,
            _columns: &'static [(&'static str, Column)],
            _rows: Rows<'_>,
            _pace: Pace,
        ) -> Result<(), DbError> {
            self.send(&[], table).1.map(|_| ())
        }

        async fn roll_back(self: Box<Self>) -> Result<(), DbError> {
            let lost = self.0.lock().unwrap().iter().any(|sent| sent == "lost");
            self.send(&[], if lost { "fails" } else { "roll back" }).1.map(|_| ())
        }

        async fn commit(self: Box<Self>) -> Result<(), DbError> {
            self.send(&[], "commit").1.map(|_| ())
        }
    }

    fn tx() -> (Tx, Arc<Mutex<Vec<String>>>) {
        let sent = Arc::default();
        (Tx::new(Box::new(Notes(Arc::clone(&sent)))), sent)
    }

    #[tokio::test]
    async fn what_runs_later_goes_with_what_comes_next() {
        let (mut tx, sent) = tx();
        tx.later("a", Vec::new()).await.unwrap();
        tx.later("nothing", Vec::new()).await.unwrap();
        assert!(sent.lock().unwrap().is_empty());
        assert_eq!(tx.run("b", &[]).await.unwrap(), 1);
        tx.all("c", &[]).await.unwrap();
        tx.later("d", Vec::new()).await.unwrap();
        tx.add("e", &[], Box::new(std::iter::empty()), Pace::Full).await.unwrap();
        tx.later("f", Vec::new()).await.unwrap();
        tx.later("g", Vec::new()).await.unwrap();
        let done = tx.commit().await.unwrap();
        assert_eq!(*sent.lock().unwrap(), ["a, nothing, b", "c", "d", "e", "f, g", "commit"]);
        assert_eq!(done.rows, 6, "a, b, the row of c, d, f and g");
    }

    #[tokio::test]
    async fn few_statements_wait() {
        let (mut tx, sent) = tx();
        for _ in 0..AHEAD {
            tx.later("a", Vec::new()).await.unwrap();
        }
        assert_eq!(*sent.lock().unwrap(), [["a"; AHEAD].join(", ")]);
        tx.run("b", &[]).await.unwrap();
        assert_eq!(sent.lock().unwrap()[1], "b");
    }

    #[tokio::test]
    async fn what_fails_later_fails_what_comes_next_or_the_commit() {
        let (mut tx, _) = tx();
        tx.later("fails", Vec::new()).await.unwrap();
        tx.run("b", &[]).await.unwrap_err();
        let (mut tx, sent) = self::tx();
        tx.later("fails", Vec::new()).await.unwrap();
        tx.commit().await.unwrap_err();
        assert_eq!(*sent.lock().unwrap(), ["fails"], "nothing was committed");
    }

    #[tokio::test]
    async fn only_a_refusal_waits_for_what_it_rests_on() {
        let refusal = || GuardianError::OutOfRange { what: "a number" };
        let (tx, sent) = tx();
        assert!(matches!(tx.fail(refusal()).await, GuardianError::OutOfRange { .. }));
        assert_eq!(*sent.lock().unwrap(), ["roll back"]);
        let (tx, sent) = self::tx();
        assert!(matches!(tx.fail(GuardianError::GoingDown).await, GuardianError::GoingDown));
        assert!(sent.lock().unwrap().is_empty());
        let (mut tx, _) = self::tx();
        tx.run("lost", &[]).await.unwrap();
        let unsettled = tx.fail(refusal()).await;
        assert!(matches!(unsettled, GuardianError::Statement { .. }), "what it rests on may be gone: {unsettled}");
    }

    #[tokio::test]
    async fn a_claim_that_adds_nothing_fails_all_that_follows() {
        for next in ["b", "fails"] {
            let (mut tx, sent) = tx();
            tx.claim("nothing", Vec::new()).await.unwrap();
            assert!(!tx.claim_is_lost(), "nobody knows yet");
            tx.run(next, &[]).await.unwrap_err();
            assert!(tx.claim_is_lost());
            tx.all("c", &[]).await.unwrap_err();
            tx.later("d", Vec::new()).await.unwrap();
            tx.commit().await.unwrap_err();
            assert_eq!(*sent.lock().unwrap(), [format!("nothing, {next}")]);
        }
        let (mut tx, _) = tx();
        tx.claim("nothing", Vec::new()).await.unwrap();
        tx.commit().await.unwrap_err();
    }

    #[tokio::test]
    async fn a_claim_that_holds_is_no_condition_any_more() {
        let (mut tx, sent) = tx();
        tx.claim("a", Vec::new()).await.unwrap();
        assert_eq!(tx.run("nothing", &[]).await.unwrap(), 0);
        tx.later("nothing", Vec::new()).await.unwrap();
        tx.run("b", &[]).await.unwrap();
        assert!(!tx.claim_is_lost());
        tx.commit().await.unwrap();
        assert_eq!(sent.lock().unwrap().len(), 3);
    }
}
