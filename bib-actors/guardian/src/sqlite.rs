//! The limited mode: SQLite in one file, for nodes that keep copies for themselves and serve nobody.
//!
//! The same tables and the same statements as in PostgreSQL. One connection writes, a few read; all of them work on
//! blocking threads. There are no roles here: whoever can read the file can read everything in it.

mod migrate;
mod session;

use crate::database::{Access, Database, DbError, DbRole, PingError, Session};
use crate::error::GuardianError;
use crate::options::GuardianOptions;
use crate::rows::StorageInfo;
use async_trait::async_trait;
use bib_domain::StorageKind;
use bib_kit::BlockingPool;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use session::SqliteSession;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The node's database file.
pub(crate) const FILE: &str = "bib.sqlite";
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 128;

/// The guardian's database in SQLite.
pub(crate) struct SqliteDatabase {
    info: StorageInfo,
    shared: Arc<Shared>,
}

/// The connections, and where more come from.
pub(crate) struct Shared {
    path: PathBuf,
    pool: BlockingPool,
    statement_timeout: Duration,
    wait: Duration,
    writer: Slots,
    readers: Slots,
}

/// Connections that are not in use; as many permits as there may be connections.
struct Slots {
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Slots {
    fn new(count: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(count.max(1))), idle: Mutex::new(Vec::new()) }
    }
}

/// What an SQLite node cannot do, in words for its owner.
pub(crate) fn notice(reason: &str) -> String {
    format!(
        "this node keeps its metadata in SQLite, the limited mode ({reason}). It is marked untrusted-storage: it can subscribe, query and \
         keep copies for itself, until some time after their topic was left; it cannot run as a full node, serves no data to other nodes, and has no database roles. For a full node \
         install PostgreSQL 14 to 18 (Debian: apt-get install postgresql) and set database.runtime = \"auto\""
    )
}

fn connect(path: &Path, busy: Duration) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "auto_vacuum", "full")?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// What an error says without values.
pub(crate) fn db_error(error: &rusqlite::Error) -> DbError {
    match error {
        rusqlite::Error::SqliteFailure(failure, text) => {
            let text = text.clone().unwrap_or_else(|| failure.to_string());
            match failure.code {
                rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked => DbError::Busy(text),
                rusqlite::ErrorCode::DiskFull => DbError::Full(text),
                rusqlite::ErrorCode::SystemIoFailure
                | rusqlite::ErrorCode::CannotOpen
                | rusqlite::ErrorCode::DatabaseCorrupt
                | rusqlite::ErrorCode::ReadOnly => DbError::Lost(text),
                _ => DbError::Refused(text),
            }
        }
        other => DbError::Refused(other.to_string()),
    }
}

impl SqliteDatabase {
    /// Opens the file and brings its schema up to date.
    pub(crate) async fn open(
        options: &GuardianOptions,
        pool: BlockingPool,
        reason: &str,
    ) -> Result<Self, GuardianError> {
        let path = options.data_dir.join(FILE);
        let shared = Arc::new(Shared {
            path: path.clone(),
            pool,
            statement_timeout: options.statement_timeout,
            wait: options.pool_wait,
            writer: Slots::new(1),
            readers: Slots::new(options.sqlite_readers),
        });
        let opened = Arc::clone(&shared);
        let migrated = shared
            .pool
            .run(move || {
                let mut connection = connect(&opened.path, opened.statement_timeout).map_err(|error| {
                    GuardianError::Setup(format!(
                        "{} cannot be opened ({error}): free space or repair its disk, or restore it from a backup",
                        opened.path.display()
                    ))
                })?;
                private(&opened.path)?;
                migrate::run(&mut connection, crate::migrations::SQLITE, None)?;
                opened.writer.idle.lock().push(connection);
                Ok::<(), GuardianError>(())
            })
            .await;
        migrated.map_err(|error| GuardianError::Unavailable { reason: error.to_string() })??;
        let info = StorageInfo {
            kind: StorageKind::Sqlite,
            runtime: "sqlite",
            version: rusqlite::version().to_owned(),
            // where nothing is kept, that it is not kept well is no news
            notice: if options.mode.check_keep().is_ok() { notice(reason) } else { String::new() },
        };
        Ok(Self { info, shared })
    }
}

/// Nobody but the node's own user reads the file.
fn private(path: &Path) -> Result<(), GuardianError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(GuardianError::file("set the mode of", path))
}

impl Shared {
    fn slots(&self, access: Access) -> &Slots {
        match access {
            Access::Read => &self.readers,
            Access::Write => &self.writer,
        }
    }

    async fn permit(&self, access: Access) -> Result<OwnedSemaphorePermit, DbError> {
        let permits = Arc::clone(&self.slots(access).permits);
        match tokio::time::timeout(self.wait, permits.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(DbError::Lost("the database is being closed".to_owned())),
            Err(_) => {
                let waited_ms = u64::try_from(self.wait.as_millis()).unwrap_or(u64::MAX);
                Err(DbError::Overloaded { role: "sqlite", waited_ms })
            }
        }
    }
}

#[async_trait]
impl Database for SqliteDatabase {
    fn info(&self) -> &StorageInfo {
        &self.info
    }

    async fn begin(&self, _role: DbRole, access: Access) -> Result<Box<dyn Session>, DbError> {
        let permit = self.shared.permit(access).await?;
        Ok(Box::new(SqliteSession::begin(Arc::clone(&self.shared), access, permit).await?))
    }

    async fn ping(&self) -> Result<(), PingError> {
        let answer = async {
            let mut session = self.begin(DbRole::Node, Access::Read).await?;
            session.query(&[], "select 1", &[]).await.1?;
            session.commit().await
        };
        match answer.await {
            Ok(()) | Err(DbError::Overloaded { .. } | DbError::Busy(_)) => Ok(()),
            Err(DbError::Full(reason) | DbError::Lost(reason) | DbError::Refused(reason)) => {
                Err(PingError::Sick(reason))
            }
        }
    }

    async fn clear_audit_index(&self) -> Result<(), GuardianError> {
        let mut session = self.begin(DbRole::Audit, Access::Write).await?;
        for sql in migrate::CLEAR_AUDIT_INDEX {
            session.execute(&[], sql, &[]).await.1?;
        }
        for trigger in migrate::audit_triggers() {
            session.execute(&[], trigger, &[]).await.1?;
        }
        Ok(session.commit().await?)
    }

    fn close(&self) {
        self.shared.writer.permits.close();
        self.shared.readers.permits.close();
    }

    async fn shut_down(&self, _deadline: Duration) -> Result<(), GuardianError> {
        self.close();
        Ok(())
    }
}
