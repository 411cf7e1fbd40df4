//! A peer that serves: started by a row, ended with it, however the row ends.

use anyhow::Context;
use bib_node_tests::until;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
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
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
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
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).context("a process id")?;
        kill_process(pid, signal)?;
        let _ = self.0.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
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
    soon(&format!("port {port} answers {path}"), START, || is_ok(port, path).unwrap_or(false))
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

fn is_ok(port: u16, path: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(LOOK))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(&answer[8..] == b" 200")
}
