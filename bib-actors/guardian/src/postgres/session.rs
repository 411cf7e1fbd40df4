//! A transaction on a pooled connection.
//!
//! A transaction that only reads is begun together with its first statement and ended without waiting: that takes one
//! round trip instead of three. One that writes waits for each step, so that no statement runs outside of it.

use super::flushes::{COMMIT, FLUSH, Flushes, Writing};
use super::value;
use crate::database::{Access, Answered, Column, DbError, Row, Rows, Session, Statement, Value};
use async_trait::async_trait;
use deadpool_postgres::Object;
use futures::future::{join, maybe_done};
use futures::poll;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

/// An open transaction. Dropped before its commit it takes its connection with it, which undoes it at the server.
pub(super) struct PgSession {
    /// `Some` until it is finished.
    client: Option<Object>,
    /// `Some` if it may write and its end is to be waited for.
    writing: Option<Writing>,
    flushes: Flushes,
    access: Access,
    /// A transaction that only reads begins with its first statement.
    begun: bool,
}

/// Rows that are made and encoded in one go: more would keep calls that wait for this thread from their turn.
const AT_ONCE: usize = 16;
const BEGIN_READ: &str = "begin isolation level repeatable read read only";
const BEGIN_WRITE: &str = "begin isolation level read committed read write";

/// Whether an error says that the server starts or recovers: it takes connections by itself when that is done.
pub(super) fn is_recovering(reason: &str) -> bool {
    reason.starts_with(tokio_postgres::error::SqlState::CANNOT_CONNECT_NOW.code())
}

/// What an error says without the values that may be in it.
pub(super) fn db_error(error: &tokio_postgres::Error) -> DbError {
    let Some(db) = error.as_db_error() else {
        return DbError::Lost(error.to_string());
    };
    let text = format!("{} {}", db.code().code(), db.message());
    if *db.code() == SqlState::DISK_FULL {
        return DbError::Full(text);
    }
    // connection exceptions, shutdown and crash of the server, no room for connections
    let lost = ["08", "57P", "53"].iter().any(|class| db.code().code().starts_with(class));
    if lost { DbError::Lost(text) } else { DbError::Refused(text) }
}

fn finished() -> DbError {
    DbError::Refused("the transaction was finished already".to_owned())
}

impl PgSession {
    /// Begins one. One that is `lasting` is durable when its commit returns.
    pub(super) async fn begin(
        client: Object,
        access: Access,
        lasting: bool,
        flushes: Flushes,
    ) -> Result<Self, DbError> {
        let writing = (access == Access::Write && lasting).then(|| flushes.writing());
        let mut session = Self { client: Some(client), writing, flushes, access, begun: false };
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
        if let Some(doubts) = self.flushes.unsettled() {
            client.batch_execute(FLUSH).await?;
            doubts.settled();
        }
        Ok(())
    }

    fn client(&self) -> Result<&Object, DbError> {
        self.client.as_ref().ok_or_else(finished)
    }

    /// Prepares statements, which takes no time once the connection knows them.
    async fn prepare(&self, ahead: &[Statement], sql: &str) -> Result<Prepared<'_>, DbError> {
        let client = self.client()?;
        let mut first = Vec::with_capacity(ahead.len());
        for one in ahead {
            first.push(client.prepare_cached(&one.sql).await.map_err(|error| db_error(&error))?);
        }
        let last = client.prepare_cached(sql).await.map_err(|error| db_error(&error))?;
        Ok(Prepared { client, first, last })
    }
}

/// Statements that go out together.
struct Prepared<'a> {
    client: &'a Object,
    first: Vec<tokio_postgres::Statement>,
    last: tokio_postgres::Statement,
}

