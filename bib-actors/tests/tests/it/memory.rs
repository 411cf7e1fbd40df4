//! The memory of a node stays small while data goes through it. `make chaos` sends more.

use bib_node_tests::faults::memory;
use bib_node_tests::{Lab, Node, NodeSpec, until};
use std::time::Duration;

/// The most that a node may take, in KiB.
const BOUND_KIB: u64 = 512 << 10;

#[test]
fn data_goes_through_in_little_memory() {
    let peaks = memory(3, 1, &|_| {}).unwrap();
    eprintln!("{peaks:?}");
    assert!(peaks.first_kib < BOUND_KIB && peaks.second_kib < BOUND_KIB, "{peaks:?}");
}

/// Bytes of files that the node has mapped and in memory.
fn of_files(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[test]
fn a_node_at_rest_gives_its_programs_pages_back_and_works_on() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::full("first")).unwrap();
    node.start().unwrap();
    let started = of_files(&node);
    let rests = || until("the node rests", Duration::from_secs(120), || of_files(&node) < started * 3 / 4);
    rests().unwrap();
    node.bib(&["topic", "create", "weather"]).unwrap().ok().unwrap();
    let file = lab.path().join("t.csv");
    std::fs::write(&file, "site,n\nA,1\n").unwrap();
    node.bib(&["dataset", "upload", file.to_str().unwrap(), "--topic", "weather", "--name", "all"])
        .unwrap()
        .ok()
        .unwrap();
    let found = node.bib(&["dataset", "query", "dataset(\"weather/all\")", "-o", "csv"]).unwrap().ok().unwrap();
    assert!(found.stdout.contains("A,1"), "{found:?}");
    rests().unwrap();
    assert_eq!(node.json(&["dataset", "verify", "weather/all"]).unwrap()["ok"], true);
    node.stop().unwrap();
}
