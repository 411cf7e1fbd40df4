//! The managed PostgreSQL as the guardian's database: one pool per role, and the superuser only while it starts.

mod admin;
mod batch;
mod flushes;
mod fold;
mod group;
mod migrate;
mod pools;
mod roles;
#[cfg(test)]
mod scratch;
mod session;
mod statements;
mod value;

use crate::credentials::Credentials;
use crate::database::{Access, Database, DbError, DbRole, PingError, Session, Statement};
use crate::error::GuardianError;
use crate::migrations::POSTGRES;
use crate::options::{GuardianOptions, IndexPace};
use crate::process::{self, DATABASE};
use crate::rows::StorageInfo;
use crate::runtime::Runtime;
use admin::Admin;
use async_trait::async_trait;
use batch::Batches;
use bib_domain::StorageKind;
use bib_kit::{BlockingPool, clock};
use deadpool_postgres::Object;
use flushes::Flushes;
use group::Line;
use parking_lot::Mutex;
use pools::Pools;
use session::PgSession;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often a server that recovers is tried again.
const RECOVERY_POLL: Duration = Duration::from_millis(100);

/// Whose changes may share a transaction: those of each role would need a line of their own.
const SHARING: DbRole = DbRole::Node;

/// The guardian's database in PostgreSQL.
pub(crate) struct PgDatabase {
    info: StorageInfo,
    runtime: Box<dyn Runtime>,
    socket_dir: PathBuf,
    credentials: Credentials,
    pools: Arc<Pools>,
    flushes: Flushes,
    /// Changes of the node's role that may share a transaction.
    line: Arc<Line>,
    /// Those of them that are statements alone.
    batches: Arc<Batches>,
    calm: IndexPace,
    ping_deadline: Duration,
}

impl PgDatabase {
    /// Brings the server up, the roles and the schema up to date, and opens the pools.
    pub(crate) async fn open(
        runtime: Box<dyn Runtime>,
        options: &GuardianOptions,
        pool: &BlockingPool,
        incarnation: u64,
    ) -> Result<Self, GuardianError> {
        let (secrets, key) = (options.data_dir.join("secrets"), options.seal_key.clone());
        let credentials = process::on(pool, move || Credentials::load_or_create(&secrets, &key)).await?;
        runtime.prepare(&credentials).await?;
        let (socket_dir, mut admin) = bring_up(&*runtime, options, &credentials).await?;
        roles::ensure_database(&mut admin).await?;
        drop(admin);
        let mut admin = Admin::connect(&socket_dir, &credentials, DATABASE).await?;
        // an older incarnation, of this bibd or of one that crashed, must not write any more
        admin.end_other_sessions().await?;
        roles::ensure(&mut admin, &credentials, options).await?;
        migrate::run(&mut admin, POSTGRES, None).await?;

        let pools = Arc::new(Pools::open(&socket_dir, &credentials, options, incarnation)?);
        let (flushes, line) = (Flushes::default(), Arc::new(Line::new(options.shared_changes)));
        let batches = Batches {
            role: SHARING,
            most: options.shared_changes,
            pools: Arc::clone(&pools),
            flushes: flushes.clone(),
            line: Arc::clone(&line),
            queue: Mutex::default(),
        };
        let info = StorageInfo {
            kind: StorageKind::Postgres,
            runtime: runtime.name(),
            version: runtime.version().to_owned(),
            notice: String::new(),
        };
        let database = Self {
            info,
            runtime,
            socket_dir,
            credentials,
            pools,
            flushes,
            line,
            batches: Arc::new(batches),
            calm: options.index_pace,
            ping_deadline: options.ping_deadline,
        };
        match database.ping().await {
            Ok(()) => Ok(database),
            Err(PingError::Dead(reason) | PingError::Sick(reason) | PingError::Recovering(reason)) => {
                Err(GuardianError::Setup(format!(
                    "PostgreSQL runs but does not answer bibd's logins: {reason}; look at its logs in {}",
                    database.runtime.logs()
                )))
            }
        }
    }

    /// A transaction on a connection of a role.
    async fn session(&self, client: Object, role: DbRole, access: Access) -> Result<Box<dyn Session>, DbError> {
        // the audit table is read from the log again where a crash cuts it off
        let lasting = role != DbRole::Audit;
        Ok(Box::new(PgSession::begin(client, access, lasting, self.flushes.clone(), self.calm).await?))
    }
}

