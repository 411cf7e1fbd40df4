//! Who runs on this machine for a node: its PostgreSQL, and how much memory a process holds.

use anyhow::{Context, ensure};
use bib_node_tests::Node;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};

fn processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn words(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

fn state(pid: u32) -> Option<char> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.trim_start().chars().next()
}

/// PostgreSQL's folder of a node.
pub(crate) fn cluster(node: &Node) -> PathBuf {
    node.data_dir().join("postgres/data")
}

fn of_cluster(data: &Path) -> Vec<u32> {
    let Ok(data) = std::fs::canonicalize(data) else { return Vec::new() };
    let here = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data);
    let lives = |pid: &u32| !matches!(state(*pid), None | Some('Z' | 'X'));
    processes().into_iter().filter(here).filter(lives).collect()
}

/// The live postmasters of a data directory: there must never be two. Children carry a title and no `-D`; so does a
/// child between its fork and its title, whose parent is the postmaster.
pub(crate) fn postmasters(data: &Path) -> Vec<u32> {
    let all: Vec<u32> = of_cluster(data).into_iter().filter(|pid| words(*pid).contains(" -D ")).collect();
    // one that has gone meanwhile has no parent any more
    all.iter().copied().filter(|pid| parent(*pid).is_some_and(|parent| !all.contains(&parent))).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The children of the postmaster, with their titles.
pub(crate) fn children(data: &Path) -> Vec<(u32, String)> {
    let all = of_cluster(data).into_iter().map(|pid| (pid, words(pid)));
    all.filter(|(_, title)| title.starts_with("postgres: ")).collect()
}

/// The one postmaster of a node.
pub(crate) fn the_postmaster(node: &Node) -> anyhow::Result<u32> {
    let found = postmasters(&cluster(node));
    ensure!(found.len() == 1, "{} postmasters of {}: {found:?}", found.len(), node.name());
    Ok(found[0])
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).context("read the memory of a process")?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("no size")?.parse().context("a size")?;
    Ok(kib << 10)
}

/// Sends a signal to a process that this scenario knows; one that is gone needs none.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}
