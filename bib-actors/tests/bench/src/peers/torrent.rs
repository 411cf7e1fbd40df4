//! libtorrent: one session that seeds a file, and a fetch of it by another process.

use super::daemon::{Daemon, listening};
use super::{output, python, run, script};
use crate::context::Ctx;
use anyhow::Context;
use bib_node_tests::free_port;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The running seeder.
pub(crate) struct Torrent {
    python: PathBuf,
    torrent: PathBuf,
    port: u16,
    _seeder: Daemon,
}

impl Torrent {
    /// Seeds `name` in `folder`.
    pub(crate) fn seed(ctx: &Ctx, place: &Path, folder: &Path, name: &str) -> anyhow::Result<Self> {
        let python = python(&ctx.cache, "libtorrent", "python")?;
        let (torrent, port) = (place.join("bench.torrent"), free_port());
        let words = |mode: &str| {
            let mut command = Command::new(&python);
            command.arg(script("torrent_peer.py")).arg(mode).arg(folder);
            command
        };
        run(words("make").arg(name).arg(&torrent))?;
        let seeder = Daemon::start(words("seed").arg(&torrent).arg(port.to_string()))?;
        listening("libtorrent listens", port)?;
        Ok(Self { torrent, port, _seeder: seeder, python })
    }

    /// Fetches the file to `folder`; the seconds until it is on the disk.
    pub(crate) fn fetch(&self, folder: &Path) -> anyhow::Result<f64> {
        let mut command = Command::new(&self.python);
        command.arg(script("torrent_peer.py")).arg("fetch").arg(folder).arg(&self.torrent).arg(self.port.to_string());
        let said = String::from_utf8(output(&mut command)?.stdout)?;
        said.trim().parse().with_context(|| format!("libtorrent said {said:?}"))
    }
}
