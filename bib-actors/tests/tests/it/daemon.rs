//! How bibd ends: in order whenever it is told to, with its PostgreSQL, and for no line of its log.

use bib_node_tests::{Lab, Node, NodeSpec, until, until_some};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// No start and no stop takes this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A daemon that was started in a way of its own. It is gone when this is dropped.
struct Daemon(Child);

impl Daemon {
    /// Runs bibd with a node's configuration behind these words, with this log.
    fn start(lab: &Lab, node: &Node, before: &[&str], log: File) -> Self {
        let mut command = Command::new(before[0]);
        command.args(&before[1..]).arg(lab.program("bibd")).arg("--config").arg(node.config_dir().join("bibd.toml"));
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        until_some("bibd has ended", PATIENCE, || self.0.try_wait().unwrap()).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_ready(node: &Node) {
    until("the node is ready", PATIENCE, || node.json(&["status"]).is_ok_and(|it| it["ready"] == true)).unwrap();
}

/// Processes that were started with the node's data directory.
fn servers(node: &Node) -> usize {
    let data = node.data_dir().join("postgres/data");
    let words = [b"-D\0", data.as_os_str().as_bytes(), b"\0"].concat();
    let lines = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = lines.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| line.windows(words.len()).any(|part| part == words)).count()
}

/// What GLIBC_TUNABLES is in the environment of a process, and its name.
fn told(pid: u32) -> (Option<String>, String) {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let words = environment.split('\0').find_map(|word| word.strip_prefix("GLIBC_TUNABLES=")).map(str::to_owned);
    (words, std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim().to_owned())
}

#[test]
fn it_is_started_anew_as_the_same_process_where_copies_would_be_slow() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::cache("quick")).unwrap();
    node.start().unwrap();
    let (words, name) = told(node.pid().unwrap());
    let is_slow = std::fs::read_to_string("/proc/cpuinfo").unwrap().contains("AuthenticAMD")
        && cfg!(all(target_env = "gnu", target_arch = "x86_64"));
    assert_eq!(words.is_some_and(|words| words.contains("x86_rep_movsb_threshold=0x40000000")), is_slow);
    assert_eq!(name, "bibd");
    node.stop().unwrap();

    let own = "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=8192";
    let mut daemon = Daemon::start(&lab, &node, &["env", own], File::create(lab.path().join("log")).unwrap());
    wait_ready(&node);
    assert_eq!(told(daemon.0.id()).0.as_deref(), own.strip_prefix("GLIBC_TUNABLES="), "what somebody chose stays");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let lab = Lab::new().unwrap();
    let node = lab.node(NodeSpec::cache("mute")).unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut daemon = Daemon::start(&lab, &node, &["env"], full);
    wait_ready(&node);
    node.bib(&["admin", "shutdown"]).unwrap().ok().unwrap();
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_stop_in_the_middle_of_a_start_leaves_no_server() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::full("hasty")).unwrap();
    let postgres = node.data_dir().join("postgres");
    // the first start makes the data directory; a later one is seen earlier: its server has not even said that it runs
    for seen in ["data/postmaster.pid", "data/postmaster.pid", "start.log", "start.log"] {
        let _ = std::fs::remove_file(postgres.join("start.log"));
        let before = node.log().len();
        node.launch().unwrap();
        until("the server starts", PATIENCE, || postgres.join(seen).exists()).unwrap();
        kill(Pid::from_raw(node.pid().unwrap().try_into().unwrap()), Signal::SIGTERM).unwrap();
        assert_eq!(node.wait_end().unwrap(), 0, "{}", node.log());
        assert_eq!(servers(&node), 0, "PostgreSQL outlived a stop at {seen}: {}", node.log());
        // the log goes on where the round before ended
        assert!(node.log()[before..].contains("stopped in order"), "{}", node.log());
    }
    node.start().unwrap();
    assert!(servers(&node) > 0, "it is seen where there is one");
    node.stop().unwrap();
}