impl Prepared<'_> {
    /// Sends the statements `ahead` and then the last one, all before the first of them is answered, in this order.
    async fn send<T>(
        &self,
        ahead: &[Statement],
        last: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Answered<T> {
        let mut first = Vec::with_capacity(ahead.len());
        for (statement, one) in self.first.iter().zip(ahead) {
            first.push(execute(self.client, statement, &one.params));
        }
        let (first, last) = join(in_order(first), last).await;
        let mut counts = Vec::with_capacity(ahead.len());
        for one in first {
            match one {
                Ok(changed) => counts.push(changed),
                // what came after it only says that the transaction has failed
                Err(error) => return (counts, Err(db_error(&error))),
            }
        }
        (counts, last.map_err(|error| db_error(&error)))
    }
}

async fn execute(
    client: &Object,
    statement: &tokio_postgres::Statement,
    params: &[Value],
) -> Result<u64, tokio_postgres::Error> {
    client.execute(statement, &references(params)).await
}

/// Polls all futures from the first poll on, always in this order: what they send arrives in it.
async fn in_order<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut all: Vec<_> = futures.into_iter().map(|future| Box::pin(maybe_done(future))).collect();
    poll_fn(|cx| {
        let pending = all.iter_mut().map(|one| one.as_mut().poll(cx)).filter(Poll::is_pending).count();
        if pending == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    all.iter_mut().filter_map(|one| one.as_mut().take_output()).collect()
}

fn references(params: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

#[async_trait]
impl Session for PgSession {
    async fn query(&mut self, ahead: &[Statement], sql: &str, params: &[Value]) -> Answered<Vec<Row>> {
        let prepared = match self.prepare(ahead, sql).await {
            Ok(prepared) => prepared,
            Err(error) => return (Vec::new(), Err(error)),
        };
        let params = references(params);
        let query = prepared.client.query(&prepared.last, &params);
        let (counts, rows) = if self.begun {
            prepared.send(ahead, query).await
        } else if !ahead.is_empty() {
            let reason = "a transaction that only reads has nothing to run ahead of its first statement";
            return (Vec::new(), Err(DbError::Refused(reason.to_owned())));
        } else {
            // both are on their way before the first is answered, in this order
            let (begun, rows) = join(prepared.client.batch_execute(BEGIN_READ), query).await;
            (Vec::new(), begun.and(rows).map_err(|error| db_error(&error)))
        };
        self.begun |= rows.is_ok();
        (counts, rows.and_then(|rows| rows.iter().map(value::row).collect()))
    }

    async fn execute(&mut self, ahead: &[Statement], sql: &str, params: &[Value]) -> Answered<u64> {
        match self.prepare(ahead, sql).await {
            Ok(prepared) => prepared.send(ahead, execute(prepared.client, &prepared.last, params)).await,
            Err(error) => (Vec::new(), Err(error)),
        }
    }

    async fn add(
        &mut self,
        table: &'static str,
        columns: &'static [(&'static str, Column)],
        rows: Rows<'_>,
    ) -> Result<(), DbError> {
        let client = self.client()?;
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let types: Vec<Type> = columns.iter().map(|(_, column)| value::type_of(*column)).collect();
        let sql = format!("copy {table} ({}) from stdin binary", names.join(", "));
        let copied = async {
            let statement = client.prepare_cached(&sql).await?;
            let mut writer = pin!(BinaryCopyInWriter::new(client.copy_in(&statement).await?, &types));
            for (at, row) in rows.enumerate() {
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

    async fn commit(mut self: Box<Self>) -> Result<(), DbError> {
        let Some(client) = self.client.take() else { return Err(finished()) };
        let ended = match (self.access, &mut self.writing) {
            (Access::Write, Some(writing)) => client.batch_execute(writing.commit()).await,
            (Access::Write, None) => client.batch_execute(COMMIT).await,
            (Access::Read, _) => self.end_reading(&client).await,
        };
        if let Err(error) = ended {
            drop(Object::take(client));
            return Err(db_error(&error));
        }
        if let Some(writing) = self.writing.take() {
            writing.settled();
        }
        // the connection goes back to its pool
        drop(client);
        Ok(())
    }
}

impl Drop for PgSession {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}
