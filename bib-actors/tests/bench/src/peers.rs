//! The peers' programs: found, or installed where this machine allows it.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Makes sure that a Debian package's program is there.
pub(crate) fn debian(program: &str, package: &str) -> anyhow::Result<()> {
    let there = || Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if there() {
        return Ok(());
    }
    let install = format!(
        "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {package}"
    );
    let status = Command::new("sh").arg("-c").arg(install).stdout(Stdio::null()).status().context("run apt-get")?;
    if status.success() && there() {
        Ok(())
    } else {
        bail!("the peer {program} is missing: install Debian's {package}")
    }
}

/// A Python with `package` from PyPI in a virtual environment below `folder`; answers its interpreter.
pub(crate) fn python(folder: &Path, package: &str) -> anyhow::Result<PathBuf> {
    let python = folder.join("venv/bin/python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")))?;
    }
    run(Command::new(&python).args(["-m", "pip", "install", "-q", "--disable-pip-version-check", package]))?;
    Ok(python)
}

/// Runs a program; its failure is an error with what it said.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("run {shown}"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!("{shown} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr))
}
