//! What `bib` does when it, or the node, goes away in the middle, and what it says before anything begins.

use super::data::{file, noise, upload};
use bib_node_tests::{Lab, Node, NodeSpec, until, until_some};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// So large that a download of it takes many looks.
const BYTES: usize = 96 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// A node with one large dataset.
fn node(lab: &Lab) -> Node {
    let mut node = lab.node(NodeSpec::full("alone")).unwrap();
    node.start().unwrap();
    node.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();
    upload(&node, &file(lab.path(), "big.bin", &noise(11, BYTES)), "t", "big");
    node
}

/// `bib` behind `env`, which sets what is done at a hang-up: how these tests were started does not matter then.
fn bib(lab: &Lab, node: &Node, hangup: &str, words: &[&str]) -> Command {
    let mut command = Command::new("env");
    command.arg(format!("--{hangup}-signal=HUP")).arg(lab.program("bib")).args(words);
    command.arg("--config-dir").arg(node.config_dir()).env("HOME", lab.path());
    for name in ["SSH_AUTH_SOCK", "BIB_NODE", "BIB_SSH_KEY", "BIB_OUTPUT", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env_remove(name);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A download into `folder` that stands still half way.
fn halted(lab: &Lab, node: &Node, hangup: &str, folder: &Path) -> Child {
    let out = folder.join("big");
    let halt = || {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir(folder).unwrap();
        let words = ["dataset", "download", "t/big", "--out", out.to_str().unwrap()];
        let mut child = bib(lab, node, hangup, &words).stdin(Stdio::null()).spawn().unwrap();
        let begun = || !names(folder).is_empty() || child.try_wait().unwrap().is_some();
        until("the download begins", PATIENCE, begun).unwrap();
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        kill(pid(&child), Signal::SIGSTOP).unwrap();
        let stands = matches!(waitpid(pid(&child), Some(WaitPidFlag::WUNTRACED)), Ok(WaitStatus::Stopped(..)));
        let part = names(folder).iter().any(|name| name.starts_with(".big.part"));
        if stands && part {
            return Some(child);
        }
        if stands {
            kill(pid(&child), Signal::SIGCONT).unwrap();
            child.wait().unwrap();
        }
        None
    };
    until_some("a download is caught half way", PATIENCE, halt).unwrap()
}

fn ended(child: Child) -> (Option<i32>, String) {
    kill(pid(&child), Signal::SIGCONT).unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn a_download_whose_terminal_or_node_goes_away_leaves_nothing() {
    let lab = Lab::new().unwrap();
    let mut node = node(&lab);
    let folder = lab.path().join("down");
    for (signal, code) in [(Signal::SIGHUP, 129), (Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let child = halted(&lab, &node, "default", &folder);
        kill(pid(&child), signal).unwrap();
        let (ended, said) = ended(child);
        assert_eq!((ended, names(&folder)), (Some(code), Vec::new()), "{said}");
        assert!(said.contains("tidying up"), "{said}");
    }
    // as under nohup
    let child = halted(&lab, &node, "ignore", &folder);
    kill(pid(&child), Signal::SIGHUP).unwrap();
    let (code, said) = ended(child);
    assert_eq!((code, names(&folder)), (Some(0), vec!["big".to_owned()]), "{said}");

    let child = halted(&lab, &node, "default", &folder);
    node.kill9().unwrap();
    let (code, said) = ended(child);
    assert_eq!((code, names(&folder)), (Some(10), Vec::new()), "{said}");
    assert!(said.contains("[NODE_UNREACHABLE]") && said.contains("bib status"), "{said}");
}

#[test]
fn a_refusal_does_not_wait_for_the_end_of_what_is_piped_in() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::full("alone")).unwrap();
    node.start().unwrap();
    let words = ["dataset", "upload", "-", "--topic", "typo", "--name", "x"];
    let mut child = bib(&lab, &node, "default", &words).stdin(Stdio::piped()).spawn().unwrap();
    let input = child.stdin.take().unwrap();
    until("the upload is refused", PATIENCE, || child.try_wait().unwrap().is_some()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(6) && said.contains("[TOPIC_NOT_FOUND]"), "{said}");
}

#[test]
fn what_is_said_before_is_what_is_done() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::full("alone")).unwrap();
    node.start().unwrap();
    node.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();
    let folder = lab.path().join("survey.2023");
    for name in ["raw/a.csv", "raw/deep/b.csv", "rawer.csv"] {
        file(&folder, name, b"n\n1\n");
    }
    let words = ["dataset", "upload", folder.to_str().unwrap(), "--topic", "t"];
    let plan = node.json(&[&words[..], &["--dry-run"]].concat()).unwrap();
    assert_eq!((plan["name"].as_str(), plan["files"].as_u64()), (Some("t/survey.2023"), Some(3)), "{plan}");
    assert_eq!(node.json(&words).unwrap()["dataset"], "t/survey.2023");

    let out = lab.path().join("out");
    let words = ["dataset", "download", "t/survey.2023", "--include", "raw/", "--out", out.to_str().unwrap()];
    let plan = node.json(&[&words[..], &["--dry-run"]].concat()).unwrap();
    let done = node.json(&words).unwrap();
    assert_eq!((&plan["files"], &plan["bytes"]), (&done["files"], &done["bytes"]));
    assert_eq!(done["files"], 2, "{done}");
    let words = ["dataset", "download", "t/survey.2023", "--include", "ra", "--dry-run"];
    assert_eq!(node.bib(&words).unwrap().code, 6);

    let rows = |words: &[&str]| {
        let all = [&["dataset", "preview", "t/survey.2023", "--file", "rawer.csv", "-o", "csv"], words].concat();
        node.bib(&all).unwrap()
    };
    assert_eq!(rows(&["--columns", "n"]).ok().unwrap().stdout, "n\n1\n");
    assert_eq!(rows(&["--columns", "m"]).code, 2);
}
