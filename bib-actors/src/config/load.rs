//! Reads the configuration from its four sources.

use super::Config;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, or has a key or type that is not known.
    #[error("the configuration {path} is not valid: {source}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Line, column and reason.
        source: Box<toml::de::Error>,
    },
    /// A value cannot be used.
    #[error("the configuration has a value that cannot be used in {key}: {why}")]
    Value {
        /// Which key.
        key: &'static str,
        /// Why, and what can be used.
        why: String,
    },
}

/// What the command line and the environment say; they win over the file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Overrides {
    /// Configuration file [default: the first of ./bibd.toml, ~/.config/bib/bibd.toml, /etc/bib/bibd.toml]
    #[arg(short, long, env = "BIBD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of everything that this node keeps
    #[arg(long, env = "BIBD_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Name of this node for people
    #[arg(long, env = "BIBD_NAME")]
    pub name: Option<String>,
    /// full or selective
    #[arg(long, env = "BIBD_MODE")]
    pub mode: Option<String>,
    /// auto, process or sqlite
    #[arg(long, env = "BIBD_DATABASE_RUNTIME", value_name = "RUNTIME")]
    pub database_runtime: Option<String>,
    /// Address of the API; may be given more than once
    #[arg(long, env = "BIBD_GRPC_LISTEN", value_delimiter = ',', value_name = "ADDR")]
    pub grpc_listen: Vec<SocketAddr>,
    /// Multiaddress of the node network; may be given more than once
    #[arg(long, env = "BIBD_P2P_LISTEN", value_delimiter = ',', value_name = "MULTIADDR")]
    pub p2p_listen: Vec<String>,
    /// Address that other nodes are told instead of those listened on; may be given more than once
    #[arg(long, env = "BIBD_P2P_ANNOUNCE", value_delimiter = ',', value_name = "ADDR")]
    pub p2p_announce: Vec<String>,
    /// Address of pages and health probes
    #[arg(long, env = "BIBD_WEB_LISTEN", value_name = "ADDR")]
    pub web_listen: Option<SocketAddr>,
    /// Serve the pages over TLS
    #[arg(long, env = "BIBD_WEB_TLS", value_name = "true|false", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true")]
    pub web_tls: Option<bool>,
    /// Further name under which browsers ask for the pages; may be given more than once
    #[arg(long, env = "BIBD_WEB_HOSTS", value_delimiter = ',', value_name = "NAME")]
    pub web_hosts: Vec<String>,
    /// Where bib ui leads instead of the address listened on
    #[arg(long, env = "BIBD_WEB_ANNOUNCE", value_name = "HOST:PORT")]
    pub web_announce: Option<String>,
    /// Certificate for the pages that somebody else signed
    #[arg(long, env = "BIBD_WEB_CERTIFICATE", value_name = "FILE")]
    pub web_certificate: Option<PathBuf>,
    /// Key of that certificate
    #[arg(long, env = "BIBD_WEB_KEY", value_name = "FILE")]
    pub web_key: Option<PathBuf>,
    /// Do not look for nodes by multicast DNS
    #[arg(long, env = "BIBD_NO_MDNS")]
    pub no_mdns: bool,
    /// What is logged, for example info or info,bib_swarm=debug
    #[arg(long, env = "BIBD_LOG", value_name = "FILTER")]
    pub log_level: Option<String>,
    /// text or json
    #[arg(long, env = "BIBD_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,
}

/// Reads the file that `overrides` names, or the first that exists at a usual place, and lays the overrides over it.
/// Answers the configuration and the file it came from, if any.
///
/// # Errors
/// [`ConfigError`] when a named file is missing, damaged, or a value cannot be used.
pub fn load(overrides: &Overrides) -> Result<(Config, Option<PathBuf>), ConfigError> {
    let path = overrides.config.clone().or_else(|| usual_places().into_iter().find(|path| path.is_file()));
    let mut config = match &path {
        Some(path) => read(path)?,
        None => Config::default(),
    };
    lay_over(&mut config, overrides);
    config.check()?;
    Ok((config, path))
}

fn read(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })
}

fn usual_places() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from("bibd.toml")];
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    if let Some(base) = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home) {
        places.push(base.join("bib/bibd.toml"));
    }
    places.push(PathBuf::from("/etc/bib/bibd.toml"));
    places
}

