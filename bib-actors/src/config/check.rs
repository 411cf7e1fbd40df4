//! What a configuration says beyond its types: values that are read, and those that cannot be used.

use super::{Config, ConfigError, UserConfig};
use bib_domain::{NodeId, NodeMode};
use bib_gateway::BootstrapKey;
use bib_gateway::web::Announced;
use std::collections::BTreeSet;

impl Config {
    /// The node's mode.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is no mode.
    pub fn mode(&self) -> Result<NodeMode, ConfigError> {
        self.node.mode.parse().map_err(|why| ConfigError::Value { key: "node.mode", why })
    }

    /// The nodes that a proxy asks first.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when one is no node's id.
    pub fn favorites(&self) -> Result<BTreeSet<NodeId>, ConfigError> {
        let parse = |id: &String| {
            id.parse().map_err(|error| ConfigError::Value { key: "proxy.favorites", why: format!("{id:?}: {error}") })
        };
        self.proxy.favorites.iter().map(parse).collect()
    }

    /// Where people are told to find the pages, if not where they listen.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is no address.
    pub fn announced(&self) -> Result<Option<Announced>, ConfigError> {
        let parse =
            |text: &String| text.parse::<Announced>().map_err(|why| ConfigError::Value { key: "web.announce", why });
        self.web.announce.as_ref().map(parse).transpose()
    }

    /// Checks every value that a type cannot check.
    ///
    /// # Errors
    /// [`ConfigError::Value`] with the key and the reason.
    pub fn check(&self) -> Result<(), ConfigError> {
        let value = |key: &'static str, why: &str| Err(ConfigError::Value { key, why: why.to_owned() });
        self.mode()?;
        self.favorites()?;
        if self.proxy.cache_mib < 64 {
            return value(
                "proxy.cache_mib",
                "a proxy needs room for the chunks that one read has in hand: 64 at least",
            );
        }
        if !self.node.data_dir.is_absolute() {
            return value(
                "node.data_dir",
                "it must be an absolute path, so that it does not depend on where bibd starts",
            );
        }
        if self.node.name.is_empty() || self.node.name.len() > 100 || self.node.name.chars().any(char::is_control) {
            return value("node.name", "use 1 to 100 printable characters");
        }
        if !matches!(self.database.runtime.as_str(), "auto" | "process" | "sqlite") {
            return value("database.runtime", "use auto, process or sqlite");
        }
        self.check_web()?;
        if !matches!(self.log.format.as_str(), "text" | "json") {
            return value("log.format", "use text or json");
        }
        let query = &self.query;
        if self.p2p.poll_seconds == 0 || [query.timeout_seconds, query.max_rows, query.memory_mib].contains(&0) {
            return value(
                "p2p.poll_seconds, query.timeout_seconds, query.max_rows, query.memory_mib",
                "zero would mean never or nothing",
            );
        }
        if self.storage.check_ms == 0
            || self.storage.sweep_seconds == 0
            || !(1..=50).contains(&self.storage.reserve_percent)
        {
            return value(
                "storage.check_ms, storage.sweep_seconds, storage.reserve_percent",
                "a period must not be zero, and the reserve is 1 to 50 percent of a file system",
            );
        }
        let unusable = |key: &'static str| move |why: String| ConfigError::Value { key, why };
        for address in &self.p2p.listen {
            bib_swarm::check_listen(address).map_err(|error| unusable("p2p.listen")(error.to_string()))?;
        }
        for address in &self.p2p.announce {
            bib_swarm::check_announce(address).map_err(|error| unusable("p2p.announce")(error.to_string()))?;
        }
        bib_gateway::check_keys(&self.keys()?).map_err(|error| unusable("users")(error.to_string()))?;
        crate::logging::filter(&self.log.level).map(drop)
    }

    fn check_web(&self) -> Result<(), ConfigError> {
        let value = |key: &'static str, why: &str| Err(ConfigError::Value { key, why: why.to_owned() });
        let web = &self.web;
        if !web.tls && !web.listen.ip().is_loopback() {
            return value(
                "web.listen",
                "pages that others can reach are served over TLS only: set web.tls = true, or use 127.0.0.1 and an SSH tunnel",
            );
        }
        self.announced()?;
        let files: Vec<_> = web.certificate.iter().chain(&web.key).collect();
        if files.len() == 1 {
            return value("web.certificate, web.key", "a certificate and its key go together: name both, or neither");
        }
        if !files.is_empty() && !web.tls {
            return value("web.certificate", "it is shown over TLS only: set web.tls = true");
        }
        if !files.iter().all(|path| path.is_absolute()) {
            return value(
                "web.certificate, web.key",
                "they must be absolute paths, so that they do not depend on where bibd starts",
            );
        }
        Ok(())
    }

    /// The keys of those who may log in.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when a role is none.
    pub fn keys(&self) -> Result<Vec<BootstrapKey>, ConfigError> {
        let key = |user: &UserConfig| match user.role.parse() {
            Ok(role) => Ok(BootstrapKey { name: user.name.clone(), role, key: user.key.clone() }),
            Err(why) => Err(ConfigError::Value { key: "users.role", why }),
        };
        self.users.iter().map(key).collect()
    }
}
