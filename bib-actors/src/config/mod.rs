//! The daemon's configuration: default < file < environment < command line, checked once.
//!
//! The file is TOML. Unknown keys are refused, so that a misspelt one is not silently a default.

mod check;
mod load;
#[cfg(test)]
mod reference;

pub use load::{ConfigError, Overrides, load};

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Everything that a node can be told. Since 0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who this node is and what it keeps.
    pub node: NodeConfig,
    /// Where the metadata lives.
    pub database: DatabaseConfig,
    /// How much room is kept free on the disks.
    pub storage: StorageConfig,
    /// The API for people and programs.
    pub grpc: GrpcConfig,
    /// The network of nodes.
    pub p2p: P2pConfig,
    /// The pages and health probes.
    pub web: WebConfig,
    /// What a proxy keeps in memory, and whom it asks first.
    pub proxy: ProxyConfig,
    /// What a query may use.
    pub query: QueryConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// People who may log in: `name`, `role` (`admin`, `operator`, `researcher`, `reader`), `key` (OpenSSH public key). It
    /// holds from each start on: a key that was removed opens nothing any more and its sessions end, a changed role takes
    /// effect.
    pub users: Vec<UserConfig>,
}

/// Who this node is and what it keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Name for people, 1 to 100 characters.
    pub name: String,
    /// `full` keeps everything its base nodes have and needs PostgreSQL; `selective` keeps the topics it subscribed to;
    /// `proxy` keeps nothing and reads what the nodes that it joined have.
    pub mode: String,
    /// Folder of everything that the node keeps; an absolute path on a local disk, not NFS.
    pub data_dir: PathBuf,
}

/// Where the metadata lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// `process`: a PostgreSQL of bibd's own; `sqlite`: the limited mode, a cache of other nodes' data: no `full` mode, no
    /// topics or uploads of its own, serves nobody; `auto`: the first if PostgreSQL 14 to 18 is found, else the second
    /// with a notice.
    pub runtime: String,
    /// Unprivileged system user that runs PostgreSQL when bibd is root, `postgres` where none is named; an ordinary user
    /// runs it himself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Folder of `initdb` and `postgres`, looked into instead of all others; `BIB_POSTGRES_BIN` does the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bin_dir: Option<PathBuf>,
    /// In the limited mode: hours that copies stay after their topic was left; while a topic is subscribed to, its
    /// versions stay; 0 keeps all.
    pub cache_ttl_hours: u64,
}

/// How much room is kept free on the disks. Since 0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// Room that is kept free on each file system that the node writes to, in MiB; with less, the node is read-only
    /// until a quarter more than this is free again.
    pub reserve_mib: u64,
    /// But not more than this part of a file system, in percent (1 to 50), and never less than 32 MiB.
    pub reserve_percent: u8,
    /// Size in MiB of the file that is given up for the database when the reserve melts all the same; 0 for none.
    pub ballast_mib: u64,
    /// Milliseconds between two looks at the disks; every change looks by itself, too.
    pub check_ms: u64,
    /// Seconds between two sweeps for chunks that no version names, which broken uploads leave; one more begins with
    /// each start and when the disk runs full.
    pub sweep_seconds: u64,
    /// Seconds for which such a chunk is kept, for an upload that is sent again.
    pub orphan_grace_seconds: u64,
    /// MiB of chunks that stay in the system's page cache because they were written, served or verified; older ones leave
    /// it again, so that data which passes through does not push out what others need. What queries read is not counted
    /// and stays. More where many nodes fetch the same data from a slow disk.
    pub page_cache_mib: u64,
}

/// The API for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcConfig {
    /// Addresses of the API, TLS 1.3 only.
    pub listen: Vec<SocketAddr>,
    /// Further names and addresses in the server's certificate.
    pub names: Vec<String>,
}

