//! PostgreSQL: adopted after a crash, refused where it is missing; one daemon a folder.

use bib_node_tests::{Lab, Node, NodeSpec, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::Command;
use std::time::Duration;

/// Far below what a stop may wait for PostgreSQL, and far above what ending takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn postmaster(node: &Node) -> String {
    let file = node.data_dir().join("postgres/data/postmaster.pid");
    std::fs::read_to_string(file).unwrap().lines().next().unwrap().to_owned()
}

#[test]
fn a_live_postgres_is_adopted_after_a_crash() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::full("first")).unwrap();
    node.start().unwrap();
    node.bib(&["topic", "create", "before"]).unwrap().ok().unwrap();
    let before = postmaster(&node);
    node.kill9().unwrap();
    node.start().unwrap();
    assert_eq!(postmaster(&node), before, "a second postmaster was started");
    node.bib(&["topic", "get", "before"]).unwrap().ok().unwrap();
    assert_eq!(node.json(&["admin", "audit", "verify"]).unwrap()["ok"], true);
    node.stop().unwrap();
    assert!(!node.data_dir().join("postgres/data/postmaster.pid").exists(), "PostgreSQL outlived an orderly stop");
}

/// A process that stands still until this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn new(pid: Pid) -> Self {
        kill(pid, Signal::SIGSTOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

#[test]
fn a_second_signal_ends_a_node_that_does_not_stop() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::full("first")).unwrap();
    node.start().unwrap();
    node.bib(&["topic", "create", "before"]).unwrap().ok().unwrap();
    let server = Pid::from_raw(postmaster(&node).parse().unwrap());
    let daemon = Pid::from_raw(node.pid().unwrap().try_into().unwrap());
    // a PostgreSQL that does not answer is waited for
    let stopped = Stopped::new(server);
    kill(daemon, Signal::SIGTERM).unwrap();
    let waits = || node.log().contains("once more ends at once") && node.log().contains("ended actor=\"swarm\"");
    until("the node waits for its PostgreSQL", PATIENCE, waits).unwrap();
    assert!(!node.has_ended());
    kill(daemon, Signal::SIGINT).unwrap();
    until("the node has ended", PATIENCE, || node.has_ended()).unwrap();
    assert_eq!(node.wait_end().unwrap(), 1);
    assert!(node.log().contains("ended at once by a second SIGINT"), "{}", node.log());
    drop(stopped);
    node.start().unwrap();
    node.bib(&["topic", "get", "before"]).unwrap().ok().unwrap();
    assert_eq!(node.json(&["admin", "audit", "verify"]).unwrap()["ok"], true);
}

#[test]
fn without_postgres_full_is_refused_and_auto_says_what_is_missing() {
    let lab = Lab::new().unwrap();
    // a machine without PostgreSQL: nothing in PATH, nothing where Debian puts it
    let nowhere = lab.path().join("nowhere");
    std::fs::create_dir(&nowhere).unwrap();
    let env = vec![("BIB_POSTGRES_BIN".to_owned(), nowhere.to_str().unwrap().to_owned())];
    let mut full = lab.node(NodeSpec { storage: "auto", env: env.clone(), ..NodeSpec::full("full") }).unwrap();
    full.launch().unwrap();
    assert_eq!(full.wait_end().unwrap(), 1, "{}", full.log());
    assert!(full.log().contains("untrusted-storage") || full.log().contains("PostgreSQL"), "{}", full.log());

    let mut auto = lab.node(NodeSpec { storage: "auto", env, ..NodeSpec::cache("auto") }).unwrap();
    auto.start().unwrap();
    let status = auto.json(&["status"]).unwrap();
    assert_eq!(status["databaseRuntime"], "sqlite");
    assert_eq!(status["trust"], "untrusted-storage");
    assert!(!status["storageNotice"].as_str().unwrap().is_empty(), "{status}");
}

#[test]
fn two_daemons_never_share_a_folder() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::cache("alone")).unwrap();
    node.start().unwrap();
    let second = node.daemon(&["--log-level", "error"]).unwrap();
    assert_eq!(second.code, 1);
    assert!(second.stderr.contains("in use by another bibd"), "{}", second.stderr);
    assert_eq!(node.json(&["status"]).unwrap()["ready"], true);
}

#[test]
fn nothing_originates_on_untrusted_storage() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::cache("cache")).unwrap();
    node.start().unwrap();
    let file = super::data::file(lab.path(), "x.txt", b"the only copy");
    let upload = ["dataset", "upload", file.to_str().unwrap(), "--topic", "t", "--name", "x", "--json"];
    for words in [&["topic", "create", "t", "--json"][..], &upload] {
        let refused = node.bib(words).unwrap();
        assert_eq!(refused.code, 14, "{}{}", refused.stdout, refused.stderr);
        let error = refused.error_json().unwrap();
        assert_eq!(error["reason"], "MODE_SQLITE");
        assert!(error["message"].as_str().unwrap().contains("untrusted-storage"), "{error}");
    }
    assert_eq!(node.json(&["topic", "list"]).unwrap(), serde_json::json!([]));
}

/// The nice value of each child of a process.
fn priorities(parent: &str) -> Vec<i32> {
    let stats = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        // behind the name, which may have spaces in it: state, parent, ... and the nice value as the seventeenth
        let words: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        (words.get(1) == Some(&parent)).then(|| words.get(16)?.parse().ok())?
    });
    stats.collect()
}

#[test]
fn what_fills_the_audit_table_steps_back_and_nothing_else_does() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::full("first")).unwrap();
    node.start().unwrap();
    let own = Command::new("nice").output().unwrap();
    let own: i32 = String::from_utf8(own.stdout).unwrap().trim().parse().unwrap();
    node.bib(&["topic", "create", "before"]).unwrap().ok().unwrap();
    until("a process of PostgreSQL steps back", PATIENCE, || {
        let priorities = priorities(&postmaster(&node));
        let back = priorities.iter().filter(|nice| **nice == 10).count();
        back == 1 && priorities.len() > 3 && priorities.iter().all(|nice| [own, 10].contains(nice))
    })
    .unwrap();
}
