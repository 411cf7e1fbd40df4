//! The peers' programs: found, or installed where this machine allows it.

pub(crate) mod bucket;
pub(crate) mod daemon;
pub(crate) mod duckdb;
pub(crate) mod etcd;
pub(crate) mod nginx;
pub(crate) mod postgres;
pub(crate) mod reader;
pub(crate) mod rsync;
pub(crate) mod syncthing;
pub(crate) mod tonic;
pub(crate) mod torrent;

use anyhow::{Context, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether what is missing is installed.
static INSTALLS: AtomicBool = AtomicBool::new(true);

/// From now on what is missing is an error.
pub(crate) fn install_nothing() {
    INSTALLS.store(false, Ordering::Relaxed);
}

/// Whether a peer that is missing may be installed.
fn may_install(peer: &str) -> anyhow::Result<()> {
    let may = INSTALLS.load(Ordering::Relaxed);
    ensure!(may, "{peer} is missing, and --no-install keeps this run from installing it: run once without that");
    Ok(())
}

/// Makes sure that a Debian package's program is there.
pub(crate) fn debian(program: &str, package: &str) -> anyhow::Result<()> {
    debian_part(program, package, || {
        let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).stdout(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    })
}

/// The same for what is no program of its own: `there` tells whether it is there.
pub(crate) fn debian_part(peer: &str, package: &str, there: impl Fn() -> bool) -> anyhow::Result<()> {
    if there() {
        return Ok(());
    }
    may_install(&format!("the peer {peer} (Debian's {package})"))?;
    // nothing that comes with a package is to be started by it
    let install = format!(
        "apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {package}"
    );
    let status = Command::new("sh").arg("-c").arg(install).stdout(Stdio::null()).status().context("run apt-get")?;
    if status.success() && there() { Ok(()) } else { bail!("the peer {peer} is missing: install Debian's {package}") }
}

/// A program of `package` from PyPI, in a virtual environment that is kept in `cache`.
pub(crate) fn python(cache: &Path, package: &str, program: &str) -> anyhow::Result<PathBuf> {
    let venv = cache.join("venv");
    let (python, mark) = (venv.join("bin/python"), venv.join(format!("has-{package}")));
    if !mark.exists() {
        may_install(&format!("the peer {package} (PyPI's, in {})", venv.display()))?;
        if !python.exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv))
                .context("make a virtual environment (Debian: python3-venv)")?;
        }
        run(Command::new(&python).args(["-m", "pip", "install", "-q", "--disable-pip-version-check", package]))?;
        std::fs::write(&mark, "").with_context(|| format!("write {}", mark.display()))?;
    }
    Ok(venv.join("bin").join(program))
}

/// A program of `package` from crates.io, compiled once and kept in `cache`.
pub(crate) fn cargo(cache: &Path, package: &str) -> anyhow::Result<PathBuf> {
    let program = cache.join("bin").join(package);
    if !program.exists() {
        may_install(&format!("the peer {package} (crates.io's, in {})", program.display()))?;
        run(Command::new("cargo").args(["install", "-q", "--locked", package, "--root"]).arg(cache))?;
    }
    Ok(program)
}

/// A script that lies beside this program's source.
pub(crate) fn script(name: &str) -> PathBuf {
    package_dir().join("peers").join(name)
}

/// Where this package's sources are: a cached build may have been made from another copy of them.
fn package_dir() -> PathBuf {
    std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned()).into()
}

/// Runs a program; its failure is an error with what it said.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    output(command).map(|_| ())
}

/// The same, with what it printed.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<Output> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("run {shown}"))?;
    if output.status.success() {
        return Ok(output);
    }
    bail!("{shown} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// Has a folder's file system written to the disk.
pub(crate) fn sync(folder: &Path) -> anyhow::Result<()> {
    let folder = std::fs::File::open(folder)?;
    Ok(rustix::fs::syncfs(folder)?)
}
