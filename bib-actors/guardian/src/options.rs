//! Every bound, deadline and place that the guardian uses.

use bib_domain::NodeMode;
use bib_domain::space::SpaceRules;
use bib_kit::Placement;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use zeroize::Zeroizing;

/// Which database to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DatabaseRuntime {
    /// PostgreSQL if its programs are found and can run here, else SQLite with a notice.
    #[default]
    Auto,
    /// PostgreSQL as a process of this machine; refuse to start without.
    Process,
    /// SQLite: the limited mode.
    Sqlite,
}

impl FromStr for DatabaseRuntime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "process" => Ok(Self::Process),
            "sqlite" => Ok(Self::Sqlite),
            _ => Err(format!("{text:?} is not a database runtime: use auto, process or sqlite")),
        }
    }
}

impl fmt::Display for DatabaseRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Process => "process",
            Self::Sqlite => "sqlite",
        })
    }
}

/// The key that seals credentials at rest. Wiped from memory when dropped, never printed.
#[derive(Clone)]
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// Takes 32 bytes derived from the node's identity for this purpose alone.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(..)")
    }
}

/// How many connections each role may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSizes {
    /// The node's own bookkeeping.
    pub node: usize,
    /// Reads of the catalogue.
    pub query: usize,
    /// Publications.
    pub transform: usize,
    /// Jobs that add data.
    pub scrape: usize,
    /// Maintenance.
    pub admin_jobs: usize,
    /// The audit table.
    pub audit: usize,
}

/// How the room on the disks is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceOptions {
    /// How much is kept free, and how large the ballast is.
    pub rules: SpaceRules,
    /// Time between two looks of the watcher. Changes look by themselves before they begin; a shorter period only gives
    /// the ballast up sooner.
    pub period: Duration,
}

impl Default for SpaceOptions {
    fn default() -> Self {
        let rules = SpaceRules { reserve_bytes: 1 << 30, reserve_percent: 10, ballast_bytes: 64 << 20 };
        Self { rules, period: Duration::from_secs(1) }
    }
}

/// How chunks that no version names are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrphanOptions {
    /// Time between two sweeps; one more begins with each start and when the disk runs full.
    pub period: Duration,
    /// Younger chunks stay: an upload that broke off finds them when it is sent again.
    pub grace: Duration,
    /// How long after a publication it is noted how far the catalogue is, together with those that come meanwhile.
    pub note_delay: Duration,
    /// Chunks that a sweep looks at in one round. It bounds the memory; more rounds read the manifests more often.
    pub candidates: usize,
}

impl Default for OrphanOptions {
    fn default() -> Self {
        Self {
            period: Duration::from_secs(6 * 3600),
            grace: Duration::from_secs(24 * 3600),
            note_delay: Duration::from_secs(5),
            candidates: 1 << 18,
        }
    }
}

/// How rows are added to the audit table where nobody waits for them: a few at a time, so that calls that are served
/// meanwhile do not wait behind them. Where more come in that time, they are left to the log and read from there without
/// pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexPace {
    /// Rows between two pauses; 0 is taken for 1.
    pub rows: usize,
    /// The pause.
    pub pause: Duration,
}

impl Default for IndexPace {
    fn default() -> Self {
        Self { rows: 64, pause: Duration::from_millis(1) }
    }
}

