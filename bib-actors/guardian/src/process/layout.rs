//! Where the server's files are and who may see them.
//!
//! ```text
//! <data_dir>/postgres        bibd's; the server's account may pass
//!   conf/                    bibd's; the server's account may read
//!   data/ log/ run/          the server's
//!   start.log                bibd's; what the server said before it had a log
//! ```

use super::Account;
use crate::error::GuardianError;
use sha2::{Digest, Sha256};
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// The socket's name, which PostgreSQL makes of the port.
const SOCKET_NAME: &str = ".s.PGSQL.5432";
/// The longest path of a Unix socket, without its closing zero.
const SOCKET_MAX: usize = 107;

/// The directories of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) data_dir: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) conf: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) run: PathBuf,
    pub(crate) start_log: PathBuf,
}

/// The directory of the socket: in `root` if its path is short enough, else a short one of its own.
fn socket_dir(root: &Path, short_base: &Path) -> PathBuf {
    let run = root.join("run");
    if run.as_os_str().len() + 1 + SOCKET_NAME.len() <= SOCKET_MAX {
        return run;
    }
    let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
    short_base.join(format!("bib-{}", hex::encode(&digest[..8])))
}

impl Layout {
    /// The file in which a server says that the socket is its own.
    pub(crate) fn socket_lock(&self) -> PathBuf {
        self.run.join(format!("{SOCKET_NAME}.lock"))
    }

    pub(crate) fn new(data_dir: &Path, account: &Account) -> Result<Self, GuardianError> {
        let data_dir = std::fs::canonicalize(data_dir).map_err(GuardianError::file("find", data_dir))?;
        let root = data_dir.join("postgres");
        let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let short_base = runtime_dir.filter(|dir| !account.drops_privileges && dir.is_dir());
        let run = socket_dir(&root, &short_base.unwrap_or_else(|| PathBuf::from("/tmp")));
        Ok(Self {
            conf: root.join("conf"),
            data: root.join("data"),
            log: root.join("log"),
            start_log: root.join("start.log"),
            run,
            root,
            data_dir,
        })
    }

    /// The major version of the server that made the data directory, if there is one.
    pub(crate) fn data_version(&self) -> Result<Option<u32>, GuardianError> {
        let path = self.data.join("PG_VERSION");
        match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map(Some).map_err(|_| {
                GuardianError::Setup(format!(
                    "{} does not name a version of PostgreSQL: the data directory is damaged, restore it from a backup",
                    path.display()
                ))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(GuardianError::file("read", path)(source)),
        }
    }

    /// Refuses places that the server's account cannot reach, with the directory that is in the way.
    pub(crate) fn check_reachable(&self, account: &Account) -> Result<(), GuardianError> {
        if !account.drops_privileges {
            return Ok(());
        }
        for dir in self.data_dir.ancestors() {
            let meta = std::fs::metadata(dir).map_err(GuardianError::file("look at", dir))?;
            let closed = !account.may_pass(meta.uid(), meta.gid(), meta.mode());
            // the node's own directory is opened by `make`, as long as nobody else relies on its group
            let ours = dir == self.data_dir && meta.uid() == 0 && meta.mode() & 0o070 == 0;
            if closed && !ours {
                return Err(GuardianError::Setup(format!(
                    "PostgreSQL runs as {} and cannot pass through {}: allow it (chmod o+x {}), set data_dir to a place that it can reach, \
                     or set database.user",
                    account.name,
                    dir.display(),
                    dir.display()
                )));
            }
        }
        Ok(())
    }

    /// Makes what is missing and sets owners and modes.
    pub(crate) fn make(&self, account: &Account) -> Result<(), GuardianError> {
        if account.drops_privileges {
            let meta = std::fs::metadata(&self.data_dir).map_err(GuardianError::file("look at", &self.data_dir))?;
            if !account.may_pass(meta.uid(), meta.gid(), meta.mode()) {
                own(&self.data_dir, 0, account.gid, meta.mode() & 0o7707 | 0o010)?;
            }
        }
        let (owner, group_may_pass, group_may_read) =
            if account.drops_privileges { (0, 0o710, 0o750) } else { (account.uid, 0o700, 0o700) };
        for (dir, uid, mode) in
            [(&self.root, owner, group_may_pass), (&self.conf, owner, group_may_read), (&self.log, account.uid, 0o700)]
        {
            make_dir(dir)?;
            own(dir, uid, account.gid, mode)?;
        }
        self.make_socket_dir(account)
    }

    /// The socket's directory may lie where others can make names: it is used only if it is a directory that nobody else
    /// made.
    fn make_socket_dir(&self, account: &Account) -> Result<(), GuardianError> {
        match DirBuilder::new().mode(0o700).create(&self.run) {
            Ok(()) => return own(&self.run, account.uid, account.gid, 0o700),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(GuardianError::file("make the directory", &self.run)(source)),
        }
        let meta = std::fs::symlink_metadata(&self.run).map_err(GuardianError::file("look at", &self.run))?;
        if self.run.starts_with(&self.root) && meta.is_dir() {
            return own(&self.run, account.uid, account.gid, 0o700);
        }
        if !meta.is_dir() || meta.uid() != account.uid || meta.mode() & 0o077 != 0 {
            return Err(GuardianError::Setup(format!(
                "{} is to hold the database's socket, but somebody else made it or others may enter it: remove it, or set data_dir to a \
                 shorter path",
                self.run.display()
            )));
        }
        Ok(())
    }

    /// Refuses a data directory of another account.
    pub(crate) fn check_owner(&self, account: &Account) -> Result<(), GuardianError> {
        let meta = std::fs::metadata(&self.data).map_err(GuardianError::file("look at", &self.data))?;
        if meta.uid() == account.uid {
            return Ok(());
        }
        Err(GuardianError::Setup(format!(
            "{} belongs to user id {}, and PostgreSQL is to run as {} ({}): set database.user to its owner, or start bibd as the user that \
             made it",
            self.data.display(),
            meta.uid(),
            account.name,
            account.uid
        )))
    }
}

fn make_dir(path: &Path) -> Result<(), GuardianError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(GuardianError::file("make the directory", path)(error))
        }
        _ => Ok(()),
    }
}

