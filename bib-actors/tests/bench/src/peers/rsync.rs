//! An rsync daemon that serves one folder, and a fetch from it that ends when all is on the disk.

use super::daemon::{Daemon, listening};
use super::{debian, run, sync};
use bib_node_tests::free_port;
use std::path::Path;
use std::process::Command;

/// The running daemon.
pub(crate) struct Rsync {
    port: u16,
    _daemon: Daemon,
}

impl Rsync {
    /// Serves `folder`; its configuration lies in `place`.
    pub(crate) fn serve(place: &Path, folder: &Path) -> anyhow::Result<Self> {
        debian("rsync", "rsync")?;
        let port = free_port();
        let config = place.join("rsyncd.conf");
        let text = format!(
            "port = {port}\naddress = 127.0.0.1\nuse chroot = no\nlog file = /dev/null\n[bench]\npath = {}\nread only = yes\n",
            folder.display()
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new("rsync");
        command.args(["--daemon", "--no-detach"]).arg(format!("--config={}", config.display()));
        let daemon = Daemon::start(&mut command)?;
        listening("rsync listens", port)?;
        Ok(Self { port, _daemon: daemon })
    }

    /// Fetches `what`, a path below the folder, to `target`, and syncs that.
    pub(crate) fn fetch(&self, what: &str, target: &Path) -> anyhow::Result<()> {
        let mut command = Command::new("rsync");
        command.args(["-a", "--whole-file"]).arg(format!("rsync://127.0.0.1:{}/bench/{what}", self.port)).arg(target);
        run(&mut command)?;
        sync(target)
    }
}
