//! A transaction that keeps count of what it did, for the audit record.

use super::{Column, DbError, Row, Rows, Session, Value};
use sha2::{Digest, Sha256};

/// An open transaction. Dropping it undoes what it did.
pub(crate) struct Tx {
    session: Box<dyn Session>,
    statements: Sha256,
    rows: u64,
}

/// What a transaction did: no values, only which statements and how many rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Footprint {
    /// SHA-256 over the texts of the statements, shortened: equal for equal work.
    pub(crate) fingerprint: String,
    /// Rows returned and changed.
    pub(crate) rows: u64,
}

impl Tx {
    pub(crate) fn new(session: Box<dyn Session>) -> Self {
        Self { session, statements: Sha256::new(), rows: 0 }
    }

    fn note(&mut self, sql: &str) {
        self.statements.update(sql.as_bytes());
        self.statements.update([0]);
    }

    /// All rows of an answer.
    pub(crate) async fn all(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        self.note(sql);
        let rows = self.session.query(sql, params).await?;
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
        let changed = self.session.execute(sql, params).await?;
        self.rows += changed;
        Ok(changed)
    }

    /// Adds rows to a table, many at a time.
    pub(crate) async fn add(
        &mut self,
        table: &'static str,
        columns: &'static [(&'static str, Column)],
        rows: Rows<'_>,
    ) -> Result<(), DbError> {
        self.note(table);
        self.rows += rows.len() as u64;
        self.session.add(table, columns, rows).await
    }

    /// What it did up to now.
    pub(crate) fn footprint(&self) -> Footprint {
        let digest = self.statements.clone().finalize();
        Footprint { fingerprint: hex::encode(&digest[..16]), rows: self.rows }
    }

    /// Makes it durable.
    pub(crate) async fn commit(self) -> Result<(), DbError> {
        self.session.commit().await
    }
}
