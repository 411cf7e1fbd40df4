//! A folder with nodes in it, which is gone when the lab is dropped.

use crate::node::{Node, NodeSpec};
use anyhow::{Context, ensure};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A temporary folder and the programs to run in it.
pub struct Lab {
    folder: TempDir,
    programs: PathBuf,
}

impl Lab {
    /// A new folder; the programs are those that were built beside this one.
    ///
    /// # Errors
    /// When the programs are not there or the folder cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("find this program")?;
        let beside =
            own.ancestors().skip(1).find(|folder| folder.join("bibd").is_file() && folder.join("bib").is_file());
        let programs = beside.map(Path::to_owned);
        ensure!(programs.is_some(), "bib and bibd are not built beside {}: run make test or make demo", own.display());
        let folder = tempfile::Builder::new().prefix("bib-lab-").tempdir().context("make a temporary folder")?;
        // PostgreSQL runs as another user and must pass through
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
        Ok(Self { folder, programs: programs.unwrap_or_default() })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where `bib` or `bibd` lies.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Sets a node up with `bib setup`, without starting it.
    ///
    /// # Errors
    /// When the setup fails.
    pub fn node(&self, spec: NodeSpec) -> anyhow::Result<Node> {
        Node::set_up(self, spec)
    }

    /// Keeps the folder; answers where it is.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}
