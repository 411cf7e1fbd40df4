//! The program's own files: which node it talks to, with which key, whom it trusts.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::global::Global;
use crate::shell::word;
use bib_proto::client::{Address, TrustStore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// So much of an address stands in the name of a session's file, for people: a file's name may not be of any length.
const READABLE: usize = 48;

/// What `bib setup`, `bib connect` and `bib config set` remember. A project's file and the system's have the same form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Address of the node that commands go to.
    pub(crate) node: Option<String>,
    /// Name of the context that commands use.
    pub(crate) context: Option<String>,
    /// Private key to log in with.
    pub(crate) ssh_key: Option<PathBuf>,
    /// Folder of the node on this machine.
    pub(crate) data_dir: Option<PathBuf>,
    /// As `--output`.
    pub(crate) output: Option<String>,
    /// As `--color`.
    pub(crate) color: Option<String>,
    /// As `--progress`.
    pub(crate) progress: Option<String>,
    /// As `--timeout`.
    pub(crate) timeout: Option<String>,
    /// Nodes that were connected to, by a name of their own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// A node, and who one is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Its address.
    pub(crate) node: String,
    /// Private key to log in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ssh_key: Option<PathBuf>,
}

/// The folder of this program's own files.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    folder: PathBuf,
    file: PathBuf,
    cache: PathBuf,
}

impl Home {
    /// From `--config-dir`, else the XDG configuration folder; the settings lie in it unless `--config` names a file.
    ///
    /// # Errors
    /// When no folder can be told: neither flag nor `HOME` is there. When `--config` names no file for a command that
    /// only reads it.
    pub(crate) fn find(global: &Global) -> CliResult<Self> {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
        let base =
            std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
        let folder =
            global.config_dir.clone().or_else(|| base.map(|base| base.join("bib"))).ok_or_else(|| {
                CliError::usage("HOME is not set: say where bib keeps its files with --config-dir DIR")
            })?;
        let file = global.config.clone().unwrap_or_else(|| folder.join("config.toml"));
        if global.file_must_exist && !file.exists() {
            return Err(CliError::usage(format!("--config: there is no file {}", file.display()))
                .because("BAD_CONFIG")
                .hint(format!("look at its name, or make it: bib config set KEY VALUE --config {}", word(&file))));
        }
        let cache = cache_folder(global).unwrap_or_else(|| folder.join("cache"));
        Ok(Self { folder, file, cache })
    }

    /// The folder itself.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// The file of the settings.
    #[must_use]
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Whom this user trusts.
    #[must_use]
    pub(crate) fn trust(&self) -> TrustStore {
        TrustStore::at(self.folder.join("trusted_nodes"))
    }

    /// The folder of what only saves work, and may be removed at any time.
    #[must_use]
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// The folder of the sessions that are kept.
    #[must_use]
    pub(crate) fn sessions(&self) -> PathBuf {
        self.folder.join("sessions")
    }

    /// Where the session with the node at `address` is kept that was opened with this named key, or with none named.
    ///
    /// Each address and key has a file of its own: a session says who one is, and only that node may see its token.
    #[must_use]
    pub(crate) fn session(&self, address: &Address, key: Option<&Path>) -> PathBuf {
        let address = address.to_string();
        let mut hash = Sha256::new();
        hash.update(&address);
        hash.update([0, u8::from(key.is_some())]);
        if let Some(key) = key {
            let whole = std::path::absolute(key).unwrap_or_else(|_| key.to_owned());
            hash.update(whole.as_os_str().as_encoded_bytes());
        }
        let readable: String =
            address.chars().take(READABLE).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        self.sessions().join(format!("{readable}-{}", hex::encode(&hash.finalize()[..16])))
    }

    /// Where the daemon's configuration is written by `bib setup`.
    #[must_use]
    pub(crate) fn daemon_config(&self) -> PathBuf {
        self.folder.join("bibd.toml")
    }

