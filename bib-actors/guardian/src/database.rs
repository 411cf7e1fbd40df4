//! The one way in which the guardian speaks SQL, whichever database is behind it.
//!
//! A statement is written once, with `$1`-style parameters and in the SQL that PostgreSQL and SQLite share; a backend
//! implements two traits of a few functions. Nothing here knows what the tables mean.

mod role;
mod tx;
mod value;

pub(crate) use role::DbRole;
pub(crate) use tx::{Footprint, Tx, fingerprint_of};
pub(crate) use value::{Column, Row, Value};

use crate::error::GuardianError;
use crate::rows::StorageInfo;
use async_trait::async_trait;
use std::borrow::Cow;
use std::time::Duration;

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads one consistent state.
    Read,
    /// Reads and writes.
    Write,
}

/// Why a statement failed.
#[derive(Debug, Clone)]
pub(crate) enum DbError {
    /// No connection became free in time.
    Overloaded { role: &'static str, waited_ms: u64 },
    /// It waited too long for others, or was ended so that they could go on: what was begun is undone, and the same can be
    /// tried again.
    Busy(String),
    /// There is no room on the database's disk; nothing was changed.
    Full(String),
    /// The connection or the server is gone.
    Lost(String),
    /// The database refused the statement; the text has no values in it.
    Refused(String),
}

impl From<DbError> for GuardianError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Overloaded { role, waited_ms } => {
                Self::Overloaded { reason: format!("no connection of role {role} became free within {waited_ms} ms") }
            }
            DbError::Busy(reason) => Self::Overloaded {
                reason: format!("a statement waited too long for others and was given up: {reason}"),
            },
            DbError::Full(reason) => {
                Self::DiskFull { notice: format!("the database has no room on its disk ({reason}); free space there") }
            }
            DbError::Lost(reason) => Self::Unavailable { reason },
            DbError::Refused(reason) => Self::Statement { reason },
        }
    }
}

/// Rows that are made while they are added, so that nobody waits for all of them to be made.
pub(crate) type Rows<'a> = Box<dyn ExactSizeIterator<Item = Vec<Value>> + Send + 'a>;

/// How fast rows are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as can be: somebody waits for them.
    Full,
    /// A few at a time, since nobody does: the database's process would else run for milliseconds at a time, before whoever
    /// wants the processor meanwhile.
    Calm,
}

/// A statement that is sent together with others, so that all of them take one round trip.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sql: Cow<'static, str>,
    pub(crate) params: Vec<Value>,
    /// How a database that knows arrays does the same for many changes at once.
    pub(crate) many: Option<&'static Many>,
}

impl Statement {
    /// One that is always run by itself.
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>, params: Vec<Value>) -> Self {
        Self { sql: sql.into(), params, many: None }
    }

    /// The same, which may be run for many changes at once.
    pub(crate) const fn or(mut self, many: &'static Many) -> Self {
        self.many = Some(many);
        self
    }
}

/// What does for many changes at once what a statement does for one. Where it does not change as many rows as it should,
/// nothing of it stays.
#[derive(Debug)]
pub(crate) struct Many {
    /// Takes an array in place of each parameter, with a value of each change.
    pub(crate) sql: &'static str,
    /// Which rows it changes.
    pub(crate) rows: ManyRows,
}

/// Which rows a statement for many changes changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ManyRows {
    /// One for each change.
    Own,
    /// One for all of them.
    Shared,
}

/// What came of a statement, and of those ahead of it: how many rows each changed, up to the first that failed.
pub(crate) type Answered<T> = (Vec<u64>, Result<T, DbError>);

/// One open transaction. Dropping it undoes what it did.
#[async_trait]
pub(crate) trait Session: Send {
    /// Runs the statements `ahead` and then this one, and returns its rows.
    async fn query(&mut self, ahead: &[Statement], sql: &str, params: &[Value]) -> Answered<Vec<Row>>;
    /// Runs the statements `ahead` and then this one, and returns how many rows it changed.
    async fn execute(&mut self, ahead: &[Statement], sql: &str, params: &[Value]) -> Answered<u64>;
    /// Adds rows to a table, many at a time, each with a value for each of the columns named.
    async fn add(
        &mut self,
        table: &'static str,
        columns: &'static [(&'static str, Column)],
        rows: Rows<'_>,
        pace: Pace,
    ) -> Result<(), DbError>;
    /// Whether no other transaction could have to wait for the locks of this one.
    fn is_alone(&self) -> bool {
        false
    }
    /// Undoes what it did so far and goes on, if it can: it then sees what others did with whom it shares a transaction.
    fn undone(self: Box<Self>) -> Option<Box<dyn Session>> {
        None
    }
    /// Lets nothing of it stay, in order, for an answer that says no: when this returns, what the transaction saw is
    /// durable, since the answer may rest on it. The connection is kept, unlike by a drop.
    async fn roll_back(self: Box<Self>) -> Result<(), DbError>;
    /// Makes it durable.
    async fn commit(self: Box<Self>) -> Result<(), DbError>;
}

/// A database with the guardian's schema in it.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    /// What it is.
    fn info(&self) -> &StorageInfo;
    /// Opens a transaction under a role.
    async fn begin(&self, role: DbRole, access: Access) -> Result<Box<dyn Session>, DbError>;
    /// Opens one that writes, maybe as a part of one that others of the same role share.
    async fn begin_shared(&self, role: DbRole) -> Result<Box<dyn Session>, DbError> {
        self.begin(role, Access::Write).await
    }
    /// Carries out a change that is statements alone, maybe together with others, and makes it durable: how many rows it
    /// changed. `None` says that nothing of it is known to stay and that it is to be tried in a transaction of its own: a
    /// statement of it or of one beside it changed no row or failed, or there are no batches.
    async fn batch(&self, _role: DbRole, _statements: Vec<Statement>) -> Result<Option<u64>, DbError> {
        Ok(None)
    }
    /// Opens a transaction that writes before there is something to write, unless others would have to wait for it.
    async fn begin_early(&self, _role: DbRole, _shared: bool) -> Option<Box<dyn Session>> {
        None
    }
    /// Whether it is there. An error that says `dead` cannot heal by itself.
    async fn ping(&self) -> Result<(), PingError>;
    /// Empties the audit table, which only its owner can.
    async fn clear_audit_index(&self) -> Result<(), GuardianError>;
    /// Closes every connection. What runs the database goes on.
    fn close(&self);
    /// Closes every connection and stops what runs the database.
    async fn shut_down(&self, deadline: Duration) -> Result<(), GuardianError>;
}

/// What a ping found.
#[derive(Debug)]
pub(crate) enum PingError {
    /// The server's process is gone.
    Dead(String),
    /// It did not answer in time, or not well.
    Sick(String),
    /// It starts, or recovers from a crash by itself, and takes no connections meanwhile.
    Recovering(String),
}
