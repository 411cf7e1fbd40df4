//! An upload that is killed leaves chunks; a sweep removes them, and never one that another upload found here.

use super::data::{file, noise, upload};
use bib_node_tests::{Lab, Node, NodeSpec, chunk_files, until};
use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

/// More than one group of chunks, so that some have their names before the upload ends.
const BYTES: usize = 176 << 20;
const PATIENCE: Duration = Duration::from_secs(120);

/// Begins an upload and comes back when some of its chunks are in the store. Its input does not end, so however fast the
/// node is, it is not whole before it is killed.
fn begin(lab: &Lab, node: &Node, bytes: &[u8], name: &str) -> (Child, ChildStdin) {
    let before = chunk_files(node).len();
    let mut child = Command::new(lab.program("bib"))
        .args(["dataset", "upload", "-", "--topic", "t", "--name", name, "--config-dir"])
        .arg(node.config_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(bytes).unwrap();
    until("the first chunks are here", PATIENCE, || chunk_files(node).len() > before).unwrap();
    (child, input)
}

fn kill((mut child, _input): (Child, ChildStdin)) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_chunks_of_a_killed_upload_go_and_those_of_a_repeated_one_stay() {
    let lab = Lab::new().unwrap();
    let more = "[storage]\nsweep_seconds = 1\norphan_grace_seconds = 0\n".to_owned();
    let mut node = lab.node(NodeSpec { more, ..NodeSpec::full("one") }).unwrap();
    node.start().unwrap();
    node.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();
    let kept = upload(&node, &file(lab.path(), "kept.bin", &noise(1, 1 << 20)), "t", "kept");
    let named = chunk_files(&node).len();
    assert!(kept["created"] == true && named > 0, "{kept}");

    let bytes = noise(2, BYTES);
    let big = file(lab.path(), "big.bin", &bytes);
    kill(begin(&lab, &node, &bytes, "big"));
    until("the orphans are gone", PATIENCE, || chunk_files(&node).len() == named).unwrap();

    // sweeps go on while the same bytes come again, are given up, and come once more
    kill(begin(&lab, &node, &bytes, "big"));
    upload(&node, &big, "t", "big");
    let swept = |node: &Node| node.json(&["admin", "audit", "list", "--action", "chunk.sweep"]).unwrap().to_string();
    assert!(swept(&node).contains("chunk.sweep"), "the removal is not in the audit log");
    for name in ["t/kept", "t/big"] {
        let report = node.json(&["dataset", "verify", name]).unwrap();
        assert_eq!(report["ok"], true, "{report}");
    }
    node.stop().unwrap();
    // what a start sweeps is nothing that is needed
    node.start().unwrap();
    for name in ["t/kept", "t/big"] {
        let report = node.json(&["dataset", "verify", name]).unwrap();
        assert_eq!(report["ok"], true, "{report}");
    }
}
