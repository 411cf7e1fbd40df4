//! The program's own files: which node it talks to, with which key, whom it trusts.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::global::Global;
use bib_proto::client::{Address, TrustStore};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What `bib setup` and `bib connect` remember.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Address of the node that commands go to.
    pub(crate) node: Option<String>,
    /// Private key to log in with.
    pub(crate) ssh_key: Option<PathBuf>,
    /// Folder of the node on this machine.
    pub(crate) data_dir: Option<PathBuf>,
}

/// The folder of this program's own files.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// From `--config-dir`, else the XDG configuration folder.
    ///
    /// # Errors
    /// When no folder can be told: neither flag nor `HOME` is there.
    pub(crate) fn find(global: &Global) -> CliResult<Self> {
        if let Some(folder) = &global.config_dir {
            return Ok(Self(folder.clone()));
        }
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
        let base =
            std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
        base.map(|base| Self(base.join("bib")))
            .ok_or_else(|| CliError::usage("HOME is not set: say where bib keeps its files with --config-dir DIR"))
    }

    /// The folder itself.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Whom this user trusts.
    #[must_use]
    pub(crate) fn trust(&self) -> TrustStore {
        TrustStore::at(self.0.join("trusted_nodes"))
    }

    /// Where the session with the node at `address` is kept.
    #[must_use]
    pub(crate) fn session(&self, address: &Address) -> PathBuf {
        let name: String =
            address.to_string().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        self.0.join("sessions").join(name)
    }

    /// Where the daemon's configuration is written by `bib setup`.
    #[must_use]
    pub(crate) fn daemon_config(&self) -> PathBuf {
        self.0.join("bibd.toml")
    }

    /// Reads the settings; none yet is fine.
    ///
    /// # Errors
    /// When the file is there but damaged.
    pub(crate) fn settings(&self) -> CliResult<Settings> {
        let path = self.0.join("config.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| {
                CliError::usage(format!("{} is not valid: {error}", path.display()))
                    .hint("mend that line, or remove the file and choose the node again: bib connect ADDR")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Settings::default()),
            Err(error) => Err(CliError::new(Exit::Failed, format!("cannot read {}: {error}", path.display()))),
        }
    }

    /// Keeps the settings, durably.
    ///
    /// # Errors
    /// When the file cannot be written; it is then as it was.
    pub(crate) fn save(&self, settings: &Settings) -> CliResult {
        let text = toml::to_string(settings).map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
        write_private(&self.0.join("config.toml"), &text)
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
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
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
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| CliError::new(Exit::Failed, format!("cannot sync {}: {error}", folder.display())))
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
