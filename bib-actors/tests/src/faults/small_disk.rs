//! A real file system of a few hundred MiB, mounted for one scenario. Takes root, or a `sudo` that asks no password.

use anyhow::{Context, ensure};
use nix::unistd::{getegid, geteuid};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What fills the disk from outside.
const FILLER: &str = "filler";

/// The mounted file system. It is unmounted when this is dropped, whatever happened.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Whether this process may mount: root in a container often may not, so it is tried.
    ///
    /// # Errors
    /// Why it may not, and what to do.
    pub fn may_mount() -> anyhow::Result<()> {
        let folder = tempfile::tempdir().context("make a temporary folder")?;
        Self::mount(folder.path(), 1).map(drop).context(
            "a small disk cannot be mounted here: run as root, or where `sudo -n mount` works; a container needs --privileged",
        )
    }

    /// Mounts a tmpfs of `mib` at `path`, which is made.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn mount(path: &Path, mib: u32) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path).with_context(|| format!("make {}", path.display()))?;
        let options = format!("size={mib}m,mode=711,uid={},gid={}", geteuid(), getegid());
        run(as_root("mount").args(["-t", "tmpfs", "-o", &options, "bib-test"]).arg(path))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Writes until there is no room left; how many bytes that took.
    ///
    /// # Errors
    /// When anything but a full disk ends it.
    pub fn fill(&self) -> anyhow::Result<u64> {
        let path = self.path.join(FILLER);
        let mut file = File::options().create(true).append(true).open(&path)?;
        let (mut step, mut written) = (1_usize << 20, 0_u64);
        let block = vec![0x5a_u8; step];
        loop {
            match file.write(&block[..step]) {
                Ok(n) => written += n as u64,
                Err(error) if error.kind() == io::ErrorKind::StorageFull && step > 4096 => step = 4096,
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(written),
                Err(error) => return Err(error).context("fill the disk"),
            }
        }
    }

    /// Takes away what filled it.
    ///
    /// # Errors
    /// What the system says.
    pub fn clear(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.path.join(FILLER)).context("clear the disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // a process that still holds it must not keep it mounted for everybody else
        let plain = run(as_root("umount").arg(&self.path));
        if plain.is_err() {
            let _ = run(as_root("umount").arg("-l").arg(&self.path));
        }
    }
}

/// `program` as root: itself if this is root, else through `sudo`, which must not ask.
fn as_root(program: &str) -> Command {
    if geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
