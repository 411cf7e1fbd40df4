//! The running server: started or adopted, watched, stopped.
//!
//! There is never a second one: a live server of the data directory is adopted, the guardian holds the lock of the
//! node's data directory, and PostgreSQL refuses a directory whose server or server's children are alive.

use super::pidfile::{PidFile, has_ended};
use super::{Layout, Server, config, tail};
use crate::error::GuardianError;
use crate::options::GuardianOptions;
use bib_kit::clock;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// How often a server that stops is looked at, and at least one that starts.
const POLL: Duration = Duration::from_millis(25);
/// How often one that starts is looked at first. Later it is a sixteenth of the time that it has taken already: a start
/// is seen soon after it is done, and a long recovery is not looked at for nothing.
const FIRST_POLL: Duration = Duration::from_millis(1);
/// How long to wait before a server that did not start is started again: children of a killed one take a moment to go.
const RETRY: Duration = Duration::from_millis(250);
/// What it says when a predecessor, or one of its children, still has the data directory.
const BUSY: [&str; 2] = ["is still in use", "lock file"];
/// Names the process whose number stands in a lock file that was left behind, and that is no server of the data directory.
/// PostgreSQL only looks whether there is such a process, and would not start while there is: in a container that began
/// again the number is easily that of one of bibd's own threads. That no child of the old server lives is looked at all
/// the same.
const NOT_A_SERVER: &str = "PG_GRANDPARENT_PID";
/// How long a server that was told to stop at once may take.
const IMMEDIATE_STOP: Duration = Duration::from_secs(10);

/// A server that takes connections.
#[derive(Debug, Clone)]
pub(crate) struct Postmaster {
    pub(crate) pid: i32,
    pub(crate) socket_dir: PathBuf,
    data: PathBuf,
}

/// Takes the remains of a process that was our child and has ended; anybody else's is left alone.
fn reap(pid: i32) {
    let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
}

/// Takes the remains of our child whose number stands in the lock of the socket. It is mostly that in the data directory
/// too, but a server that finds the number of one that has ended and was not taken away takes it for a live one.
fn reap_named_at_socket(layout: &Layout) {
    let text = std::fs::read_to_string(layout.socket_lock()).unwrap_or_default();
    if let Some(pid) = text.lines().next().and_then(|line| line.trim().parse().ok()).filter(|pid| *pid > 1) {
        reap(pid);
    }
}

fn live(data: &Path) -> Option<PidFile> {
    if let Some(file) = PidFile::read(data) {
        reap(file.pid);
    }
    PidFile::live(data)
}