#[test]
fn a_hangup_ends_a_node_in_order() {
    let lab = Lab::new().unwrap();
    let node = lab.node(NodeSpec::cache("hung-up")).unwrap();
    let path = lab.path().join("own.log");
    // whoever runs the tests may ignore it
    let mut daemon = Daemon::start(&lab, &node, &["env", "--default-signal=HUP"], File::create(&path).unwrap());
    wait_ready(&node);
    daemon.signal(Signal::SIGHUP);
    daemon.signal(Signal::SIGHUP);
    assert_eq!(daemon.wait().code(), Some(0));
    let log = std::fs::read_to_string(&path).unwrap();
    assert!(log.contains("stopped in order"), "{log}");
}

#[test]
fn under_nohup_a_hangup_ends_nothing() {
    let lab = Lab::new().unwrap();
    let node = lab.node(NodeSpec::cache("nohup")).unwrap();
    let path = lab.path().join("own.log");
    let mut daemon = Daemon::start(&lab, &node, &["nohup"], File::create(&path).unwrap());
    wait_ready(&node);
    daemon.signal(Signal::SIGHUP);
    node.bib(&["status"]).unwrap().ok().unwrap();
    let log = std::fs::read_to_string(&path).unwrap();
    assert!(!log.contains("stopping"), "{log}");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0));
}

/// Takes the port of the pages: over TLS they begin after the gateway, wait for the port, and give up in the end. Until then
/// the gateway answers, and the node is not ready.
fn hold_up(node: &Node) -> TcpListener {
    let path = node.config_dir().join("bibd.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("[web]\n", "[web]\ntls = true\n")).unwrap();
    TcpListener::bind(node.web()).unwrap()
}

#[test]
fn the_service_manager_hears_that_the_node_is_ready_and_no_sooner() {
    let lab = Lab::new().unwrap();
    let node = lab.node(NodeSpec::full("notifying")).unwrap();
    let path = lab.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let socket = format!("NOTIFY_SOCKET={}", path.display());
    let start = |log: &str| {
        let log = File::create(lab.path().join(log)).unwrap();
        Daemon::start(&lab, &node, &["env", &socket], log)
    };

    let taken = hold_up(&node);
    let mut early = start("early.log");
    let asked = || node.bib(&["admin", "shutdown"]).is_ok_and(|outcome| outcome.code == 0);
    until("the gateway answers", PATIENCE, asked).unwrap();
    assert_eq!(early.wait().code(), Some(0));
    assert_eq!(hear(), "STOPPING=1", "a node that was never ready said something else");

    drop(taken);
    let mut daemon = start("ready.log");
    assert_eq!(hear(), "READY=1");
    // by now, not soon
    assert_eq!(node.json(&["status"]).unwrap()["ready"], true);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0));
    assert_eq!(hear(), "STOPPING=1");
    manager.set_nonblocking(true).unwrap();
    let more = manager.recv(&mut [0; 256]).unwrap_err();
    assert_eq!(more.kind(), std::io::ErrorKind::WouldBlock, "once is enough");
}

#[test]
fn a_node_that_is_not_ready_yet_stops_when_it_is_asked() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::cache("early")).unwrap();
    let _taken = hold_up(&node);
    node.launch().unwrap();
    let asked = || node.bib(&["admin", "shutdown"]).is_ok_and(|outcome| outcome.code == 0);
    until("the gateway answers", PATIENCE, asked).unwrap();
    assert_eq!(node.wait_end().unwrap(), 0, "{}", node.log());
    assert!(node.log().contains("stopped in order"), "{}", node.log());
}

#[test]
fn whoever_silences_the_log_is_told_why_there_is_no_node() {
    let lab = Lab::new().unwrap();
    let node = lab.node(NodeSpec::cache("silent")).unwrap();
    let _taken = TcpListener::bind(node.web()).unwrap();
    let ended = node.daemon(&["--log-level", "off"]).unwrap();
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("pages could not start"), "{}", ended.stderr);
}
