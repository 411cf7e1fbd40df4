//! Statements on a connection: prepared, sent together, answered in their order.

use super::fold::Step;
use super::value;
use crate::database::{Answered, DbError, Row, Statement, Value};
use deadpool_postgres::Object;
use futures::future::{join, maybe_done};
use std::future::{Future, poll_fn};
use std::task::Poll;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

/// What an error says without the values that may be in it.
pub(super) fn db_error(error: &tokio_postgres::Error) -> DbError {
    let Some(db) = error.as_db_error() else {
        return DbError::Lost(error.to_string());
    };
    let text = format!("{} {}", db.code().code(), db.message());
    if *db.code() == SqlState::DISK_FULL {
        return DbError::Full(text);
    }
    // a limit of time was reached, or of several that waited for each other one had to go
    let busy = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::QUERY_CANCELED,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    if busy.contains(db.code()) {
        return DbError::Busy(text);
    }
    // connection exceptions, shutdown and crash of the server, no room for connections
    let lost = ["08", "57P", "53"].iter().any(|class| db.code().code().starts_with(class));
    if lost { DbError::Lost(text) } else { DbError::Refused(text) }
}

/// Statements that go out together.
pub(super) struct Prepared<'a> {
    client: &'a Object,
    first: Vec<tokio_postgres::Statement>,
    last: tokio_postgres::Statement,
}

impl<'a> Prepared<'a> {
    /// Prepares them, which takes no time once the connection knows them.
    pub(super) async fn new(client: &'a Object, ahead: &[Statement], sql: &str) -> Result<Self, DbError> {
        let mut first = Vec::with_capacity(ahead.len());
        for one in ahead {
            first.push(client.prepare_cached(&one.sql).await.map_err(|error| db_error(&error))?);
        }
        let last = client.prepare_cached(sql).await.map_err(|error| db_error(&error))?;
        Ok(Self { client, first, last })
    }

    /// Sends the statements `ahead` and then the last one, and returns how many rows each changed.
    pub(super) async fn execute(&self, ahead: &[Statement], params: &[Value]) -> Answered<u64> {
        self.send(ahead, execute(self.client, &self.last, params)).await
    }

    /// Sends the statements `ahead` and then the last one, and returns its rows.
    pub(super) async fn query(&self, ahead: &[Statement], params: &[Value]) -> Answered<Vec<Row>> {
        let (counts, rows) = self.send(ahead, self.client.query(&self.last, &references(params))).await;
        (counts, rows.and_then(|rows| rows.iter().map(value::row).collect()))
    }

    /// Sends a command, and then the last statement before the command is answered.
    pub(super) async fn query_after(&self, command: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        let params = references(params);
        let (done, rows) = join(self.client.batch_execute(command), self.client.query(&self.last, &params)).await;
        let rows = done.and(rows).map_err(|error| db_error(&error))?;
        rows.iter().map(value::row).collect()
    }

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

/// Sends statements, all before the first of them is answered, in this order; how many rows each of them changed.
pub(super) async fn run_all(client: &Object, steps: &[Step<'_>]) -> Result<Vec<u64>, DbError> {
    let mut prepared = Vec::with_capacity(steps.len());
    for one in steps {
        prepared.push((client.prepare_cached(one.sql()).await.map_err(|error| db_error(&error))?, one.params()));
    }
    let sent = prepared.iter().map(|(statement, params)| client.execute(statement, params));
    in_order(sent.collect()).await.into_iter().collect::<Result<_, _>>().map_err(|error| db_error(&error))
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

/// Parameters as a statement takes them.
pub(super) type Params<'a> = Vec<&'a (dyn ToSql + Sync)>;

pub(super) fn references(params: &[Value]) -> Params<'_> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}