impl Postmaster {
    /// Adopts the live server of the data directory, or starts one, and waits until it takes connections.
    pub(crate) async fn ensure(server: &Server, options: &GuardianOptions) -> Result<Self, GuardianError> {
        let begun = clock::monotonic();
        let left = || options.start_deadline.saturating_sub(clock::since(begun));
        let layout = &server.layout;
        loop {
            if let Some(file) = live(&layout.data)
                && let Some(ready) = Self::when_ready(layout, file.pid, left()).await?
            {
                tracing::info!(pid = ready.pid, "adopted the running PostgreSQL");
                return Ok(ready);
            }
            reap_named_at_socket(layout);
            let pid = start(server, options)?;
            if let Some(ready) = Self::when_ready(layout, pid, left()).await? {
                tracing::info!(pid, version = server.binaries.version, "started PostgreSQL");
                return Ok(ready);
            }
            let reason = why(layout);
            if left() < RETRY || !BUSY.iter().any(|busy| reason.contains(busy)) {
                return Err(GuardianError::Setup(format!(
                    "PostgreSQL does not start: {reason}; its logs are {} and {}",
                    layout.start_log.display(),
                    layout.log.display()
                )));
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Waits for a process to take connections; `None` when it ended instead.
    async fn when_ready(layout: &Layout, pid: i32, deadline: Duration) -> Result<Option<Self>, GuardianError> {
        let begun = clock::monotonic();
        loop {
            let file = live(&layout.data).filter(|file| file.pid == pid);
            if let Some(PidFile { socket_dir: Some(socket_dir), ready: true, .. }) = file {
                return Ok(Some(Self { pid, socket_dir, data: layout.data.clone() }));
            }
            if !process_lives(pid) {
                return Ok(None);
            }
            let waited = clock::since(begun);
            if waited > deadline {
                return Err(GuardianError::Setup(format!(
                    "PostgreSQL (process {pid}) does not take connections after {} s: {}; it may still be recovering from a crash, its \
                     logs are in {}; start bibd again to go on waiting",
                    deadline.as_secs(),
                    why(layout),
                    layout.log.display()
                )));
            }
            tokio::time::sleep((waited / 16).clamp(FIRST_POLL, POLL)).await;
        }
    }

    /// Whether its process is there. A process that has ended and was our child is taken away.
    pub(crate) fn is_alive(&self) -> bool {
        live(&self.data).is_some_and(|file| file.pid == self.pid)
    }
}

/// Stops the live server of a data directory, if there is one: sessions are ended and everything is written; after the
/// deadline it is told to stop at once, which is safe and makes the next start recover.
pub(crate) async fn stop_running(data: &Path, deadline: Duration) -> Result<bool, GuardianError> {
    let Some(file) = live(data) else { return Ok(false) };
    for (signal, patience) in [(Signal::SIGINT, deadline), (Signal::SIGQUIT, IMMEDIATE_STOP)] {
        if kill(Pid::from_raw(file.pid), signal).is_err() || ended(file.pid, patience).await {
            tracing::info!(pid = file.pid, "stopped PostgreSQL");
            return Ok(true);
        }
        tracing::warn!(pid = file.pid, ?signal, "PostgreSQL did not stop in time");
    }
    Err(GuardianError::Setup(format!(
        "PostgreSQL (process {}) does not stop: look at its logs, and end it with kill -QUIT {}",
        file.pid, file.pid
    )))
}

async fn ended(pid: i32, patience: Duration) -> bool {
    let begun = clock::monotonic();
    while process_lives(pid) {
        if clock::since(begun) > patience {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}

fn process_lives(pid: i32) -> bool {
    reap(pid);
    kill(Pid::from_raw(pid), None).is_ok() && !has_ended(pid)
}

/// Starts the server in a process group of its own, so that what ends bibd from a terminal does not end it too. To be
/// called when the data directory has no live server.
fn start(server: &Server, options: &GuardianOptions) -> Result<i32, GuardianError> {
    let Server { layout, account, binaries } = server;
    let log = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&layout.start_log)
        .map_err(GuardianError::file("open", &layout.start_log))?;
    let error_log = log.try_clone().map_err(GuardianError::file("open", &layout.start_log))?;
    let mut command = account.command(&binaries.postgres);
    if let Some(stale) = PidFile::read(&layout.data).filter(|file| file.is_foreign(&layout.data)) {
        command.env(NOT_A_SERVER, stale.pid.to_string());
    }
    let child = command
        .arg("-D")
        .arg(&layout.data)
        .args(
            config::pinned(layout, options)
                .into_iter()
                .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]),
        )
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(error_log)
        .process_group(0)
        .spawn()
        .map_err(GuardianError::file("run", &binaries.postgres))?;
    i32::try_from(child.id())
        .map_err(|_| GuardianError::Setup("the system gave a process number out of range".to_owned()))
}

/// What the server said last.
fn why(layout: &Layout) -> String {
    let newest = std::fs::read_dir(&layout.log).ok().and_then(|entries| {
        entries.flatten().max_by_key(|entry| entry.metadata().and_then(|meta| meta.modified()).ok()).map(|e| e.path())
    });
    let said = [newest.map(|path| tail::of_file(&path)).unwrap_or_default(), tail::of_file(&layout.start_log)];
    said.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" | ")
}
