//! A node that moves to another machine is the same node: `docs/how-to/move-a-node.md`, step by step.

use super::shell::{good, root};
use bib_node_tests::{Lab, Node, NodeSpec};
use std::process::Command;

fn whole(node: &Node) {
    node.bib(&["dataset", "verify", "data/weather"]).unwrap().ok().unwrap();
    assert_eq!(node.json(&["admin", "audit", "verify"]).unwrap()["ok"], true);
}

#[test]
fn a_node_that_moves_is_the_same_node() {
    let lab = Lab::new().unwrap();
    let mut old = lab.node(NodeSpec::full("old")).unwrap();
    old.start().unwrap();
    old.bib(&["topic", "create", "data"]).unwrap().ok().unwrap();
    let file = root().join("examples/data/weather.csv");
    old.bib(&["dataset", "upload", file.to_str().unwrap(), "--topic", "data"]).unwrap().ok().unwrap();
    let before = old.json(&["status"]).unwrap();
    old.stop().unwrap();

    // the other machine has a folder of its own at another place, and a configuration that names it
    let mut new = lab.node(NodeSpec::full("new")).unwrap();
    good(Command::new("cp").arg("-a").arg(old.data_dir()).arg(new.data_dir()));
    new.start().unwrap();
    let after = new.json(&["status"]).unwrap();
    for what in ["id", "tlsFingerprint", "topics", "datasets", "versions", "storeBytes"] {
        assert_eq!(before[what], after[what], "{what} changed on the way");
    }
    assert_eq!(after["dataDir"], new.data_dir().to_str().unwrap());
    whole(&new);
    new.bib(&["topic", "create", "more"]).unwrap().ok().unwrap();
    whole(&new);
    new.stop().unwrap();
}