/// The network of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct P2pConfig {
    /// Multiaddresses of the node network.
    pub listen: Vec<String>,
    /// Addresses that other nodes are told instead of those listened on, as `HOST:PORT` or multiaddress: for a node that
    /// they reach through a port forward or a published port. Empty: those listened on.
    pub announce: Vec<String>,
    /// Whether nodes on the same network are found by themselves, by multicast DNS.
    pub mdns: bool,
    /// Seconds between two looks at each peer's catalogue, which repair a lost announcement.
    pub poll_seconds: u64,
}

/// The pages and health probes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebConfig {
    /// Address of the pages and of the probes `/livez` and `/readyz`; over plain HTTP loopback only.
    pub listen: SocketAddr,
    /// Whether the pages are served over TLS, with the certificate of the API unless `web.certificate` names another one.
    pub tls: bool,
    /// Further names under which browsers ask for the pages; also in the certificate.
    pub hosts: Vec<String>,
    /// Where `bib ui` leads instead of the address listened on, as `HOST:PORT`: for pages that browsers reach by another
    /// name, or through a port forward or a published port. The name counts as one of `web.hosts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announce: Option<String>,
    /// PEM file of a certificate for the pages that somebody else signed, with those between it and its authority behind
    /// it; read at each start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// PEM file with the key of `web.certificate`, which only the user who runs bibd may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// What a proxy keeps in memory, and whom it asks first. Only nodes with `node.mode = "proxy"` use it. Since 0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyConfig {
    /// Chunks that are kept in memory, in MiB, those not read for longest going first; at least 64.
    pub cache_mib: u64,
    /// Seconds for which a node's answer is believed: which datasets there are, and which version is the latest; 0 asks
    /// anew each time. What a version contains never changes.
    pub ttl_seconds: u64,
    /// Ids of nodes that are asked first for a dataset; the others only if none of these has it.
    pub favorites: Vec<String>,
}

/// What a query may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueryConfig {
    /// Most rows that a query may return.
    pub max_rows: u64,
    /// Most memory that a query may use, in MiB.
    pub memory_mib: u64,
    /// Longest that a query may run, in seconds.
    pub timeout_seconds: u64,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,bib_swarm=debug`.
    pub level: String,
    /// `text` or `json`, on standard error.
    pub format: String,
}

/// A person who may log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserConfig {
    /// Name, as it stands in the audit log.
    pub name: String,
    /// `admin`, `operator`, `researcher` or `reader`.
    pub role: String,
    /// Public key in OpenSSH form.
    pub key: String,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self { name: host_name(), mode: "selective".to_owned(), data_dir: default_data_dir() }
    }
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { runtime: "auto".to_owned(), user: None, bin_dir: None, cache_ttl_hours: 720 }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            reserve_mib: 1024,
            reserve_percent: 10,
            ballast_mib: 64,
            check_ms: 1000,
            sweep_seconds: 21_600,
            orphan_grace_seconds: 86_400,
            page_cache_mib: 1024,
        }
    }
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self { listen: vec![SocketAddr::from(([0, 0, 0, 0], 4000))], names: Vec::new() }
    }
}

impl Default for P2pConfig {
    fn default() -> Self {
        let listen = ["/ip4/0.0.0.0/tcp/4001", "/ip4/0.0.0.0/udp/4001/quic-v1"];
        Self { listen: listen.map(str::to_owned).to_vec(), announce: Vec::new(), mdns: true, poll_seconds: 30 }
    }
}

impl Default for WebConfig {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 4080));
        Self { listen, tls: false, hosts: Vec::new(), announce: None, certificate: None, key: None }
    }
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self { cache_mib: 256, ttl_seconds: 10, favorites: Vec::new() }
    }
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self { max_rows: 1_000_000, memory_mib: 512, timeout_seconds: 120 }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: "text".to_owned() }
    }
}

fn host_name() -> String {
    hostname::get()
        .ok()
        .and_then(|name| name.into_string().ok())
        .filter(|n| !n.is_empty())
        .unwrap_or_else(|| "bib".into())
}

/// `/var/lib/bib` for root, else the XDG data folder of the user.
fn default_data_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/bib");
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
    base.unwrap_or_else(|| PathBuf::from("/var/lib")).join("bib")
}
