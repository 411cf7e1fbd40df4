//! A peer that serves: started by a row, ended with it, however the row ends.

use anyhow::Context;
use bib_node_tests::until;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a peer may take to serve.
const START: Duration = Duration::from_secs(30);
/// How long one look at a peer may take.
const LOOK: Duration = Duration::from_secs(2);
/// How long to wait between two looks: little against what is measured.
const PAUSE: Duration = Duration::from_micros(500);

/// A running peer.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts it, silent.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let shown = format!("{command:?}");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let child = command.spawn();
        Ok(Self(child.with_context(|| format!("run {shown}"))?))
    }

    /// Takes a process that was started elsewhere.
    pub(crate) const fn of(child: Child) -> Self {
        Self(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.end(Signal::TERM)
    }

    /// As [`Self::stop`], by the signal of a Ctrl-C.
    pub(crate) fn interrupt(self) -> anyhow::Result<()> {
        self.end(Signal::INT)
    }

    fn end(mut self, signal: Signal) -> anyhow::Result<()> {
        kill_process(self.raw().context("a process id")?, signal)?;
        let _ = self.0.wait()?;
        Ok(())
    }

    fn raw(&self) -> Option<Pid> {
        i32::try_from(self.0.id()).ok().and_then(Pid::from_raw)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // some watch over a process of their own, which would live on; a group is theirs where it was started here
        if let Some(pid) = self.raw() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until somebody listens at a port of this machine.
pub(crate) fn listening(what: &str, port: u16) -> anyhow::Result<()> {
    until(what, START, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
}

/// Asks a port of this machine again and again until it answers 200.
pub(crate) fn answering(port: u16, path: &str) -> anyhow::Result<()> {
    answering_to(port, path, "")
}

/// The same with header lines of the asker's own, each with its end.
pub(crate) fn answering_to(port: u16, path: &str, headers: &str) -> anyhow::Result<()> {
    soon(&format!("port {port} answers {path}"), START, || is_ok(port, path, headers).unwrap_or(false))
}

/// Looks again and again, without a pause worth naming, until something holds.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) fn soon(what: &str, deadline: Duration, mut look: impl FnMut() -> bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < deadline {
        if look() {
            return Ok(());
        }
        std::thread::park_timeout(PAUSE);
    }
    anyhow::bail!("{what}: not within {deadline:?}")
}

fn is_ok(port: u16, path: &str, headers: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(LOOK))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(&answer[8..] == b" 200")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_it_started_ends_with_it() {
        let place = tempfile::tempdir().unwrap();
        let told = place.path().join("pid");
        let line = format!("sleep 600 & echo $! > {}; wait", told.display());
        let daemon = Daemon::start(Command::new("sh").args(["-c", &line])).unwrap();
        let read = || std::fs::read_to_string(&told).ok()?.trim().parse::<i32>().ok();
        until("the child is told", START, || read().is_some()).unwrap();
        let child = std::path::PathBuf::from(format!("/proc/{}", read().unwrap()));
        assert!(child.exists());
        drop(daemon);
        // who adopts it may take a moment to bury it
        let state = || std::fs::read_to_string(child.join("stat")).map_or(true, |stat| stat.contains(") Z "));
        until("the child is gone", START, state).unwrap();
    }
}