/// The guardian's options. [`GuardianOptions::new`] fills in what a workstation needs.
#[derive(Debug, Clone)]
pub struct GuardianOptions {
    /// The node's data directory: the guardian keeps `postgres/`, `secrets/`, `manifests/` and `bib.sqlite` in it.
    pub data_dir: PathBuf,
    /// What the node keeps; a full node needs PostgreSQL.
    pub mode: NodeMode,
    /// Which database to use.
    pub runtime: DatabaseRuntime,
    /// Directory of `initdb` and `postgres`, looked into before all others.
    pub postgres_bin: Option<PathBuf>,
    /// The user that PostgreSQL runs as when bibd is root; `None` means `postgres`. A user of its own keeps other servers
    /// of the machine, which run as `postgres` too, away from this node's files.
    pub database_user: Option<String>,
    /// Key that seals credentials at rest.
    pub seal_key: SealKey,
    /// This node's Ed25519 public key: versions signed with it are local.
    pub publisher_key: [u8; 32],
    /// Connections per role.
    pub pools: PoolSizes,
    /// SQLite connections that read; there is one that writes.
    pub sqlite_readers: usize,
    /// How long an operation waits for a connection before it is refused as overloaded.
    pub pool_wait: Duration,
    /// How long one statement may run.
    pub statement_timeout: Duration,
    /// How long PostgreSQL may take to start, recovery after a crash included.
    pub start_deadline: Duration,
    /// How long PostgreSQL may take to stop before it is told to stop at once.
    pub stop_deadline: Duration,
    /// How often the database is asked whether it is there.
    pub ping_interval: Duration,
    /// How long it may take to answer that.
    pub ping_deadline: Duration,
    /// How many pings in a row may fail before the guardian fails; a dead postmaster fails it at once.
    pub ping_failures: u32,
    /// How long a verb of the handle waits for its answer.
    pub ask_deadline: Duration,
    /// How many operations may be under way or waiting.
    pub mailbox: usize,
    /// The largest page that a listing returns.
    pub page_limit: u32,
    /// Bytes of decoded manifests kept in memory.
    pub manifest_cache_bytes: usize,
    /// Bytes of answers of the catalogue kept in memory until it changes; 0 reads the database each time.
    pub catalog_cache_bytes: usize,
    /// Records per statement when the audit table follows the log.
    pub index_batch: u32,
    /// How the audit table follows the log while others are served.
    pub index_pace: IndexPace,
    /// Changes that may share one transaction; 1 gives each its own. Of more than 64 savepoints PostgreSQL keeps no list in
    /// memory, and every other transaction has to look each of them up.
    pub shared_changes: usize,
    /// How long the answers to requests are kept for retries.
    pub request_retention: Duration,
    /// In the limited mode, how long copies stay after their topic was left; `None` keeps them. Long enough that a topic
    /// left by mistake need not be fetched again.
    pub cache_ttl: Option<Duration>,
    /// How often what expired is removed.
    pub sweep_interval: Duration,
    /// The room on the disks.
    pub space: SpaceOptions,
    /// The removal of chunks that no version names.
    pub orphans: OrphanOptions,
    /// Where the actor runs: on a thread of its own, but in tests.
    pub placement: Placement,
}

impl GuardianOptions {
    /// Options for a node whose data is in `data_dir`.
    #[must_use]
    pub fn new(data_dir: PathBuf, mode: NodeMode, seal_key: SealKey, publisher_key: [u8; 32]) -> Self {
        Self {
            data_dir,
            mode,
            runtime: DatabaseRuntime::Auto,
            postgres_bin: None,
            database_user: None,
            seal_key,
            publisher_key,
            pools: PoolSizes { node: 8, query: 8, transform: 8, scrape: 2, admin_jobs: 1, audit: 2 },
            sqlite_readers: 4,
            pool_wait: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            start_deadline: Duration::from_secs(120),
            stop_deadline: Duration::from_secs(30),
            ping_interval: Duration::from_secs(1),
            ping_deadline: Duration::from_secs(5),
            ping_failures: 3,
            ask_deadline: Duration::from_secs(60),
            mailbox: 256,
            page_limit: 1000,
            manifest_cache_bytes: 64 << 20,
            catalog_cache_bytes: 8 << 20,
            index_batch: 1024,
            index_pace: IndexPace::default(),
            shared_changes: 32,
            request_retention: Duration::from_secs(7 * 24 * 3600),
            cache_ttl: Some(Duration::from_secs(30 * 24 * 3600)),
            sweep_interval: Duration::from_secs(600),
            space: SpaceOptions::default(),
            orphans: OrphanOptions::default(),
            placement: Placement::Own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_never_printed() {
        let key = SealKey::new([0xab; 32]);
        assert_eq!(format!("{key:?}"), "SealKey(..)");
    }

    #[test]
    fn runtimes_print_and_parse() {
        for runtime in [DatabaseRuntime::Auto, DatabaseRuntime::Process, DatabaseRuntime::Sqlite] {
            assert_eq!(runtime.to_string().parse(), Ok(runtime));
        }
        assert!("oracle".parse::<DatabaseRuntime>().is_err());
    }
}