    /// Reads the settings; none yet is fine.
    ///
    /// # Errors
    /// When the file is there but damaged.
    pub(crate) fn settings(&self) -> CliResult<Settings> {
        let advice = "mend that line, or let the doctor set the file aside: bib doctor --fix";
        Ok(read_settings(&self.file, advice)?.unwrap_or_default())
    }

    /// Keeps the settings, durably.
    ///
    /// # Errors
    /// When the file cannot be written; it is then as it was.
    pub(crate) fn save(&self, settings: &Settings) -> CliResult {
        let text = toml::to_string(settings).map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
        write_private(&self.file, &text)
    }
}

/// The XDG cache folder, unless the program's own files were put elsewhere: then that is with them.
fn cache_folder(global: &Global) -> Option<PathBuf> {
    if global.config_dir.is_some() {
        return None;
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    Some(base.or_else(home)?.join("bib"))
}

/// Reads a file of settings; `None` if it is not there. `advice`: what to do where it is damaged.
///
/// # Errors
/// When the file is there but damaged.
pub(crate) fn read_settings(path: &Path, advice: &str) -> CliResult<Option<Settings>> {
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map(Some).map_err(|error| {
            CliError::usage(format!("{} is not valid: {error}", path.display())).because("BAD_CONFIG").hint(advice)
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError::new(Exit::Failed, format!("cannot read {}: {error}", path.display()))),
    }
}

/// Writes a file that only its user reads: temporary name, sync, rename.
///
/// # Errors
/// When the system refuses; the file is then as it was.
pub(crate) fn write_private(path: &Path, text: &str) -> CliResult {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let write = || -> std::io::Result<()> {
        let folder = folder_of(path);
        std::fs::create_dir_all(folder)?;
        let temporary = path.with_extension(format!("tmp{}", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    write().map_err(|error| CliError::new(Exit::Failed, format!("cannot write {}: {error}", path.display())))
}

/// Makes a rename into the folder around `path` durable.
///
/// # Errors
/// When the system refuses.
pub(crate) fn sync_folder(path: &Path) -> CliResult {
    let folder = folder_of(path);
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| CliError::new(Exit::Failed, format!("cannot sync {}: {error}", folder.display())))
}

/// The folder around `path`. Of a bare name it is the one that this program stands in, which an empty path is not.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Where a node of this user keeps its data unless it was told otherwise; the same rule as bibd's.
#[must_use]
pub(crate) fn default_data_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/bib");
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
    base.unwrap_or_else(|| PathBuf::from("/var/lib")).join("bib")
}

/// The socket of the node whose data lies in `data_dir`.
///
/// A path that does not fit a socket address is kept as a link's target in `run/socket-path`.
#[must_use]
pub(crate) fn socket_of(data_dir: &Path) -> PathBuf {
    match std::fs::read_to_string(data_dir.join("run/socket-path")) {
        Ok(path) if !path.trim().is_empty() => PathBuf::from(path.trim()),
        _ => data_dir.join("run/bib.sock"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_belongs_to_one_node_and_one_key() {
        let home = Home { folder: "/h".into(), file: "/h/config.toml".into(), cache: "/h/cache".into() };
        let path = |address: &str, key: Option<&str>| home.session(&address.parse().unwrap(), key.map(Path::new));
        let plain = path("data-lab", None);
        let name = plain.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("https___data_lab_4000-") && !name.contains('.'), "{name}");
        let others = [path("data.lab", None), path("data-lab:4001", None), path("data-lab", Some("/k/ada"))];
        assert!(others.iter().all(|other| *other != plain));
        assert_ne!(path("data-lab", Some("/k/ada")), path("data-lab", Some("/k/bob")));
        let here = std::env::current_dir().unwrap().join("ada");
        assert_eq!(path("data-lab", Some("ada")), path("data-lab", here.to_str()), "a key is one file, however named");
        let long = path(&"a".repeat(300), None);
        assert!(long.file_name().unwrap().len() < 100);
    }
}