fn lay_over(config: &mut Config, overrides: &Overrides) {
    fn put<T: Clone>(slot: &mut T, value: Option<&T>) {
        if let Some(value) = value {
            slot.clone_from(value);
        }
    }
    put(&mut config.node.data_dir, overrides.data_dir.as_ref());
    put(&mut config.node.name, overrides.name.as_ref());
    put(&mut config.node.mode, overrides.mode.as_ref());
    put(&mut config.database.runtime, overrides.database_runtime.as_ref());
    put(&mut config.web.listen, overrides.web_listen.as_ref());
    put(&mut config.web.tls, overrides.web_tls.as_ref());
    let web = &mut config.web;
    web.announce = overrides.web_announce.clone().or_else(|| web.announce.take());
    web.certificate = overrides.web_certificate.clone().or_else(|| web.certificate.take());
    web.key = overrides.web_key.clone().or_else(|| web.key.take());
    if !overrides.web_hosts.is_empty() {
        web.hosts.clone_from(&overrides.web_hosts);
    }
    put(&mut config.log.level, overrides.log_level.as_ref());
    put(&mut config.log.format, overrides.log_format.as_ref());
    if !overrides.grpc_listen.is_empty() {
        config.grpc.listen.clone_from(&overrides.grpc_listen);
    }
    if !overrides.p2p_listen.is_empty() {
        config.p2p.listen.clone_from(&overrides.p2p_listen);
    }
    if !overrides.p2p_announce.is_empty() {
        config.p2p.announce.clone_from(&overrides.p2p_announce);
    }
    if overrides.no_mdns {
        config.p2p.mdns = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command, FromArgMatches};

    fn with_file(text: &str, overrides: Overrides) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bibd.toml");
        std::fs::write(&path, text).unwrap();
        load(&Overrides { config: Some(path), ..overrides }).map(|(config, _)| config)
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let text = "[node]\nname = \"file\"\nmode = \"full\"\ndata_dir = \"/srv/bib\"\n";
        let config = with_file(text, Overrides { name: Some("flag".into()), ..Overrides::default() }).unwrap();
        assert_eq!(config.node.name, "flag");
        assert_eq!(config.node.mode, "full");
        assert_eq!(config.node.data_dir, PathBuf::from("/srv/bib"));
    }

    /// What the words of a command line say.
    fn words(words: &[&str]) -> Overrides {
        let command = Overrides::augment_args(Command::new("bibd"));
        let matches = command.try_get_matches_from([&["bibd"], words].concat()).unwrap();
        Overrides::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn the_pages_of_a_container_need_no_file() {
        let text = "[web]\ntls = true\nhosts = [\"old\"]\n";
        let off = with_file(text, words(&["--web-tls=false"])).unwrap();
        assert!(!off.web.tls, "the command line wins over the file");
        let given = ["--web-tls", "--web-listen=0.0.0.0:4080", "--web-announce=127.0.0.1:4180", "--web-hosts=a,b"];
        let files = ["--web-certificate=/run/pages.pem", "--web-key=/run/pages.key"];
        let config = with_file("", words(&[&given[..], &files].concat())).unwrap();
        assert!(config.web.tls && config.web.hosts == ["a", "b"]);
        assert_eq!(config.announced().unwrap().unwrap().to_string(), "127.0.0.1:4180");
        assert_eq!(config.web.key, Some(PathBuf::from("/run/pages.key")));
        assert_eq!(with_file(&toml::to_string(&config).unwrap(), Overrides::default()).unwrap(), config);
    }

    #[test]
    fn defaults_are_valid_and_survive_a_round_trip() {
        let config = Config::default();
        config.check().unwrap();
        assert_eq!(with_file(&toml::to_string(&config).unwrap(), Overrides::default()).unwrap(), config);
    }

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICxmxXRPAd363WTNVsCuYRjSORoDAnOnZ+assviHvNKB a@lab";

    fn entry(name: &str, role: &str) -> String {
        format!("[[users]]\nname = \"{name}\"\nrole = \"{role}\"\nkey = \"{KEY}\"\n")
    }

    #[test]
    fn people_who_can_be_meant_are_taken() {
        let config = with_file(&entry("a", "admin"), Overrides::default()).unwrap();
        assert_eq!(config.keys().unwrap()[0].key, KEY);
    }

    #[test]
    fn says_which_key_is_wrong() {
        for (text, word) in [
            ("[node]\nmoed = \"full\"\n", "moed"),
            ("[node]\nmode = \"big\"\n", "node.mode"),
            ("[proxy]\nfavorites = [\"lab-a\"]\n", "proxy.favorites"),
            ("[proxy]\ncache_mib = 8\n", "proxy.cache_mib"),
            ("[node]\ndata_dir = \"here\"\n", "node.data_dir"),
            ("[web]\nlisten = \"0.0.0.0:4080\"\n", "web.listen"),
            ("[[users]]\nname = \"a\"\nrole = \"king\"\nkey = \"ssh-ed25519 A\"\n", "users.role"),
            ("[[users]]\nname = \"a\"\nrole = \"admin\"\nkey = \"ssh-ed25519 A\"\n", "user \"a\""),
            (&[entry("a", "admin"), entry("b", "admin")].concat(), "belongs to user \"a\""),
            (&[entry("a", "admin"), entry("a", "reader")].concat(), "one role"),
            ("[p2p]\nlisten = [\"/ip4/0.0.0.0/tcp\"]\n", "p2p.listen"),
            ("[p2p]\nlisten = [\"lab.example:4001\"]\n", "p2p.listen"),
            ("[p2p]\nannounce = [\"/ip4/10.0.0.5\"]\n", "p2p.announce"),
            ("[query]\nmemory_mib = 0\n", "query.memory_mib"),
            ("[log]\nlevel = \"warning\"\n", "error, warn, info"),
            ("[web]\nannounce = \"https://lab-a:4080\"\n", "web.announce"),
            ("[web]\ntls = true\ncertificate = \"/a.pem\"\n", "name both"),
            ("[web]\ncertificate = \"/a.pem\"\nkey = \"/a.key\"\n", "web.tls = true"),
            ("[web]\ntls = true\ncertificate = \"a.pem\"\nkey = \"/a.key\"\n", "absolute"),
            ("not toml", "bibd.toml"),
        ] {
            let error = with_file(text, Overrides::default()).unwrap_err().to_string();
            assert!(error.contains(word), "{text:?} gave {error:?}");
        }
    }
}
