//! A transaction on a pooled connection.

use super::value;
use crate::database::{Access, DbError, Row, Session, Value};
use async_trait::async_trait;
use deadpool_postgres::Object;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

/// An open transaction. Dropped before its commit it takes its connection with it, which undoes it at the server.
pub(super) struct PgSession {
    /// `Some` until it is finished.
    client: Option<Object>,
}

/// What an error says without the values that may be in it.
/// Whether an error says that the server starts or recovers: it takes connections by itself when that is done.
pub(super) fn is_recovering(reason: &str) -> bool {
    reason.starts_with(tokio_postgres::error::SqlState::CANNOT_CONNECT_NOW.code())
}

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
    pub(super) async fn begin(client: Object, access: Access) -> Result<Self, DbError> {
        let session = Self { client: Some(client) };
        let sql = match access {
            Access::Read => "begin isolation level repeatable read read only",
            Access::Write => "begin isolation level read committed read write",
        };
        session.client()?.batch_execute(sql).await.map_err(|error| db_error(&error))?;
        Ok(session)
    }

    fn client(&self) -> Result<&Object, DbError> {
        self.client.as_ref().ok_or_else(finished)
    }
}

fn references(params: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

#[async_trait]
impl Session for PgSession {
    async fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        let client = self.client()?;
        let statement = client.prepare_cached(sql).await.map_err(|error| db_error(&error))?;
        let rows = client.query(&statement, &references(params)).await.map_err(|error| db_error(&error))?;
        rows.iter().map(value::row).collect()
    }

    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DbError> {
        let client = self.client()?;
        let statement = client.prepare_cached(sql).await.map_err(|error| db_error(&error))?;
        client.execute(&statement, &references(params)).await.map_err(|error| db_error(&error))
    }

    async fn commit(mut self: Box<Self>) -> Result<(), DbError> {
        self.client()?.batch_execute("commit").await.map_err(|error| db_error(&error))?;
        // the connection goes back to its pool
        drop(self.client.take());
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
