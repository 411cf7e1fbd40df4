//! The PostgreSQL of a data directory, seen from outside.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::time::Duration;
use tokio_postgres::{Client, NoTls};

/// The server's process, by its pid file.
pub(crate) fn postmaster_pid(data_dir: &Path) -> Option<i32> {
    let text = std::fs::read_to_string(data_dir.join("postgres/data/postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}

/// Kills what a test left running, and waits for it.
pub(super) fn kill_leftover(data_dir: &Path) {
    let Some(pid) = postmaster_pid(data_dir) else { return };
    let pid = Pid::from_raw(pid);
    let _ = kill(pid, Signal::SIGQUIT);
    for _ in 0..200 {
        let _ = nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
        if kill(pid, None).is_err() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Logs in over the socket.
pub(crate) async fn connect(
    data_dir: &Path,
    login: &str,
    password: &str,
    database: &str,
) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config.host_path(data_dir.join("postgres/run")).user(login).password(password).dbname(database);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(client)
}

/// The first column of the first row, as text; an error as its code.
pub(crate) async fn query(client: &Client, sql: &str) -> Result<String, String> {
    match client.simple_query(sql).await {
        Ok(messages) => Ok(messages
            .iter()
            .find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
            .unwrap_or_default()),
        Err(error) => Err(error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())),
    }
}
