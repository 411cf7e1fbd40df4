//! A transaction on a pooled connection.
//!
//! A transaction that only reads is begun together with its first statement and ended without waiting: that takes one
//! round trip instead of three. One that writes waits for each step, so that no statement runs outside of it.

use super::flushes::{COMMIT, FLUSH, Flushes, Writing};
use super::statements::{Prepared, db_error, references};
use super::value;
use crate::database::{Access, Answered, Column, DbError, Pace, Row, Rows, Session, Statement, Value};
use crate::options::IndexPace;
use async_trait::async_trait;
use deadpool_postgres::Object;
use futures::poll;
use std::pin::pin;
use std::task::Poll;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

/// An open transaction. Dropped before its commit it takes its connection with it, which undoes it at the server.
pub(super) struct PgSession {
    /// `Some` until it is finished.
    client: Option<Object>,
    /// `Some` if it may write and its end is to be waited for.
    writing: Option<Writing>,
    flushes: Flushes,
    access: Access,
    /// What [`Pace::Calm`] means.
    calm: IndexPace,
    /// A transaction that only reads begins with its first statement.
    begun: bool,
}

/// Rows that are made and encoded in one go: more would keep calls that wait for this thread from their turn.
const AT_ONCE: usize = 16;
const BEGIN_READ: &str = "begin isolation level repeatable read read only";
pub(super) const BEGIN_WRITE: &str = "begin isolation level read committed read write";

/// Whether an error says that the server starts or recovers: it takes connections by itself when that is done.
pub(super) fn is_recovering(reason: &str) -> bool {
    reason.starts_with(tokio_postgres::error::SqlState::CANNOT_CONNECT_NOW.code())
}

pub(super) fn finished() -> DbError {
    DbError::Refused("the transaction was finished already".to_owned())
}

/// Makes durable what a transaction that has ended may have seen.
async fn settle(client: &Object, flushes: &Flushes) -> Result<(), tokio_postgres::Error> {
    if let Some(doubts) = flushes.unsettled() {
        client.batch_execute(FLUSH).await?;
        doubts.settled();
    }
    Ok(())
}

/// Undoes a transaction that may write, then makes durable what it may have seen.
pub(super) async fn undo(
    client: &Object,
    writing: Option<Writing>,
    flushes: &Flushes,
) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("rollback").await?;
    // nobody needs to wait for its locks any more
    drop(writing);
    settle(client, flushes).await
}

/// Gives a connection back to its pool when its transaction has ended; one on which it is not known how is closed.
pub(super) fn give_back(client: Object, ended: Result<(), tokio_postgres::Error>) -> Result<(), DbError> {
    ended.map_err(|error| {
        drop(Object::take(client));
        db_error(&error)
    })
}

impl PgSession {
    /// Begins one. One that is `lasting` is durable when its commit returns.
    pub(super) async fn begin(
        client: Object,
        access: Access,
        lasting: bool,
        flushes: Flushes,
        calm: IndexPace,
    ) -> Result<Self, DbError> {
        let writing = (access == Access::Write && lasting).then(|| flushes.writing());
        let mut session = Self { client: Some(client), writing, flushes, access, calm, begun: false };
        if access == Access::Write {
            session.client()?.batch_execute(BEGIN_WRITE).await.map_err(|error| db_error(&error))?;
            session.begun = true;
        }
        Ok(session)
    }

    async fn end_reading(&self, client: &Object) -> Result<(), tokio_postgres::Error> {
        if !self.begun {
            return Ok(());
        }
        // what was read does not depend on it, and whoever has the connection next speaks after it
        if let Poll::Ready(ended) = poll!(pin!(client.batch_execute(COMMIT))) {
            ended?;
        }
        settle(client, &self.flushes).await
    }

    fn client(&self) -> Result<&Object, DbError> {
        self.client.as_ref().ok_or_else(finished)
    }
}

#[async_trait]
impl Session for PgSession {
    async fn query(&mut self, ahead: &[Statement], sql: &str, params: &[Value]) -> Answered<Vec<Row>> {
        let prepared = match self.client() {
            Ok(client) => Prepared::new(client, ahead, sql).await,
            Err(error) => Err(error),
        };
        let (counts, rows) = match prepared {
            Err(error) => (Vec::new(), Err(error)),
            Ok(prepared) if self.begun => prepared.query(ahead, params).await,
            Ok(_) if !ahead.is_empty() => {
                let reason = "a transaction that only reads has nothing to run ahead of its first statement";
                (Vec::new(), Err(DbError::Refused(reason.to_owned())))
            }
            // both are on their way before the first is answered, in this order: also where the second fails, it has begun
            Ok(prepared) => {
                let rows = prepared.query_after(BEGIN_READ, params).await;
                self.begun = true;
                (Vec::new(), rows)
            }
        };
        (counts, rows)
    }

    async fn execute(&mut self, ahead: &[Statement], sql: &str, params: &[Value]) -> Answered<u64> {
        let prepared = match self.client() {
            Ok(client) => Prepared::new(client, ahead, sql).await,
            Err(error) => Err(error),
        };
        match prepared {
            Ok(prepared) => prepared.execute(ahead, params).await,
            Err(error) => (Vec::new(), Err(error)),
        }
    }

    async fn add(
        &mut self,
        table: &'static str,
        columns: &'static [(&'static str, Column)],
        rows: Rows<'_>,
        pace: Pace,
    ) -> Result<(), DbError> {
        let client = self.client()?;
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let types: Vec<Type> = columns.iter().map(|(_, column)| value::type_of(*column)).collect();
        let sql = format!("copy {table} ({}) from stdin binary", names.join(", "));
        let copied = async {
            let statement = client.prepare_cached(&sql).await?;
            let mut writer = pin!(BinaryCopyInWriter::new(client.copy_in(&statement).await?, &types));
            for (at, row) in rows.enumerate() {
                if pace == Pace::Calm && at > 0 && at.is_multiple_of(self.calm.rows.max(1)) {
                    tokio::time::sleep(self.calm.pause).await;
                }
                writer.as_mut().write(&references(&row)).await?;
                if at % AT_ONCE == AT_ONCE - 1 {
                    tokio::task::yield_now().await;
                }
            }
            writer.finish().await
        };
        copied.await.map(|_| ()).map_err(|error| db_error(&error))
    }

    fn is_alone(&self) -> bool {
        self.writing.as_ref().is_some_and(Writing::is_alone)
    }

    async fn roll_back(mut self: Box<Self>) -> Result<(), DbError> {
        let Some(client) = self.client.take() else { return Err(finished()) };
        let ended = match self.access {
            Access::Write => undo(&client, self.writing.take(), &self.flushes).await,
            Access::Read => self.end_reading(&client).await,
        };
        give_back(client, ended)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), DbError> {
        let Some(client) = self.client.take() else { return Err(finished()) };
        let ended = match (self.access, &mut self.writing) {
            (Access::Write, Some(writing)) => client.batch_execute(writing.commit(false)).await,
            (Access::Write, None) => client.batch_execute(COMMIT).await,
            (Access::Read, _) => self.end_reading(&client).await,
        };
        if let (Ok(()), Some(writing)) = (&ended, self.writing.take()) {
            writing.settled();
        }
        give_back(client, ended)
    }
}

impl Drop for PgSession {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}

#[cfg(test)]
mod tests;