/// Starts or adopts the server and logs in as its superuser. A server that has another password than the node, since the
/// node's credentials were made anew, gets the new one while it is down; one that somebody else started, or that nobody can
/// reach since its socket was removed, is started anew.
async fn bring_up(
    runtime: &dyn Runtime,
    options: &GuardianOptions,
    credentials: &Credentials,
) -> Result<(PathBuf, Admin), GuardianError> {
    let (mut socket_dir, begun) = (runtime.ensure().await?, clock::monotonic());
    let connected = loop {
        match Admin::try_connect(&socket_dir, credentials, "postgres").await {
            // a server that lost a child recovers by itself: to fail now would only use up the restarts
            Err(error) if admin::is_not_ready(&error) && clock::since(begun) < options.start_deadline => {
                tokio::time::sleep(RECOVERY_POLL).await;
                socket_dir = runtime.ensure().await?;
            }
            connected => break connected,
        }
    };
    match connected {
        Ok(mut admin) => {
            let Some(other) = admin.setting_that_differs(&runtime.settings()).await? else {
                return Ok((socket_dir, admin));
            };
            tracing::warn!(setting = other, "the database runs with another configuration: starting it anew");
            runtime.stop(options.stop_deadline).await?;
        }
        Err(error) if admin::is_wrong_password(&error) => {
            tracing::warn!("the database has other credentials than this node: setting them anew");
            runtime.stop(options.stop_deadline).await?;
            runtime.reset_superuser(credentials).await?;
        }
        Err(error) if admin::is_unreachable(&error) => {
            tracing::warn!("the database runs, and its socket is gone: starting it anew");
            runtime.stop(options.stop_deadline).await?;
        }
        Err(error) => return Err(admin::connect_error(&error)),
    }
    let socket_dir = runtime.ensure().await?;
    let admin = Admin::connect(&socket_dir, credentials, "postgres").await?;
    Ok((socket_dir, admin))
}

#[async_trait]
impl Database for PgDatabase {
    fn info(&self) -> &StorageInfo {
        &self.info
    }

    async fn begin(&self, role: DbRole, access: Access) -> Result<Box<dyn Session>, DbError> {
        self.session(self.pools.get(role).await?, role, access).await
    }

    async fn begin_shared(&self, role: DbRole) -> Result<Box<dyn Session>, DbError> {
        if role != SHARING {
            return self.begin(role, Access::Write).await;
        }
        let connect = self.pools.get(role);
        Ok(Box::new(self.line.join(self.pools.wait(), role.group(), &self.flushes, connect).await?))
    }

    async fn batch(&self, role: DbRole, statements: Vec<Statement>) -> Result<Option<u64>, DbError> {
        if role == SHARING { self.batches.run(statements).await } else { Ok(None) }
    }

    async fn begin_early(&self, role: DbRole, shared: bool) -> Option<Box<dyn Session>> {
        if shared && role == SHARING {
            let connect = self.pools.get(role);
            return Some(Box::new(self.line.join_alone(&self.flushes, connect).await?));
        }
        let client = self.pools.get_free(role).await?;
        self.session(client, role, Access::Write).await.ok()
    }

    async fn ping(&self) -> Result<(), PingError> {
        self.runtime.check_alive().map_err(PingError::Dead)?;
        let answer = async {
            let mut session = self.begin(DbRole::Node, Access::Read).await?;
            session.query(&[], "select 1", &[]).await.1?;
            session.commit().await
        };
        match tokio::time::timeout(self.ping_deadline, answer).await {
            // every connection in use is a sign of life
            Ok(Ok(()) | Err(DbError::Overloaded { .. } | DbError::Busy(_))) => Ok(()),
            Ok(Err(DbError::Lost(reason))) if session::is_recovering(&reason) => Err(PingError::Recovering(reason)),
            Ok(Err(DbError::Full(reason) | DbError::Lost(reason) | DbError::Refused(reason))) => {
                Err(PingError::Sick(reason))
            }
            Err(_) => Err(PingError::Sick(format!("no answer within {} s", self.ping_deadline.as_secs()))),
        }
    }

    async fn clear_audit_index(&self) -> Result<(), GuardianError> {
        let mut admin = Admin::connect(&self.socket_dir, &self.credentials, DATABASE).await?;
        admin.clear_audit_index().await
    }

    fn close(&self) {
        self.pools.close();
    }

    async fn shut_down(&self, deadline: Duration) -> Result<(), GuardianError> {
        self.close();
        self.runtime.stop(deadline).await
    }
}
