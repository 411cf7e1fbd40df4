//! PostgreSQL as a process of this machine: found, given a data directory, started, adopted, stopped.
//!
//! The configuration lies outside the data directory and belongs to bibd, so that not even the database's superuser can
//! open the door from inside. The server gets a process group of its own and outlives a crash of bibd.

mod account;
mod binaries;
mod cluster;
mod config;
mod layout;
mod outside;
mod pidfile;
mod postmaster;
mod starting;
mod tail;

pub(crate) use config::{DATABASE, PORT};
pub(crate) use postmaster::stop_running;
pub(crate) use starting::stop_starting;

use crate::credentials::Credentials;
use crate::error::GuardianError;
use crate::options::GuardianOptions;
use crate::runtime::Runtime;
use account::Account;
use async_trait::async_trait;
use bib_kit::BlockingPool;
use binaries::Binaries;
use layout::Layout;
use parking_lot::Mutex;
use postmaster::Postmaster;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that is known of the server before it runs.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    binaries: Binaries,
    account: Account,
    layout: Layout,
}

impl Server {
    /// Looks whether PostgreSQL can run here, and changes nothing.
    pub(crate) fn look(options: &GuardianOptions) -> Result<Self, GuardianError> {
        let account = Account::choose(options.database_user.as_deref())?;
        let layout = Layout::new(&options.data_dir, &account)?;
        let notes = layout.data_dir.join("postgres-programs.json");
        let binaries = Binaries::find(options.postgres_bin.as_deref(), layout.data_version()?, &notes)?;
        layout.check_reachable(&account)?;
        Ok(Self { binaries, account, layout })
    }

    /// Makes the directories, the configuration and, if there is none, the data directory.
    fn prepare(&self, options: &GuardianOptions, credentials: &Credentials) -> Result<(), GuardianError> {
        self.layout.make(&self.account)?;
        config::write(&self.layout, &self.account, options)?;
        if !self.layout.data.exists() {
            cluster::init(self, credentials)?;
        }
        self.layout.check_owner(&self.account)
    }
}

/// The process runtime.
pub(crate) struct ProcessRuntime {
    server: Server,
    options: GuardianOptions,
    pool: BlockingPool,
    postmaster: Mutex<Option<Postmaster>>,
}

impl ProcessRuntime {
    pub(crate) fn new(server: Server, options: GuardianOptions, pool: BlockingPool) -> Self {
        Self { server, options, pool, postmaster: Mutex::new(None) }
    }
}

#[async_trait]
impl Runtime for ProcessRuntime {
    fn name(&self) -> &'static str {
        "process"
    }

    fn version(&self) -> &str {
        &self.server.binaries.version
    }

    fn logs(&self) -> String {
        self.server.layout.log.display().to_string()
    }

    async fn prepare(&self, credentials: &Credentials) -> Result<(), GuardianError> {
        let (server, options, credentials) = (self.server.clone(), self.options.clone(), credentials.clone());
        on(&self.pool, move || server.prepare(&options, &credentials)).await
    }

    async fn ensure(&self) -> Result<PathBuf, GuardianError> {
        let postmaster = Postmaster::ensure(&self.server, &self.options).await?;
        let socket_dir = postmaster.socket_dir.clone();
        *self.postmaster.lock() = Some(postmaster);
        Ok(socket_dir)
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        config::pinned(&self.server.layout, &self.options)
    }

    async fn reset_superuser(&self, credentials: &Credentials) -> Result<(), GuardianError> {
        let (server, credentials) = (self.server.clone(), credentials.clone());
        on(&self.pool, move || cluster::reset_superuser(&server, &credentials)).await
    }

    fn check_alive(&self) -> Result<(), String> {
        match &*self.postmaster.lock() {
            Some(postmaster) if postmaster.is_alive() => Ok(()),
            Some(postmaster) => Err(format!("PostgreSQL (process {}) is gone", postmaster.pid)),
            None => Err("PostgreSQL was not started".to_owned()),
        }
    }

    async fn stop(&self, deadline: Duration) -> Result<(), GuardianError> {
        stop_running(&self.server.layout.data, deadline).await.map(|_| ())
    }
}

/// Runs blocking work on the pool.
pub(crate) async fn on<T: Send + 'static>(
    pool: &BlockingPool,
    work: impl FnOnce() -> Result<T, GuardianError> + Send + 'static,
) -> Result<T, GuardianError> {
    pool.run(work).await.map_err(|error| GuardianError::Unavailable { reason: error.to_string() })?
}
