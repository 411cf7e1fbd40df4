//! PostgreSQL as a process of this machine: found, given a data directory, started, adopted, stopped.
//!
//! The configuration lies outside the data directory and belongs to bibd, so that not even the database's superuser can
//! open the door from inside. The server gets a process group of its own and outlives a crash of bibd.

mod account;
mod binaries;
mod cluster;
mod config;
mod layout;
mod pidfile;
mod postmaster;
mod tail;

pub(crate) use account::Account;
pub(crate) use binaries::Binaries;
pub(crate) use config::{DATABASE, PORT};
pub(crate) use layout::Layout;
pub(crate) use postmaster::{Postmaster, stop_running};

use crate::credentials::Credentials;
use crate::error::GuardianError;
use crate::filesystem;
use crate::options::GuardianOptions;
use bib_kit::BlockingPool;

/// Everything that is known of the server before it runs.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) binaries: Binaries,
    pub(crate) account: Account,
    pub(crate) layout: Layout,
}

impl Server {
    /// Looks whether PostgreSQL can run here, and changes nothing.
    pub(crate) fn look(options: &GuardianOptions) -> Result<Self, GuardianError> {
        filesystem::check(&options.data_dir)?;
        let account = Account::choose(options.database_user.as_deref())?;
        let layout = Layout::new(&options.data_dir, &account)?;
        let binaries = Binaries::find(options.postgres_bin.as_deref(), layout.data_version()?)?;
        layout.check_reachable(&account)?;
        Ok(Self { binaries, account, layout })
    }

    /// Makes the directories, the configuration and, if there is none, the data directory.
    pub(crate) fn prepare(&self, options: &GuardianOptions, credentials: &Credentials) -> Result<(), GuardianError> {
        self.layout.make(&self.account)?;
        config::write(&self.layout, &self.account, options)?;
        if !self.layout.data.exists() {
            cluster::init(self, credentials)?;
        }
        self.layout.check_owner(&self.account)
    }

    /// Gives the superuser the password that the node knows, without a running server.
    pub(crate) fn reset_superuser(&self, credentials: &Credentials) -> Result<(), GuardianError> {
        cluster::reset_superuser(self, credentials)
    }

    /// Runs blocking work on the pool.
    pub(crate) async fn on<T: Send + 'static>(
        pool: &BlockingPool,
        work: impl FnOnce() -> Result<T, GuardianError> + Send + 'static,
    ) -> Result<T, GuardianError> {
        pool.run(work).await.map_err(|error| GuardianError::Unavailable { reason: error.to_string() })?
    }
}
