//! `kill -9` of either side in the middle of a transfer: it goes on from what is verified on disk.

use super::data::{file, noise, upload};
use bib_node_tests::{Lab, Node, NodeSpec, chunk_files, has, pair, until};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

const BYTES: usize = 192 << 20;
const ARRIVAL: Duration = Duration::from_secs(120);

fn two(lab: &Lab) -> (Node, Node) {
    let mut first = lab.node(NodeSpec::full("first")).unwrap();
    let mut second = lab.node(NodeSpec::cache("second")).unwrap();
    first.start().unwrap();
    second.start().unwrap();
    pair(&first, &second).unwrap();
    first.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();
    upload(&first, &file(lab.path(), "big.bin", &noise(7, BYTES)), "t", "big");
    until("the topic is known", ARRIVAL, || second.bib(&["topic", "get", "t"]).is_ok_and(|o| o.code == 0)).unwrap();
    (first, second)
}

/// Subscribes, and comes back when some chunks have arrived.
fn begin(second: &Node) {
    second.bib(&["topic", "subscribe", "t"]).unwrap().ok().unwrap();
    until("the first chunks arrive", ARRIVAL, || !chunk_files(second).is_empty()).unwrap();
}

fn inodes(node: &Node) -> BTreeMap<PathBuf, u64> {
    chunk_files(node).into_iter().map(|path| (path.clone(), std::fs::metadata(&path).unwrap().ino())).collect()
}

fn check(second: &Node) {
    until("the rest arrives", ARRIVAL, || has(second, "t/big")).unwrap();
    let report = second.json(&["dataset", "verify", "t/big"]).unwrap();
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(second.json(&["admin", "audit", "verify"]).unwrap()["ok"], true);
}

#[test]
fn the_receiver_is_killed() {
    let lab = Lab::new().unwrap();
    let (_first, mut second) = two(&lab);
    begin(&second);
    second.kill9().unwrap();
    let kept = inodes(&second);
    second.start().unwrap();
    check(&second);
    let now = inodes(&second);
    for (path, inode) in kept {
        assert_eq!(now.get(&path), Some(&inode), "{} was fetched again", path.display());
    }
}

#[test]
fn the_sender_is_killed() {
    let lab = Lab::new().unwrap();
    let (mut first, second) = two(&lab);
    begin(&second);
    first.kill9().unwrap();
    first.start().unwrap();
    check(&second);
    let report = first.json(&["dataset", "verify", "t/big"]).unwrap();
    assert_eq!(report["ok"], true, "{report}");
}
