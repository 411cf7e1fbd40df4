//! What a node keeps and serves (its mode), and which storage each mode needs.

use std::fmt;
use std::str::FromStr;

/// What a node keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeMode {
    /// Keeps everything that its base nodes have. Needs managed PostgreSQL.
    Full,
    /// Keeps the topics it subscribed to.
    Selective,
    /// Keeps nothing: reads what other nodes have, through a cache in memory.
    Proxy,
}

/// Where a node keeps its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StorageKind {
    /// A PostgreSQL that bibd owns.
    Postgres,
    /// SQLite: a cache that serves nobody, marked `untrusted-storage`.
    Sqlite,
}

/// A mode that the storage cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "mode \"full\" needs the managed PostgreSQL, and this node has SQLite only: an SQLite node is marked untrusted-storage, \
     keeps copies for itself and serves nobody. Install PostgreSQL 14 to 18 (Debian: apt-get install postgresql) and set \
     database.runtime = \"auto\", or set node.mode = \"selective\""
)]
pub struct ModeRefusal;

/// Data that would originate on storage that others must not rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this node keeps its catalogue in SQLite: it is marked untrusted-storage, holds copies of other nodes' data and serves \
     nobody, so what originates here would be in no other place"
)]
pub struct OriginRefusal;

/// Something that only a node which keeps data can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this node is a proxy: it keeps nothing, and reads what other nodes have")]
pub struct KeepRefusal;

impl NodeMode {
    /// Says whether a node of this mode may take something to keep: a version, a topic, a subscription.
    ///
    /// # Errors
    /// [`KeepRefusal`] for a proxy.
    pub const fn check_keep(self) -> Result<(), KeepRefusal> {
        match self {
            Self::Full | Self::Selective => Ok(()),
            Self::Proxy => Err(KeepRefusal),
        }
    }

    /// Says whether a node of this mode may run on `storage`.
    ///
    /// # Errors
    /// [`ModeRefusal`] for a full node on SQLite.
    pub const fn check(self, storage: StorageKind) -> Result<(), ModeRefusal> {
        match (self, storage) {
            (Self::Full, StorageKind::Sqlite) => Err(ModeRefusal),
            _ => Ok(()),
        }
    }

    /// The word used in configuration and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Selective => "selective",
            Self::Proxy => "proxy",
        }
    }
}

impl StorageKind {
    /// Whether other nodes may rely on copies kept here.
    #[must_use]
    pub const fn is_trusted(self) -> bool {
        matches!(self, Self::Postgres)
    }

    /// Whether topics and versions may originate on this storage, instead of being copies of another node's.
    ///
    /// # Errors
    /// [`OriginRefusal`] for SQLite.
    pub const fn check_origin(self) -> Result<(), OriginRefusal> {
        if self.is_trusted() { Ok(()) } else { Err(OriginRefusal) }
    }

    /// The word used in configuration and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }
}

impl fmt::Display for NodeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NodeMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "full" => Ok(Self::Full),
            "selective" => Ok(Self::Selective),
            "proxy" => Ok(Self::Proxy),
            _ => Err(format!("{text:?} is not a mode: use full, selective or proxy")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_originates_on_trusted_storage_only() {
        assert!(StorageKind::Postgres.check_origin().is_ok());
        assert_eq!(StorageKind::Sqlite.check_origin(), Err(OriginRefusal));
    }

    #[test]
    fn a_proxy_keeps_nothing() {
        assert!(NodeMode::Full.check_keep().is_ok() && NodeMode::Selective.check_keep().is_ok());
        assert_eq!(NodeMode::Proxy.check_keep(), Err(KeepRefusal));
    }

    #[test]
    fn only_full_on_sqlite_is_refused() {
        for mode in [NodeMode::Full, NodeMode::Selective, NodeMode::Proxy] {
            assert!(mode.check(StorageKind::Postgres).is_ok());
            assert_eq!(mode.check(StorageKind::Sqlite).is_err(), mode == NodeMode::Full);
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
    }
}
