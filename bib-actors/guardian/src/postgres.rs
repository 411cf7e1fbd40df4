//! The managed PostgreSQL as the guardian's database: one pool per role, and the superuser only while it starts.

mod admin;
mod migrate;
mod pools;
mod roles;
mod session;
mod value;

use crate::credentials::Credentials;
use crate::database::{Access, Database, DbError, DbRole, PingError, Session};
use crate::error::GuardianError;
use crate::options::GuardianOptions;
use crate::process::{Postmaster, Server};
use crate::rows::StorageInfo;
use admin::Admin;
use async_trait::async_trait;
use bib_domain::StorageKind;
use bib_kit::BlockingPool;
use pools::Pools;
use session::PgSession;
use std::time::Duration;

/// The guardian's database in PostgreSQL.
pub(crate) struct PgDatabase {
    info: StorageInfo,
    postmaster: Postmaster,
    credentials: Credentials,
    pools: Pools,
    ping_deadline: Duration,
}

impl PgDatabase {
    /// Brings the server up, the roles and the schema up to date, and opens the pools.
    pub(crate) async fn open(
        server: Server,
        options: &GuardianOptions,
        pool: &BlockingPool,
        incarnation: u64,
    ) -> Result<Self, GuardianError> {
        let credentials = Self::credentials(&server, options, pool).await?;
        let (postmaster, mut admin) = Self::bring_up(&server, options, &credentials, pool).await?;
        roles::ensure_database(&mut admin).await?;
        let mut admin = Admin::connect(&postmaster.socket_dir, &credentials, crate::process::DATABASE).await?;
        // an older incarnation, of this bibd or of one that crashed, must not write any more
        admin.end_other_sessions().await?;
        roles::ensure(&mut admin, &credentials, options).await?;
        migrate::run(&mut admin, crate::migrations::POSTGRES, None).await?;
        let pools = Pools::open(&postmaster.socket_dir, &credentials, options, incarnation)?;
        let info = StorageInfo {
            kind: StorageKind::Postgres,
            runtime: "process",
            version: server.binaries.version.clone(),
            notice: String::new(),
        };
        let database = Self { info, postmaster, credentials, pools, ping_deadline: options.ping_deadline };
        match database.ping().await {
            Ok(()) => Ok(database),
            Err(PingError::Dead(reason) | PingError::Sick(reason)) => Err(GuardianError::Setup(format!(
                "PostgreSQL runs but does not answer bibd's logins: {reason}; look at its logs in {}",
                server.layout.log.display()
            ))),
        }
    }

    async fn credentials(
        server: &Server,
        options: &GuardianOptions,
        pool: &BlockingPool,
    ) -> Result<Credentials, GuardianError> {
        let (server, options) = (server.clone(), options.clone());
        Server::on(pool, move || {
            let secrets = options.data_dir.join("secrets");
            let credentials = match Credentials::load(&secrets, &options.seal_key)? {
                Some(credentials) => credentials,
                None => Credentials::create(&secrets, &options.seal_key)?,
            };
            server.prepare(&options, &credentials)?;
            Ok(credentials)
        })
        .await
    }

    /// Starts or adopts the server and logs in as its superuser. If the server has another password than the node, the
    /// node's credentials were made anew: the server gets them while it is down.
    async fn bring_up(
        server: &Server,
        options: &GuardianOptions,
        credentials: &Credentials,
        pool: &BlockingPool,
    ) -> Result<(Postmaster, Admin), GuardianError> {
        let postmaster = Postmaster::ensure(server, options.start_deadline).await?;
        match Admin::try_connect(&postmaster.socket_dir, credentials, "postgres").await {
            Ok(admin) => return Ok((postmaster, admin)),
            Err(error) if admin::is_wrong_password(&error) => {
                tracing::warn!("the database has other credentials than this node: setting them anew");
            }
            Err(error) => return Err(admin::connect_error(&error)),
        }
        crate::process::stop_running(&server.layout.data, options.stop_deadline).await?;
        let (offline, again) = (server.clone(), credentials.clone());
        Server::on(pool, move || offline.reset_superuser(&again)).await?;
        let postmaster = Postmaster::ensure(server, options.start_deadline).await?;
        let admin = Admin::connect(&postmaster.socket_dir, credentials, "postgres").await?;
        Ok((postmaster, admin))
    }

    async fn admin(&self) -> Result<Admin, GuardianError> {
        Admin::connect(&self.postmaster.socket_dir, &self.credentials, crate::process::DATABASE).await
    }
}

#[async_trait]
impl Database for PgDatabase {
    fn info(&self) -> &StorageInfo {
        &self.info
    }

    async fn begin(&self, role: DbRole, access: Access) -> Result<Box<dyn Session>, DbError> {
        let client = self.pools.get(role).await?;
        Ok(Box::new(PgSession::begin(client, access).await?))
    }

    async fn ping(&self) -> Result<(), PingError> {
        if !self.postmaster.is_alive() {
            return Err(PingError::Dead(format!("PostgreSQL (process {}) is gone", self.postmaster.pid)));
        }
        let answer = async {
            let mut session = self.begin(DbRole::Node, Access::Read).await?;
            session.query("select 1", &[]).await?;
            session.commit().await
        };
        match tokio::time::timeout(self.ping_deadline, answer).await {
            Ok(Ok(())) => Ok(()),
            // every connection in use is a sign of life
            Ok(Err(DbError::Overloaded { .. })) => Ok(()),
            Ok(Err(DbError::Lost(reason) | DbError::Refused(reason))) => Err(PingError::Sick(reason)),
            Err(_) => Err(PingError::Sick(format!("no answer within {} s", self.ping_deadline.as_secs()))),
        }
    }

    async fn clear_audit_index(&self) -> Result<(), GuardianError> {
        self.admin().await?.clear_audit_index().await
    }

    fn close(&self) {
        self.pools.close();
    }

    async fn shut_down(&self, deadline: Duration) -> Result<(), GuardianError> {
        self.close();
        crate::process::stop_running(self.postmaster.data(), deadline).await.map(|_| ())
    }
}
