//! A PostgreSQL of this program's own: the same server programs and settings as the node's, without the node.

use super::daemon::Daemon;
use super::run;
use anyhow::{Context, bail};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio_postgres::{Client, Config, NoTls};

const START: Duration = Duration::from_secs(60);
/// What the node sets, beside where things lie.
const SETTINGS: [&str; 9] = [
    "listen_addresses=",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "wal_level=replica",
    "max_wal_senders=0",
    "max_wal_size=1GB",
    "shared_buffers=128MB",
    "jit=off",
];

/// A data directory, and its server while it runs.
pub(crate) struct Postgres {
    folder: PathBuf,
    bin: PathBuf,
    /// Settings beside those that all have.
    settings: Vec<String>,
    server: Option<Daemon>,
}

impl Postgres {
    /// Makes the data directory in `folder`.
    pub(crate) fn new(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir(folder)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777))?;
        let made = Self { folder: folder.to_owned(), bin: programs()?, settings: Vec::new(), server: None };
        let mut initdb = made.command("initdb");
        initdb.args(["-A", "trust", "-U", "bench", "-k", "-E", "UTF8", "--locale=C", "-D"]).arg(folder.join("data"));
        run(&mut initdb)?;
        Ok(made)
    }

    /// A program of PostgreSQL, as a user that may run it.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        if !rustix::process::geteuid().is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program).current_dir("/");
        command
    }

    /// Adds settings, for its next start.
    pub(crate) fn set(&mut self, settings: &[&str]) {
        self.settings.extend(settings.iter().map(|setting| (*setting).to_owned()));
    }

    /// Starts the server; comes back when it takes connections.
    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder).args(["-c", "max_connections=60"]);
        SETTINGS.into_iter().chain(self.settings.iter().map(String::as_str)).for_each(|setting| {
            command.args(["-c", setting]);
        });
        self.server = Some(Daemon::start(&mut command)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        crate::peers::daemon::soon("PostgreSQL takes connections", START, || runtime.block_on(self.connect()).is_ok())
    }

    /// The process that all others of the running server come from.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        Ok(self.server.as_ref().context("PostgreSQL does not run")?.pid())
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        self.server.take().context("PostgreSQL does not run")?.interrupt()
    }

    /// A connection.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        let mut config = Config::new();
        config.host_path(&self.folder).user("bench").dbname("postgres");
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The number in the names of the packages that are made for it.
    pub(crate) async fn major(&self) -> anyhow::Result<i32> {
        let sql = "select current_setting('server_version_num')::int / 10000";
        Ok(self.connect().await?.query_one(sql, &[]).await?.get(0))
    }

    /// Whether the running server finds an extension's files.
    pub(crate) async fn has_extension(&self, name: &str) -> anyhow::Result<bool> {
        let sql = "select exists (select 1 from pg_available_extensions where name = $1)";
        Ok(self.connect().await?.query_one(sql, &[&name]).await?.get(0))
    }

    /// Tables as the node has them, and those of a naive audit chain.
    pub(crate) async fn make_tables(&self) -> anyhow::Result<()> {
        let core = include_str!("../../../../../schema/postgres/0001_core.up.sql");
        let chain = "create table chain (seq bigserial primary key, entry text not null, prev text not null, hash text not null);
            create table head (k int primary key, hash text not null); insert into head values (1, '')";
        Ok(self.connect().await?.batch_execute(&format!("{core};{chain}")).await?)
    }
}

/// The folder of `initdb`, where Debian puts it or where the path finds it.
fn programs() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("BIB_POSTGRES_BIN") {
        return Ok(folder.into());
    }
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|v| v.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all: Vec<PathBuf> = debian.chain(std::env::split_paths(&path)).collect();
    all.retain(|folder| folder.join("initdb").exists());
    let Some(newest) = all.into_iter().max() else { bail!("PostgreSQL is missing: install Debian's postgresql") };
    Ok(newest)
}

/// Some connections.
pub(crate) async fn connections(server: &Postgres, count: usize) -> anyhow::Result<Vec<Client>> {
    let mut made = Vec::new();
    for _ in 0..count {
        made.push(server.connect().await?);
    }
    Ok(made)
}
