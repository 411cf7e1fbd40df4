//! One node as a process, with its own `bib`.

use crate::lab::Lab;
use crate::outcome::Outcome;
use crate::ports::free_port;
use crate::wait::{is_interrupted, patiently, until};
use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a node may take to be ready, with a new PostgreSQL on a busy machine.
const READY: Duration = Duration::from_secs(120);
/// How long an orderly stop may take.
const STOP: Duration = Duration::from_secs(60);

/// How a node is set up.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    /// Its name, also of its folder.
    pub name: &'static str,
    /// `full`, `selective` or `proxy`.
    pub mode: &'static str,
    /// `auto`, `process` or `sqlite`.
    pub storage: &'static str,
    /// Lines added to the daemon's configuration.
    pub more: String,
    /// Environment of the daemon.
    pub env: Vec<(String, String)>,
    /// The program that is the daemon.
    pub daemon: &'static str,
}

impl NodeSpec {
    /// A full node on managed PostgreSQL.
    #[must_use]
    pub fn full(name: &'static str) -> Self {
        Self { name, mode: "full", storage: "process", more: String::new(), env: Vec::new(), daemon: "bibd" }
    }

    /// A selective node on SQLite.
    #[must_use]
    pub fn cache(name: &'static str) -> Self {
        Self { mode: "selective", storage: "sqlite", ..Self::full(name) }
    }

    /// A proxy: it keeps nothing.
    #[must_use]
    pub fn proxy(name: &'static str) -> Self {
        Self { mode: "proxy", storage: "auto", ..Self::full(name) }
    }

    /// A selective node on managed PostgreSQL.
    #[must_use]
    pub fn selective(name: &'static str) -> Self {
        Self { mode: "selective", ..Self::full(name) }
    }
}

/// A node that was set up; running after [`Node::start`].
pub struct Node {
    spec: NodeSpec,
    folder: PathBuf,
    bib: PathBuf,
    bibd: PathBuf,
    web: SocketAddr,
    grpc: SocketAddr,
    process: Option<Child>,
    keep: bool,
}

impl Node {
    pub(crate) fn set_up(lab: &Lab, spec: NodeSpec) -> anyhow::Result<Self> {
        let folder = lab.path().join(spec.name);
        std::fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (web, grpc, p2p) = (local(free_port()), local(free_port()), free_port());
        let daemon = lab.program(spec.daemon);
        let made = Self { spec, folder, bib: lab.program("bib"), bibd: daemon, web, grpc, process: None, keep: false };
        let (tcp, quic) = (format!("/ip4/127.0.0.1/tcp/{p2p}"), format!("/ip4/127.0.0.1/udp/{p2p}/quic-v1"));
        let (web, grpc) = (web.to_string(), grpc.to_string());
        let data = made.data_dir();
        let mut words = vec!["setup", "--no-input", "--name", made.spec.name, "--mode", made.spec.mode];
        words.extend([
            "--storage",
            made.spec.storage,
            "--data-dir",
            data.to_str().context("a UTF-8 folder")?,
            "--no-mdns",
        ]);
        words.extend(["--p2p-listen", &tcp, "--p2p-listen", &quic, "--grpc-listen", &grpc, "--web-listen", &web]);
        made.bib(&words)?.ok()?;
        if !made.spec.more.is_empty() {
            let mut file = File::options().append(true).open(made.config_dir().join("bibd.toml"))?;
            writeln!(file, "\n{}", made.spec.more)?;
        }
        Ok(made)
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.spec.name
    }

    /// The folder of everything that the node keeps.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The folder of the `bib` program's own files.
    #[must_use]
    pub fn config_dir(&self) -> PathBuf {
        self.folder.join("config")
    }

    /// Address of the API over TLS.
    #[must_use]
    pub const fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// Address of the pages and of the health probes.
    #[must_use]
    pub const fn web(&self) -> SocketAddr {
        self.web
    }

