//! The superuser's connection: open while the node starts or rebuilds the audit table, and at no other time.

use super::pools::config;
use super::statements::db_error;
use crate::credentials::{Credentials, SUPERUSER};
use crate::database::DbError;
use crate::error::GuardianError;
use std::path::Path;
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

/// A connection as the superuser. Dropping it closes it.
pub(super) struct Admin {
    client: Client,
    driver: AbortHandle,
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Whether the server knows another password than the node.
pub(super) fn is_wrong_password(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(code) if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

/// Whether the server starts or recovers, and takes connections when that is done.
pub(super) fn is_not_ready(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::CANNOT_CONNECT_NOW)
}

/// Whether nobody listens at the socket, or there is no socket: a server that runs all the same has lost it.
pub(super) fn is_unreachable(error: &tokio_postgres::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|io| matches!(io.kind(), NotFound | ConnectionRefused))
}

pub(super) fn connect_error(error: &tokio_postgres::Error) -> GuardianError {
    db_error(error).into()
}

impl Admin {
    pub(super) async fn try_connect(
        socket_dir: &Path,
        credentials: &Credentials,
        database: &str,
    ) -> Result<Self, tokio_postgres::Error> {
        let mut config = config(socket_dir, credentials, SUPERUSER, database);
        config.application_name("bibd/admin");
        let (client, connection) = config.connect(NoTls).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = ?db_error(&error), "the superuser's connection ended");
            }
        });
        Ok(Self { client, driver: driver.abort_handle() })
    }

    pub(super) async fn connect(
        socket_dir: &Path,
        credentials: &Credentials,
        database: &str,
    ) -> Result<Self, GuardianError> {
        Self::try_connect(socket_dir, credentials, database).await.map_err(|error| connect_error(&error))
    }

    /// Runs statements without parameters.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        self.client.batch_execute(sql).await.map_err(|error| db_error(&error))
    }

    /// Runs statements in one transaction that leaves no trace of them in the server's logs.
    pub(super) async fn quietly(&mut self, sql: &str) -> Result<(), DbError> {
        let quiet = "set local log_statement = 'none'; set local log_min_error_statement = 'panic'; \
                     set local log_min_duration_statement = -1; set local log_duration = off;";
        let done = self.batch(&format!("begin; {quiet} {sql}; commit")).await;
        if done.is_err() {
            // ends the failed transaction; its own error is the one that counts
            let _ = self.batch("rollback").await;
        }
        done
    }

    /// The rows of a query, as texts.
    pub(super) async fn rows(&mut self, sql: &str) -> Result<Vec<Vec<String>>, DbError> {
        let messages = self.client.simple_query(sql).await.map_err(|error| db_error(&error))?;
        let rows = messages.into_iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|index| row.get(index).unwrap_or_default().to_owned()).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }

    /// The first of these settings that the server has otherwise.
    pub(super) async fn setting_that_differs(
        &mut self,
        wanted: &[(&'static str, String)],
    ) -> Result<Option<&'static str>, GuardianError> {
        for (name, value) in wanted {
            let rows = self.rows(&format!("show {name}")).await?;
            if rows.first().and_then(|row| row.first()) != Some(value) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Ends all other sessions of the node's logins.
    pub(super) async fn end_other_sessions(&mut self) -> Result<(), GuardianError> {
        let ended = self
            .rows(
                "select pg_terminate_backend(pid) from pg_stat_activity \
                 where pid <> pg_backend_pid() and backend_type = 'client backend' and usename like 'bibd\\_%'",
            )
            .await?;
        if !ended.is_empty() {
            tracing::info!(sessions = ended.len(), "ended the database sessions of an older incarnation");
        }
        Ok(())
    }

    /// Empties the audit table. Its triggers refuse everybody, so they are off within this one transaction.
    pub(super) async fn clear_audit_index(&mut self) -> Result<(), GuardianError> {
        self.quietly(
            "alter table bib.audit_log disable trigger user; truncate bib.audit_log; \
             alter table bib.audit_log enable always trigger audit_log_rows; \
             alter table bib.audit_log enable always trigger audit_log_whole",
        )
        .await?;
        Ok(())
    }
}
