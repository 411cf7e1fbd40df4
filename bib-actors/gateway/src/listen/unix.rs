//! The Unix socket: for people on this machine, known by the user id that the kernel reports.

use super::connection::{Connection, Stream};
use super::origin::Origin;
use super::quota::{Place, Quota};
use crate::error::GatewayError;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Longest path that fits `sockaddr_un` with its final zero.
const PATH_MAX: usize = 107;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const BIND_PAUSE: Duration = Duration::from_millis(25);

/// The file that says where the socket is when it is not in its usual place.
const WORD: &str = "socket-path";

/// The usual place of the socket.
fn usual_path(data_dir: &Path) -> PathBuf {
    data_dir.join("run").join("bib.sock")
}

/// Leaves word in `<data_dir>/run/socket-path` when the socket is not in its usual place, for whoever knows only the
/// data directory.
pub(crate) fn leave_word(data_dir: &Path, socket: &Path) -> Result<(), GatewayError> {
    let usual = usual_path(data_dir);
    let word = usual.with_file_name(WORD);
    let written = if socket == usual {
        match std::fs::remove_file(&word) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    } else {
        private_parent(&word).and_then(|()| {
            let temporary = word.with_extension("tmp");
            std::fs::write(&temporary, format!("{}\n", socket.display()))?;
            std::fs::rename(&temporary, &word)
        })
    };
    written.map_err(|source| GatewayError::Bind { address: word.display().to_string(), source })
}

/// Where the socket goes: `<data_dir>/run/bib.sock`, or a short path derived from it when that is too long.
pub(crate) fn socket_path(data_dir: &Path) -> PathBuf {
    let path = usual_path(data_dir);
    if path.as_os_str().as_bytes().len() <= PATH_MAX {
        return path;
    }
    use sha2::{Digest, Sha256};
    let digest = hex::encode(&Sha256::digest(data_dir.as_os_str().as_bytes())[..8]);
    let base = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let short = base.join(format!("bib-{digest}")).join("bib.sock");
    if short.as_os_str().as_bytes().len() <= PATH_MAX {
        short
    } else {
        PathBuf::from(format!("/tmp/bib-{digest}/bib.sock"))
    }
}

/// The listening socket; its file is removed when it is dropped.
pub(crate) struct UnixAcceptor {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
    quota: Arc<Quota>,
}

impl UnixAcceptor {
    /// Binds `path` with mode 0600 in a directory with mode 0700, waiting up to `patience` for the incarnation before.
    pub(crate) async fn bind(path: PathBuf, quota: Arc<Quota>, patience: Duration) -> Result<Self, GatewayError> {
        let failed = |source| GatewayError::Bind { address: path.display().to_string(), source };
        private_parent(&path).map_err(failed)?;
        let attempt = async {
            loop {
                match clear(&path).await {
                    Ok(true) => return UnixListener::bind(&path),
                    Ok(false) => tokio::time::sleep(BIND_PAUSE).await,
                    Err(error) => return Err(error),
                }
            }
        };
        let in_use = || io::Error::new(io::ErrorKind::AddrInUse, "another bibd listens there");
        let listener =
            tokio::time::timeout(patience, attempt).await.unwrap_or_else(|_| Err(in_use())).map_err(failed)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let inode = std::fs::symlink_metadata(&path).map_err(failed)?.ino();
        Ok(Self { listener, path, inode, quota })
    }

    /// Where the socket is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Accepts until dropped.
    pub(crate) async fn run(self, token: CancellationToken, out: mpsc::Sender<Connection>) {
        loop {
            let (stream, uid, place) = tokio::select! {
                accepted = self.next() => accepted,
                () = out.closed() => return,
            };
            drop(out.send(Connection::new(Stream::Unix(stream), Origin::Local { uid }, place, &token)).await);
        }
    }

    /// The next connection that there is a place for, and whose it is.
    pub(crate) async fn next(&self) -> (UnixStream, u32, Place) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    if let Some((uid, place)) = self.admit(&stream) {
                        return (stream, uid, place);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a local connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, stream: &UnixStream) -> Option<(u32, Place)> {
        match stream.peer_cred() {
            Ok(credentials) => Some((credentials.uid(), self.quota.enter(None).ok()?)),
            Err(error) => {
                tracing::warn!(%error, "the kernel does not say who is at the Unix socket: closed");
                None
            }
        }
    }
}

impl Drop for UnixAcceptor {
    fn drop(&mut self) {
        // Only our own file: a later incarnation may have put its socket there already.
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// The socket's directory, readable by nobody else, and ours.
fn private_parent(path: &Path) -> io::Result<()> {
    let Some(dir) = path.parent() else { return Ok(()) };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let found = std::fs::symlink_metadata(dir)?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
        let text = format!("{} is not a directory of the user that runs bibd", dir.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
}

/// Removes a socket that nobody listens on any more; false while somebody does.
async fn clear(path: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is not a socket is in its place"));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(_) => match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(true),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_data_directory_gets_a_short_socket() {
        assert_eq!(socket_path(Path::new("/var/lib/bib")), Path::new("/var/lib/bib/run/bib.sock"));
        let long = PathBuf::from(format!("/{}", "d".repeat(200)));
        let short = socket_path(&long);
        assert!(short.as_os_str().len() <= PATH_MAX && short == socket_path(&long), "{}", short.display());
        assert_ne!(short, socket_path(Path::new(&format!("/{}", "e".repeat(200)))));
    }
}
