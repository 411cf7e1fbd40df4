//! A transaction on an SQLite connection, whose statements run on blocking threads.

use super::{Shared, connect, db_error};
use crate::database::{Access, Answered, Column, DbError, Pace, Row, Rows, Session, Statement, Value};
use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
            Self::Bool(value) => ValueRef::Integer(i64::from(*value)),
        }))
    }
}

/// An open transaction. Dropped before its commit it closes its connection, which undoes it.
pub(super) struct SqliteSession {
    shared: Arc<Shared>,
    access: Access,
    /// `None` while a statement runs, after one that was given up, and after the commit.
    connection: Option<Connection>,
    _permit: OwnedSemaphorePermit,
}

impl SqliteSession {
    pub(super) async fn begin(
        shared: Arc<Shared>,
        access: Access,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, DbError> {
        let idle = shared.slots(access).idle.lock().pop();
        let mut session = Self { shared, access, connection: idle, _permit: permit };
        let (path, busy) = (session.shared.path.clone(), session.shared.statement_timeout);
        let idle = session.connection.take();
        let begun = session
            .shared
            .pool
            .run(move || {
                let connection = match idle {
                    Some(connection) => connection,
                    None => connect(&path, busy)?,
                };
                connection.execute_batch(match access {
                    Access::Read => "begin deferred",
                    Access::Write => "begin immediate",
                })?;
                Ok(connection)
            })
            .await;
        session.connection = Some(lost(begun)?.map_err(|error| db_error(&error))?);
        Ok(session)
    }

    /// Runs work on the connection. A future that is dropped in the middle loses the connection and so the transaction.
    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DbError> {
        let mut connection = self
            .connection
            .take()
            .ok_or_else(|| DbError::Refused("the transaction was finished already".to_owned()))?;
        let done = self
            .shared
            .pool
            .run(move || {
                let done = work(&mut connection);
                (connection, done)
            })
            .await;
        let (connection, done) = lost(done)?;
        self.connection = Some(connection);
        done.map_err(|error| db_error(&error))
    }

    /// Its transaction has ended: somebody else may have it.
    fn keep_connection(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.shared.slots(self.access).idle.lock().push(connection);
        }
    }

    /// Runs the statements `ahead` and then the last one, in one go.
    async fn send<T: Send + 'static>(
        &mut self,
        ahead: &[Statement],
        sql: &str,
        params: &[Value],
        last: fn(&mut rusqlite::Statement<'_>, &[Value]) -> rusqlite::Result<T>,
    ) -> Answered<T> {
        let ahead: Vec<_> = ahead.iter().map(|one| (numbered(&one.sql), one.params.clone())).collect();
        let (sql, params) = (numbered(sql), params.to_vec());
        let done = self.with(move |connection| {
            let mut counts = Vec::with_capacity(ahead.len());
            for (sql, params) in &ahead {
                match connection.prepare_cached(sql).and_then(|mut statement| changed(&mut statement, params)) {
                    Ok(rows) => counts.push(rows),
                    Err(error) => return Ok((counts, Err(error))),
                }
            }
            let last = connection.prepare_cached(&sql).and_then(|mut statement| last(&mut statement, &params));
            Ok((counts, last))
        });
        match done.await {
            Ok((counts, last)) => (counts, last.map_err(|error| db_error(&error))),
            Err(error) => (Vec::new(), Err(error)),
        }
    }
}

fn changed(statement: &mut rusqlite::Statement<'_>, params: &[Value]) -> rusqlite::Result<u64> {
    Ok(statement.execute(rusqlite::params_from_iter(params))? as u64)
}

fn lost<T>(done: Result<T, bib_kit::BlockingError>) -> Result<T, DbError> {
    done.map_err(|error| DbError::Lost(error.to_string()))
}

/// `$1` is a name to SQLite and a number to PostgreSQL; `?1` is the number.
fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

fn value(value: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => return Err(rusqlite::Error::IntegralValueOutOfRange(0, 0)),
    })
}

#[async_trait]
impl Session for SqliteSession {
    async fn query(&mut self, ahead: &[Statement], sql: &str, params: &[Value]) -> Answered<Vec<Row>> {
        self.send(ahead, sql, params, |statement, params| {
            let columns = statement.column_count();
            let mut rows = statement.query(rusqlite::params_from_iter(params))?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let values: rusqlite::Result<Vec<_>> =
                    (0..columns).map(|index| row.get_ref(index).and_then(value)).collect();
                all.push(Row::new(values?));
            }
            Ok(all)
        })
        .await
    }

    async fn execute(&mut self, ahead: &[Statement], sql: &str, params: &[Value]) -> Answered<u64> {
        self.send(ahead, sql, params, changed).await
    }

    async fn add(
        &mut self,
        table: &'static str,
        columns: &'static [(&'static str, Column)],
        rows: Rows<'_>,
        _pace: Pace,
    ) -> Result<(), DbError> {
        let rows: Vec<Vec<Value>> = rows.collect();
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
        let sql = format!("insert into {table} ({}) values ({})", names.join(", "), places.join(", "));
        self.with(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            for row in &rows {
                statement.execute(rusqlite::params_from_iter(row))?;
            }
            Ok(())
        })
        .await
    }

    async fn roll_back(mut self: Box<Self>) -> Result<(), DbError> {
        // here others see only what is durable; a connection whose transaction does not end is closed
        if self.with(|connection| connection.execute_batch("rollback")).await.is_ok() {
            self.keep_connection();
        }
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), DbError> {
        self.with(|connection| connection.execute_batch("commit")).await?;
        self.keep_connection();
        Ok(())
    }
}
