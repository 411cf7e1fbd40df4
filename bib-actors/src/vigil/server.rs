//! Whether the database's process was stopped by somebody: it lives, and answers nobody.

use std::path::Path;

/// A warning, if the postmaster of the data folder is stopped.
pub(super) fn look(data: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data.join("postgres/data/postmaster.pid")).ok()?;
    let pid: u32 = text.lines().next()?.trim().parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
    matches!(state, 'T' | 't').then(|| {
        format!(
            "PostgreSQL (process {pid}) was stopped by a signal: new connections hang; let it go on: kill -CONT {pid}"
        )
    })
}
