//! The library that is preloaded into a node: built, told what to do, and its log read.
//!
//! `strace` cannot do its work: it counts calls for each thread, and a node syncs on many. The library counts them for the
//! process, and loses what a failed sync did not write, as a disk does.

use super::trace::Trace;
use crate::Lab;
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("preload.c");

/// The library, and the two files by which it is talked to.
pub(super) struct Preload {
    library: PathBuf,
    control: PathBuf,
    log: PathBuf,
    /// The folder that is looked at.
    data: PathBuf,
    turn: u32,
}

impl Preload {
    /// Builds it for the node whose data is in `data`.
    pub(super) fn build(lab: &Lab, data: &Path) -> anyhow::Result<Self> {
        let at = |name: &str| lab.path().join(name);
        let (library, control, log) = (at("lost_sync.so"), at("sync.control"), at("sync.log"));
        let made = Self { library, control, log, data: data.to_owned(), turn: 0 };
        let source = at("lost_sync.c");
        std::fs::write(&source, SOURCE)?;
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-pthread", "-o"])
            .arg(&made.library)
            .arg(&source)
            .output()
            .context("run cc")?;
        ensure!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
        Ok(made)
    }

    /// The environment of the node.
    pub(super) fn env(&self) -> Vec<(String, String)> {
        let pair = |name: &str, path: &Path| (name.to_owned(), path.display().to_string());
        vec![
            pair("LD_PRELOAD", &self.library),
            pair("BIB_SYNC_DIR", &self.data),
            pair("BIB_SYNC_CONTROL", &self.control),
            pair("BIB_SYNC_LOG", &self.log),
        ]
    }

    /// From now on the `number`-th sync of `part` fails. Answers how much was in the log before.
    pub(super) fn fail(&mut self, number: usize, part: &str) -> anyhow::Result<usize> {
        self.turn += 1;
        // seen whole or not at all
        let new = self.control.with_extension("new");
        std::fs::write(&new, format!("{} {number} {part}", self.turn))?;
        std::fs::rename(&new, &self.control)?;
        Ok(self.trace()?.len())
    }

    /// From now on none fails.
    pub(super) fn spare(&mut self) -> anyhow::Result<usize> {
        self.fail(0, ".")
    }

    /// What the node did with its disk so far, from its first start on.
    pub(super) fn trace(&self) -> anyhow::Result<Trace> {
        Trace::parse(&self.data, &std::fs::read_to_string(&self.log).unwrap_or_default())
    }
}
