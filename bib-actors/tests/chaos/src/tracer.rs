//! `strace` attached to a node, with delays put into its syncs. Ends when dropped, and the node goes on.

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An attached strace.
pub(crate) struct Tracer(Child);

impl Tracer {
    /// Lets every sync of the process take longer by `delay`.
    pub(crate) fn slow_syncs(pid: u32, delay: Duration) -> anyhow::Result<Self> {
        let inject = format!("inject=fsync,fdatasync:delay_exit={}", delay.as_micros());
        let mut child = Command::new("strace")
            .args(["-f", "-qqq", "-e", "trace=fsync,fdatasync", "-e", &inject, "-o", "/dev/null", "-p"])
            .arg(pid.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("run strace: is it installed?")?;
        let attached = bib_node_tests::until("strace is attached", Duration::from_secs(20), || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        });
        if attached.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        attached?;
        ensure!(child.try_wait()?.is_none(), "strace ended at once");
        Ok(Self(child))
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // in order, so that it lets go of every thread
        crate::census::signal(self.0.id(), Signal::SIGINT);
        let _ = self.0.wait();
    }
}
