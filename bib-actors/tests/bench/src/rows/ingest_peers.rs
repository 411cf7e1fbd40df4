//! Programs that keep versions of files, each in a repository of its own.

use crate::context::Ctx;
use crate::measure::seconds;
use crate::peers::{debian, output, python, run, sync};
use anyhow::ensure;
use std::path::{Path, PathBuf};
use std::process::Command;

fn made(folder: PathBuf) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn git(repository: &Path, home: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(repository).env("HOME", home);
    command.args(["-c", "user.name=bench", "-c", "user.email=bench@localhost"]);
    command
}

/// git-annex.
pub(crate) struct Annex {
    repository: PathBuf,
    home: PathBuf,
}

impl Annex {
    pub(crate) fn new(peers: &Path) -> anyhow::Result<Self> {
        debian("git-annex", "git-annex")?;
        let made = Self { repository: made(peers.join("annex"))?, home: made(peers.join("annex-home"))? };
        made.git(&["init", "-q"])?;
        made.git(&["annex", "init", "-q", "bench"])?;
        Ok(made)
    }

    fn git(&self, words: &[&str]) -> anyhow::Result<()> {
        run(git(&self.repository, &self.home).args(words))
    }

    /// The folder whose content can be added.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.repository.join(name)
    }

    /// Seconds of adding a copy of a file, which is then forgotten.
    pub(crate) fn add_file(&self, source: &Path, name: &str) -> anyhow::Result<f64> {
        let took = self.keep_file(source, name)?;
        self.forget(name)?;
        Ok(took)
    }

    /// The same without forgetting it.
    pub(crate) fn keep_file(&self, source: &Path, name: &str) -> anyhow::Result<f64> {
        std::fs::copy(source, self.folder(name))?;
        sync(&self.repository)?;
        self.add(name)
    }

    /// Seconds of adding what lies there under this name.
    pub(crate) fn add(&self, name: &str) -> anyhow::Result<f64> {
        let ((), took) = seconds(|| self.git(&["annex", "add", "-q", name]))?;
        let listed = output(git(&self.repository, &self.home).args(["annex", "find", name]))?;
        ensure!(!listed.stdout.is_empty(), "git-annex did not keep {name}");
        Ok(took)
    }

    /// Seconds of hashing a kept file again.
    pub(crate) fn fsck(&self, name: &str) -> anyhow::Result<f64> {
        let ((), took) = seconds(|| self.git(&["annex", "fsck", "-q", name]))?;
        Ok(took)
    }

    /// Removes it from the repository, so that the disk does not fill.
    pub(crate) fn forget(&self, name: &str) -> anyhow::Result<()> {
        self.git(&["rm", "-r", "-q", "-f", "--cached", name])?;
        // the annex protects its files from being changed
        run(Command::new("chmod").args(["-R", "u+w"]).arg(&self.repository))?;
        run(Command::new("rm").arg("-rf").arg(self.folder(name)).arg(self.repository.join(".git/annex/objects")))
    }
}

impl Drop for Annex {
    fn drop(&mut self) {
        // protected files would stay when the folder around them is removed
        let _ = run(Command::new("chmod").args(["-R", "u+w"]).arg(&self.repository));
    }
}

/// DVC.
pub(crate) struct Dvc {
    program: PathBuf,
    repository: PathBuf,
    home: PathBuf,
}

impl Dvc {
    pub(crate) fn new(ctx: &Ctx, peers: &Path) -> anyhow::Result<Self> {
        let program = python(&ctx.cache, "dvc", "dvc")?;
        let made = Self { program, repository: made(peers.join("dvc"))?, home: made(peers.join("dvc-home"))? };
        run(git(&made.repository, &made.home).args(["init", "-q"]))?;
        made.dvc(&["init", "-q"])?;
        made.dvc(&["config", "core.analytics", "false"])?;
        Ok(made)
    }

    fn dvc(&self, words: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(&self.program);
        run(command.current_dir(&self.repository).env("HOME", &self.home).env("DVC_NO_ANALYTICS", "1").args(words))
    }

    /// The folder whose content can be added.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.repository.join(name)
    }

    /// Seconds of adding a copy of a file, which is then forgotten.
    pub(crate) fn add_file(&self, source: &Path, name: &str) -> anyhow::Result<f64> {
        std::fs::copy(source, self.folder(name))?;
        sync(&self.repository)?;
        self.add(name)
    }

    /// Seconds of adding what lies there under this name; it is forgotten then.
    pub(crate) fn add(&self, name: &str) -> anyhow::Result<f64> {
        let ((), took) = seconds(|| self.dvc(&["add", "-q", name]))?;
        ensure!(self.folder(&format!("{name}.dvc")).exists(), "dvc did not keep {name}");
        run(Command::new("rm").arg("-rf").arg(self.folder(name)).arg(self.repository.join(".dvc/cache")))?;
        Ok(took)
    }
}

/// restic.
pub(crate) struct Restic {
    repository: PathBuf,
    home: PathBuf,
}

impl Restic {
    pub(crate) fn new(peers: &Path) -> anyhow::Result<Self> {
        debian("restic", "restic")?;
        Ok(Self { repository: peers.join("restic"), home: made(peers.join("restic-home"))? })
    }

    /// Seconds of a backup into a new repository.
    pub(crate) fn back_up(&self, source: &Path) -> anyhow::Result<f64> {
        let restic = |words: &[&str]| {
            let mut command = Command::new("restic");
            command.env("HOME", &self.home).env("RESTIC_PASSWORD", "bench").arg("-q").arg("-r").arg(&self.repository);
            run(command.args(words))
        };
        restic(&["init"])?;
        let ((), took) = seconds(|| restic(&["backup", &source.to_string_lossy()]))?;
        std::fs::remove_dir_all(&self.repository)?;
        Ok(took)
    }
}

/// borg.
pub(crate) struct Borg {
    repository: PathBuf,
    home: PathBuf,
}

impl Borg {
    pub(crate) fn new(peers: &Path) -> anyhow::Result<Self> {
        debian("borg", "borgbackup")?;
        Ok(Self { repository: peers.join("borg"), home: made(peers.join("borg-home"))? })
    }

    /// Seconds of an archive in a new repository.
    pub(crate) fn create(&self, source: &Path) -> anyhow::Result<f64> {
        let borg = |words: &[&str]| {
            let mut command = Command::new("borg");
            command.env("HOME", &self.home).env("BORG_BASE_DIR", &self.home);
            command
                .env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes")
                .env("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes");
            run(command.args(words))
        };
        let repository = self.repository.to_string_lossy();
        borg(&["init", "-e", "none", &repository])?;
        let archive = format!("{repository}::1");
        let ((), took) = seconds(|| borg(&["create", "-C", "none", &archive, &source.to_string_lossy()]))?;
        std::fs::remove_dir_all(&self.repository)?;
        Ok(took)
    }
}
