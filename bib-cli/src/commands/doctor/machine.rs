//! Checks of the machine: limits, disk, PostgreSQL.

use super::check::{Check, State};
use crate::output::bytes;
use crate::postgres::Postgres;
use std::path::Path;

/// Less free space than this fails.
const FAIL_FREE_BYTES: u64 = 1 << 30;
/// Less free space than this share, in percent, is a warning.
const WARN_FREE_PERCENT: u64 = 10;
/// Fewer open files than this is a warning.
const WARN_OPEN_FILES: u64 = 4096;

/// Limits and disk.
pub(super) fn os(data_dir: &Path) -> Vec<Check> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let files = if limit < WARN_OPEN_FILES {
        Check::warn("os", "open-files", format!("{limit} files may be open at once; raise it: ulimit -n 65536"))
    } else {
        Check::ok("os", "open-files", format!("{limit} files may be open at once"))
    };
    vec![files, disk(data_dir)]
}

fn disk(data_dir: &Path) -> Check {
    let there = data_dir.ancestors().find(|path| path.exists()).unwrap_or_else(|| Path::new("/"));
    match rustix::fs::statvfs(there) {
        Err(error) => Check::fail("os", "disk", format!("cannot look at {}: {error}", there.display())),
        Ok(disk) => {
            let (free, total) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
            let share = (free * 100).checked_div(total).unwrap_or(0);
            let state = if free < FAIL_FREE_BYTES {
                State::Fail
            } else if share < WARN_FREE_PERCENT {
                State::Warn
            } else {
                State::Ok
            };
            let text = format!("{} free of {} for {}", bytes(free), bytes(total), data_dir.display());
            Check::new("os", "disk", state, text)
        }
    }
}

/// Whether a node here could have a PostgreSQL of its own.
pub(super) fn postgres() -> Check {
    match Postgres::find() {
        Some(found) if found.is_usable() => {
            Check::ok("database", "postgres", format!("{} found in {}", found.name(), found.folder.display()))
        }
        Some(found) => Check::warn(
            "database",
            "postgres",
            format!(
                "{} in {} is none of 14 to 18, so a node here runs on SQLite",
                found.name(),
                found.folder.display()
            ),
        ),
        None => Check::warn(
            "database",
            "postgres",
            "not found: this node can only run on SQLite, as a cache that serves nobody; apt-get install postgresql",
        ),
    }
}
