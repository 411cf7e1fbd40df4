//! A Docker engine of the test's own: daemon, images, containers and socket in one temporary folder, gone at the end.

use super::shell::{as_root, end, good};
use bib_node_tests::until;
use nix::unistd::getegid;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long the daemon may take to start or stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running engine.
pub(crate) struct Engine {
    folder: TempDir,
    daemon: Child,
}

impl Engine {
    /// Starts it. It leaves the machine's packet filter and bridges alone; its containers reach each other, not the world.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("bib-docker-").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let log = File::create(folder.path().join("log")).unwrap();
        // the daemon ends with this test, also when the test is killed
        let mut command = as_root("setpriv");
        command.args(["--pdeathsig", "TERM", "dockerd"]);
        command.args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")]);
        command.args(["--host", &format!("unix://{}", at("sock")), "--group", &getegid().to_string()]);
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-masq=false"]);
        let daemon = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let mut engine = Self { folder, daemon: daemon.expect("no dockerd: .ci/prerequisites test") };
        let mut ended = None;
        let answers = until("dockerd answers", PATIENCE, || {
            ended = engine.daemon.try_wait().unwrap();
            ended.is_some() || end(engine.docker(&["info"]).stderr(Stdio::null())).status.success()
        });
        assert!(answers.is_ok() && ended.is_none(), "dockerd did not start:\n{}", engine.log());
        engine
    }

    /// The daemon's folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The `docker` command for this engine.
    pub(crate) fn docker(&self, words: &[&str]) -> Command {
        self.client("docker", words)
    }

    /// What `docker` prints.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        good(&mut self.docker(words))
    }

    /// What a command in a running container prints.
    pub(crate) fn exec(&self, container: &str, words: &[&str]) -> String {
        self.run(&[&["exec", container], words].concat())
    }

    /// The compose command for this engine: docker's plug-in, or the program of before.
    pub(crate) fn compose(&self, words: &[&str]) -> Command {
        let plugged = end(&mut self.docker(&["compose", "version"])).status.success();
        if plugged { self.docker(&[&["compose"], words].concat()) } else { self.client("docker-compose", words) }
    }

    /// Waits until the container's own check finds it healthy.
    pub(crate) fn healthy(&self, container: &str) {
        let look = |field: &str| self.run(&["inspect", "--format", field, container]);
        let mut ended = false;
        let healthy = until("the container is healthy", Duration::from_secs(180), || {
            ended = look("{{.State.Status}}") == "exited";
            ended || look("{{.State.Health.Status}}") == "healthy"
        });
        let log = || {
            let output = end(&mut self.docker(&["logs", "--tail", "60", container]));
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        };
        assert!(healthy.is_ok() && !ended, "{container}: {healthy:?}\n{}", log());
    }

    /// Any program that talks to this engine.
    pub(crate) fn client(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).env("DOCKER_HOST", format!("unix://{}", self.path().join("sock").display()));
        // the classic builder is in every engine; what the user set up for docker is no business of this test
        command.env("DOCKER_BUILDKIT", "0").env("HOME", self.path()).env_remove("DOCKER_CONTEXT");
        command
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // each step is tried: whatever fails, the next may still clean up
        let listed = end(&mut self.docker(&["ps", "--all", "--quiet"]));
        for container in String::from_utf8_lossy(&listed.stdout).lines() {
            end(&mut self.docker(&["rm", "--force", "--volumes", container]));
        }
        end(&mut self.docker(&["network", "prune", "--force"]));
        let pid = std::fs::read_to_string(self.path().join("pid")).unwrap_or_default();
        end(as_root("kill").arg(pid.trim()));
        if until("dockerd ends", PATIENCE, || self.daemon.try_wait().is_ok_and(|status| status.is_some())).is_err() {
            end(as_root("kill").arg("-9").arg(pid.trim()));
            let _ = self.daemon.wait();
        }
        // the daemon leaves a mount behind, and its files are root's
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for point in points.filter(|point| Path::new(point).starts_with(self.path())) {
            end(as_root("umount").arg(point));
        }
        for folder in ["data", "exec"] {
            end(as_root("rm").arg("-rf").arg(self.path().join(folder)));
        }
    }
}
