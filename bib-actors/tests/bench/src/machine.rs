//! Who uses the machine: how much of it went to others than this program, what it started, and the kernel.

use anyhow::{Context, ensure};
use std::collections::HashMap;
use std::path::Path;

/// Ticks since the start of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// All processors, working or not.
    all: f64,
    /// Working for anybody.
    busy: f64,
    /// Working for this program, its children and the kernel's own threads.
    ours: f64,
}

impl Usage {
    /// The present state.
    pub(crate) fn now() -> anyhow::Result<Self> {
        let text = std::fs::read_to_string("/proc/stat").context("read /proc/stat")?;
        let line = text.lines().next().unwrap_or_default();
        let numbers: Vec<f64> = line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        let at = |index: usize| numbers.get(index).copied().unwrap_or_default();
        // user, nice, system and what a hypervisor took; interrupts belong to nobody
        let busy = at(0) + at(1) + at(2) + at(7);
        Ok(Self { all: numbers.iter().take(8).sum(), busy, ours: tree() })
    }

    /// The share of the machine that others took since `before`.
    pub(crate) fn others_since(self, before: Self) -> f64 {
        let all = self.all - before.all;
        let others = (self.busy - before.busy) - (self.ours - before.ours);
        if all > 0.0 { (others / all).max(0.0) } else { 0.0 }
    }

    /// The share of the machine that anybody took since `before`.
    pub(crate) fn busy_since(self, before: Self) -> f64 {
        let all = self.all - before.all;
        if all > 0.0 { (self.busy - before.busy) / all } else { 0.0 }
    }
}

/// Makes daemons whose parents end children of this program, so that their time is counted as ours.
pub(crate) fn keep_orphans() -> anyhow::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

#[derive(Debug, Clone, Copy)]
struct Process {
    parent: u32,
    ticks: f64,
}

const KERNEL: u32 = 2;

/// Ticks of this program's tree, ended children included, and of the kernel's threads.
fn tree() -> f64 {
    let (all, roots) = (processes(), [std::process::id(), KERNEL]);
    all.iter().filter(|(pid, _)| is_below(&all, **pid, &roots)).map(|(_, process)| process.ticks).sum()
}

fn processes() -> HashMap<u32, Process> {
    let folder = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = folder.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, read(pid)?))).collect()
}

/// Whether a process is one of `roots`, or was started by one or by what it started.
fn is_below(all: &HashMap<u32, Process>, mut pid: u32, roots: &[u32]) -> bool {
    while pid > 1 {
        if roots.contains(&pid) {
            return true;
        }
        pid = all.get(&pid).map_or(0, |process| process.parent);
    }
    false
}

fn read(pid: u32) -> Option<Process> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name stands in brackets and may hold anything; the fields begin after the last one.
fn parse(stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<f64>().ok()).sum();
    Some(Process { parent: fields.get(1)?.parse().ok()?, ticks })
}

/// Makes sure that `folder`'s file system has room for `mib` MiB.
pub(crate) fn has_room(folder: &Path, mib: u64) -> anyhow::Result<()> {
    let about = rustix::fs::statvfs(folder).with_context(|| format!("look at {}", folder.display()))?;
    let free = about.f_bavail.saturating_mul(about.f_frsize) >> 20;
    ensure!(
        free >= mib,
        "{} has {free} MiB free, a round may need {mib}: make room, set TMPDIR to another disk, or give a smaller --mib",
        folder.display()
    );
    Ok(())
}

/// Resident memory of a process, in MB.
pub(crate) fn resident_mb(pid: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).context("read a process's status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a process without memory")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0 / 1e6)
}

/// Memory of a process and of all that it started, in MB; what several processes share is divided among them.
pub(crate) fn proportional_mb(pid: u32) -> anyhow::Result<f64> {
    let all = processes();
    let mut sum = 0.0;
    for pid in all.keys().filter(|below| is_below(&all, **below, &[pid])) {
        let text = match std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(error)
                    .with_context(|| format!("look at the memory of process {pid}, which is another user's"));
            }
            // others may have ended meanwhile
            text => text.unwrap_or_default(),
        };
        let kib = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or("0 kB");
        sum += kib.trim().trim_end_matches("kB").trim().parse::<f64>()? * 1024.0 / 1e6;
    }
    ensure!(sum > 0.0, "process {pid} has no memory");
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_brackets_and_spaces() {
        let line = "42 (a) b (c)) S 7 1 1 0 -1 4194304 10 0 0 0 5 6 7 8 20 0 1 0 100";
        let process = parse(line).unwrap();
        assert_eq!(process.parent, 7);
        assert!((process.ticks - 26.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_disk_without_room_is_told() {
        assert!(has_room(Path::new("/tmp"), 1).is_ok());
        let said = has_room(Path::new("/tmp"), u64::MAX).unwrap_err().to_string();
        assert!(said.contains("make room"), "{said}");
    }

    #[test]
    fn what_a_process_started_counts_with_it() {
        let alone = proportional_mb(std::process::id()).unwrap();
        assert!(alone > 0.5);
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let child_alone = proportional_mb(child.id()).unwrap();
        let all = processes();
        assert!(
            is_below(&all, child.id(), &[std::process::id()]) && !is_below(&all, std::process::id(), &[child.id()])
        );
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(child_alone > 0.0 && proportional_mb(child.id()).is_err());
    }

    #[test]
    fn this_program_counts_as_ours() {
        let before = Usage::now().unwrap();
        let mut x = 1_u64;
        while Usage::now().unwrap().ours - before.ours < 3.0 {
            for _ in 0..1_000_000 {
                x = std::hint::black_box(x.wrapping_mul(3));
            }
        }
        assert!(resident_mb(std::process::id()).unwrap() > 0.5);
    }
}
