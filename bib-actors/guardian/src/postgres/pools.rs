//! One pool of connections per role.

use super::statements::db_error;
use crate::credentials::Credentials;
use crate::database::{DbError, DbRole};
use crate::error::GuardianError;
use crate::options::{GuardianOptions, PoolSizes};
use crate::process::PORT;
use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use rustix::process::{Pid, setpriority_process};
use std::path::Path;
use std::time::Duration;
use tokio_postgres::{Config, NoTls};

/// How long a connection over the socket may take, the password's check included.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How far the database's process that fills the audit table steps back behind all others, as `nice` counts. It follows
/// the log, and nobody waits for it. Not further: others wait for locks that it may hold for a moment.
const AUDIT_NICE: i32 = 10;

/// The pools of all roles. Connections are made when they are first needed.
pub(super) struct Pools {
    pools: Vec<(DbRole, Pool)>,
    wait: Duration,
}

/// How many connections a role may hold.
pub(super) const fn size(sizes: &PoolSizes, role: DbRole) -> usize {
    match role {
        DbRole::Node => sizes.node,
        DbRole::Query => sizes.query,
        DbRole::Transform => sizes.transform,
        DbRole::Scrape => sizes.scrape,
        DbRole::AdminJobs => sizes.admin_jobs,
        DbRole::Audit => sizes.audit,
    }
}

/// How to reach the database as a login.
pub(super) fn config(socket_dir: &Path, credentials: &Credentials, login: &str, database: &str) -> Config {
    let mut config = Config::new();
    config
        .host_path(socket_dir)
        .port(PORT)
        .user(login)
        .password(credentials.password(login))
        .dbname(database)
        .connect_timeout(CONNECT_DEADLINE);
    config
}

impl Pools {
    pub(super) fn open(
        socket_dir: &Path,
        credentials: &Credentials,
        options: &GuardianOptions,
        incarnation: u64,
    ) -> Result<Self, GuardianError> {
        let mut pools = Vec::new();
        for role in DbRole::ALL {
            let mut config = config(socket_dir, credentials, role.login(), crate::process::DATABASE);
            config.application_name(format!("bibd/{incarnation}"));
            let manager =
                Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
            let mut pool = Pool::builder(manager);
            if role == DbRole::Audit {
                pool = pool.post_create(Hook::async_fn(|client, _| Box::pin(step_back(client))));
            }
            let pool = pool
                .max_size(size(&options.pools, role).max(1))
                .runtime(Runtime::Tokio1)
                .wait_timeout(Some(options.pool_wait))
                .create_timeout(Some(CONNECT_DEADLINE))
                .build()
                .map_err(|error| {
                    GuardianError::Setup(format!("the pool of {} cannot be made: {error}", role.group()))
                })?;
            pools.push((role, pool));
        }
        Ok(Self { pools, wait: options.pool_wait })
    }

    /// A connection of the role.
    pub(super) async fn get(&self, role: DbRole) -> Result<Object, DbError> {
        let pool = self.pools.iter().find(|(of, _)| *of == role).map(|(_, pool)| pool);
        let pool = pool.ok_or_else(|| DbError::Refused(format!("{} has no pool", role.group())))?;
        let waited_ms = u64::try_from(self.wait.as_millis()).unwrap_or(u64::MAX);
        pool.get().await.map_err(|error| match error {
            PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => {
                DbError::Overloaded { role: role.group(), waited_ms }
            }
            PoolError::Backend(error) => match db_error(&error) {
                DbError::Refused(reason) => DbError::Lost(format!("login as {} failed: {reason}", role.login())),
                other => other,
            },
            other => DbError::Lost(other.to_string()),
        })
    }

    /// How long a connection is waited for.
    pub(super) const fn wait(&self) -> Duration {
        self.wait
    }

    /// A connection of the role that nobody else needs now, if there is one.
    pub(super) async fn get_free(&self, role: DbRole) -> Option<Object> {
        let (_, pool) = self.pools.iter().find(|(of, _)| *of == role)?;
        let now = Timeouts { wait: Some(Duration::ZERO), ..pool.timeouts() };
        pool.timeout_get(&now).await.ok()
    }

    pub(super) fn close(&self) {
        for (_, pool) in &self.pools {
            pool.close();
        }
    }
}

/// Has the process at the other end of a connection take the processor only where others leave it. Where that cannot be,
/// it goes on as it is.
async fn step_back(client: &mut ClientWrapper) -> Result<(), HookError> {
    let row = client.query_one("select pg_backend_pid()", &[]).await.map_err(HookError::Backend)?;
    let pid = row.try_get(0).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = setpriority_process(Some(pid), AUDIT_NICE)
    {
        tracing::debug!(%error, "the process that fills the audit table runs like all others");
    }
    Ok(())
}
