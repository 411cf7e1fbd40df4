//! etcd: one member with a data folder of its own.

use super::daemon::{Daemon, answering};
use super::debian;
use bib_node_tests::free_port;
use std::path::Path;
use std::process::Command;

/// Starts it, and comes back when it is healthy.
pub(crate) fn start(data: &Path) -> anyhow::Result<Daemon> {
    debian("etcd", "etcd-server")?;
    let (client, peer) = (free_port(), free_port());
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(data).args(["--log-level", "error"]);
    command.args(["--listen-client-urls", &url(client), "--advertise-client-urls", &url(client)]);
    command.args(["--listen-peer-urls", &url(peer), "--initial-advertise-peer-urls", &url(peer)]);
    command.args(["--initial-cluster", &format!("default={}", url(peer))]);
    let started = Daemon::start(&mut command)?;
    answering(client, "/health")?;
    Ok(started)
}