/// Sets owner and mode, and leaves alone what is right already.
pub(crate) fn own(path: &Path, uid: u32, gid: u32, mode: u32) -> Result<(), GuardianError> {
    let meta = std::fs::symlink_metadata(path).map_err(GuardianError::file("look at", path))?;
    if meta.file_type().is_symlink() {
        return Err(GuardianError::Setup(format!(
            "{} is a symbolic link: bibd follows none in its database's directory, put the real one in its place",
            path.display()
        )));
    }
    if (meta.uid(), meta.gid()) != (uid, gid) {
        chown(path, Some(uid), Some(gid)).map_err(GuardianError::file("set the owner of", path))?;
    }
    if meta.mode() & 0o7777 != mode {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .map_err(GuardianError::file("set the mode of", path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_a_short_socket() {
        let base = Path::new("/tmp");
        assert_eq!(socket_dir(Path::new("/d/postgres"), base), Path::new("/d/postgres/run"));
        let long = PathBuf::from(format!("/{}/postgres", "x".repeat(90)));
        let short = socket_dir(&long, base);
        assert!(short.starts_with("/tmp") && short.join(SOCKET_NAME).as_os_str().len() <= SOCKET_MAX, "{short:?}");
        assert_eq!(short, socket_dir(&long, base), "the same data directory has the same socket");
        let fits = format!("/{}", "x".repeat(SOCKET_MAX - SOCKET_NAME.len() - "/run/".len() - 1));
        assert_eq!(socket_dir(Path::new(&fits), base), Path::new(&fits).join("run"));
        assert!(socket_dir(Path::new(&format!("{fits}x")), base).starts_with("/tmp"));
    }

    #[test]
    fn a_socket_directory_of_somebody_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let account = Account::choose(None).unwrap();
        let mut layout = Layout::new(dir.path(), &account).unwrap();
        layout.make(&account).unwrap();
        layout.run = dir.path().join("short");
        std::os::unix::fs::symlink("/tmp", &layout.run).unwrap();
        let refused = layout.make(&account).unwrap_err().to_string();
        assert!(refused.contains("somebody else"), "{refused}");
    }

    #[test]
    fn links_in_the_way_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let account = Account::choose(None).unwrap();
        let layout = Layout::new(dir.path(), &account).unwrap();
        std::os::unix::fs::symlink("/tmp", &layout.root).unwrap();
        assert!(layout.make(&account).unwrap_err().to_string().contains("symbolic link"));
    }
}