    /// What the daemon wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("bibd.log")).unwrap_or_default()
    }

    /// Process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Starts the daemon and waits until it is ready.
    ///
    /// # Errors
    /// With the end of its log, when it ends or is not ready in time.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.launch()?;
        self.wait_ready()
    }

    /// Starts the daemon without waiting.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.join("bibd.log"))?;
        let mut command = Command::new(&self.bibd);
        command.arg("--config").arg(self.config_dir().join("bibd.toml"));
        command.envs(self.spec.env.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // a Ctrl-C at the demo is for the demo, which then stops its nodes
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        self.process = Some(command.spawn().with_context(|| format!("run {}", self.bibd.display()))?);
        Ok(())
    }

    /// Waits until the daemon says that it is ready.
    ///
    /// # Errors
    /// With the end of its log, when it ends or is not ready in time.
    pub fn wait_ready(&mut self) -> anyhow::Result<()> {
        let web = self.web;
        let mut ended = None;
        let waited = until("the node is ready", READY, || {
            ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            ended.is_some() || is_ready(web)
        });
        if let Some(status) = ended {
            self.process = None;
            bail!("bibd of {} ended with {status}:\n{}", self.spec.name, self.log_end());
        }
        waited.with_context(|| self.log_end())
    }

    /// Whether the daemon has ended by itself; [`Node::wait_end`] says how.
    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(Some(_))))
    }

    /// Waits until the daemon has ended by itself; answers its exit code.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn wait_end(&mut self) -> anyhow::Result<i32> {
        let Some(process) = &mut self.process else { bail!("{} does not run", self.spec.name) };
        let mut status = None;
        until("the node ends", READY, || {
            status = process.try_wait().ok().flatten();
            status.is_some()
        })?;
        self.process = None;
        Ok(status.and_then(|status| status.code()).unwrap_or(-1))
    }

    /// Kills the daemon as a power cut would: no warning, no clean-up.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill9(&mut self) -> anyhow::Result<()> {
        let Some(mut process) = self.process.take() else { bail!("{} does not run", self.spec.name) };
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    /// Stops the daemon in order.
    ///
    /// # Errors
    /// When it does not end in time or ends with a failure.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let Some(process) = &self.process else { return Ok(()) };
        signal(process.id(), Signal::SIGTERM);
        let Some(process) = &mut self.process else { return Ok(()) };
        let mut status = None;
        patiently("the node stops", STOP, || {
            status = process.try_wait().ok().flatten();
            status
        })?;
        self.process = None;
        match status {
            Some(status) if status.success() => Ok(()),
            status => bail!("bibd of {} stopped with {status:?}:\n{}", self.spec.name, self.log_end()),
        }
    }

    /// Runs `bib` with just these words, as somebody else on this machine would.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn program(&self, words: &[&str]) -> anyhow::Result<Outcome> {
        run(&self.bib, words, &self.folder)
    }

    /// Runs a second daemon with this node's configuration until it ends.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn daemon(&self, words: &[&str]) -> anyhow::Result<Outcome> {
        let config = self.config_dir().join("bibd.toml");
        let all = [&["--config", config.to_str().context("a UTF-8 folder")?], words].concat();
        run(&self.bibd, &all, &self.folder)
    }

    /// Runs this node's `bib`.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn bib(&self, words: &[&str]) -> anyhow::Result<Outcome> {
        let config = self.config_dir();
        let all = [words, &["--config-dir", config.to_str().context("a UTF-8 folder")?]].concat();
        run(&self.bib, &all, &self.folder)
    }

    /// Runs this node's `bib` and reads what it prints.
    ///
    /// # Errors
    /// When it fails or does not print JSON.
    pub fn json(&self, words: &[&str]) -> anyhow::Result<Value> {
        let mut all = words.to_vec();
        all.push("--json");
        self.bib(&all)?.json()
    }

    /// Leaves the daemon running when this value is dropped.
    pub const fn keep(&mut self) {
        self.keep = true;
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// A PostgreSQL survives its bibd by design; the end of a test is no such case.
    fn stop_postgres(&self) {
        let file = self.data_dir().join("postgres/data/postmaster.pid");
        let Some(pid) = read_pid(&file) else { return };
        signal(pid, Signal::SIGINT);
        let gone = patiently("PostgreSQL stops", STOP, || read_pid(&file).is_none().then_some(()));
        if gone.is_err() {
            signal(pid, Signal::SIGKILL);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if self.stop().is_err() {
            let _ = self.kill9();
        }
        self.stop_postgres();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "--- log of {} ---\n{}", self.spec.name, self.log_end());
        }
    }
}

fn run(program: &Path, words: &[&str], home: &Path) -> anyhow::Result<Outcome> {
    ensure!(!is_interrupted(), "interrupted");
    let mut command = Command::new(program);
    command.args(words).env("HOME", home).stdin(Stdio::null());
    for name in ["SSH_AUTH_SOCK", "BIB_NODE", "BIB_SSH_KEY", "BIB_OUTPUT", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env_remove(name);
    }
    let output = command.output().with_context(|| format!("run {}", program.display()))?;
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    Ok(Outcome {
        command: format!("{name} {}", words.join(" ")),
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn read_pid(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()
}

fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // a process that is gone needs no signal
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn is_ready(web: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&web, Duration::from_millis(500))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}
