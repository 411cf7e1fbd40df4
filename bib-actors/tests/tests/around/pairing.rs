//! Two machines share data: the commands of `docs/how-to/two-machines.md` as they stand.

use super::markdown::Page;
use super::reader::run;
use super::shell::root;
use bib_node_tests::{Lab, Node, NodeSpec, until};
use std::time::Duration;

/// The words of a block of the page that sets a node up and starts it.
fn set_up(lab: &Lab, node: &mut Node, block: &str) {
    let setup = block.strip_suffix("bibd &\n").expect("the block ends with the start");
    // its folders and ports are of this test already; the page's words change nothing more
    run(lab, node, setup);
    node.start().unwrap();
}

#[test]
fn two_machines_pair_and_share() {
    let page = Page::read(&root().join("docs/how-to/two-machines.md"));
    let blocks: Vec<&str> = page.blocks.iter().map(|block| block.text.as_str()).collect();
    let [first, second, invite, join, subscribe, prove, forget] = blocks[..] else {
        panic!("the page has other steps: {blocks:?}")
    };

    let lab = Lab::new().unwrap();
    let mut a = lab.node(NodeSpec::full("lab-a")).unwrap();
    let mut b = lab.node(NodeSpec::selective("lab-b")).unwrap();
    set_up(&lab, &mut a, first);
    set_up(&lab, &mut b, second);
    a.bib(&["topic", "create", "flights"]).unwrap().ok().unwrap();
    let file = root().join("examples/data/weather.csv");
    let words = ["dataset", "upload", file.to_str().unwrap(), "--topic", "flights", "--name", "nyc"];
    a.bib(&words).unwrap().ok().unwrap();

    let printed = run(&lab, &a, invite);
    let ticket = printed.split_whitespace().find(|word| word.starts_with("bib1")).expect("a ticket is printed");
    assert!(join.contains("bib1..."), "{join}");
    run(&lab, &b, &join.replace("bib1...", ticket));
    run(&lab, &b, subscribe);
    until("the version is on the second machine", Duration::from_secs(120), || {
        b.json(&["dataset", "get", "flights/nyc"]).is_ok_and(|got| got["version"]["complete"] == true)
    })
    .unwrap();
    let id = a.json(&["dataset", "get", "flights/nyc"]).unwrap()["version"]["id"].as_str().unwrap().to_owned();
    for node in [&a, &b] {
        let printed = run(&lab, node, prove);
        assert!(printed.contains(&id[..12]) && printed.contains("is whole"), "{printed}");
    }
    run(&lab, &a, forget);
    let known = a.json(&["node", "list"]).unwrap();
    assert!(known.as_array().unwrap().iter().all(|node| node["paired"] == false), "{known}");
    b.bib(&["dataset", "verify", "flights/nyc"]).unwrap().ok().unwrap();
    b.stop().unwrap();
    a.stop().unwrap();
}
