//! A node that moves to another machine is the same node: the commands of `docs/how-to/move-a-node.md` as they stand, with
//! another folder for each machine.

use super::markdown::Page;
use super::reader::run;
use super::shell::root;
use bib_node_tests::{Lab, NodeSpec, until};
use std::path::Path;
use std::time::Duration;

/// The data folder on the page.
const FOLDER: &str = "/var/lib/bib";
/// The other machine on the page, reached and copied to.
const REMOTE: [&str; 2] = ["ssh root@new test ! -e /var/lib/bib", "root@new:/var/lib/bib/"];

/// The commands of the copy with the folders of the two machines, which are one here.
fn between(commands: &str, old: &Path, new: &Path) -> String {
    let new = new.display();
    assert!(REMOTE.iter().all(|words| commands.contains(words)), "{commands}");
    let commands = commands.replace(REMOTE[0], &format!("test ! -e {new}")).replace(REMOTE[1], &format!("{new}/"));
    commands.replace(FOLDER, old.to_str().unwrap())
}

#[test]
fn a_node_that_moves_is_the_same_node() {
    let page = Page::read(&root().join("docs/how-to/move-a-node.md"));
    let blocks: Vec<&str> = page.blocks.iter().map(|block| block.text.as_str()).collect();
    let [stop, copy, start, look, connect] = blocks[..] else { panic!("the page has other steps: {blocks:?}") };

    let lab = Lab::new().unwrap();
    let mut old = lab.node(NodeSpec::full("old")).unwrap();
    old.start().unwrap();
    old.bib(&["topic", "create", "flights"]).unwrap().ok().unwrap();
    let file = root().join("examples/data/weather.csv");
    let words = ["dataset", "upload", file.to_str().unwrap(), "--topic", "flights", "--name", "nyc"];
    old.bib(&words).unwrap().ok().unwrap();
    let mut peer = lab.node(NodeSpec::cache("peer")).unwrap();
    peer.start().unwrap();
    let ticket = old.bib(&["invite", "-q"]).unwrap().ok().unwrap().stdout;
    peer.bib(&["join", ticket.trim()]).unwrap().ok().unwrap();
    let before = old.json(&["status"]).unwrap();
    run(&lab, &old, &stop.replace(FOLDER, old.data_dir().to_str().unwrap()));
    assert_eq!(old.wait_end().unwrap(), 0);

    // the other machine has a folder of its own at another place, and a configuration that names it
    let mut new = lab.node(NodeSpec::full("new")).unwrap();
    run(&lab, &old, &between(copy, &old.data_dir(), &new.data_dir()));
    let check = start.strip_suffix("bibd &\n").expect("the block ends with the start");
    assert!(run(&lab, &new, check).contains("the configuration is good"));
    new.start().unwrap();
    let printed = run(&lab, &new, look);
    let after = new.json(&["status"]).unwrap();
    for what in ["id", "tlsFingerprint", "topics", "datasets", "versions", "storeBytes"] {
        assert_eq!(before[what], after[what], "{what} changed on the way");
    }
    assert!(printed.contains(after["tlsFingerprint"].as_str().unwrap()), "the page looks at it: {printed}");
    assert_eq!(after["dataDir"], new.data_dir().to_str().unwrap());
    new.bib(&["topic", "create", "more"]).unwrap().ok().unwrap();
    run(&lab, &new, look);

    // a peer that knew the old address is told the new one, and nothing else
    let config = std::fs::read_to_string(new.config_dir().join("bibd.toml")).unwrap();
    let listens = config.split('"').find(|text| text.starts_with("/ip4/127.0.0.1/tcp/")).unwrap();
    let address = format!("{listens}/p2p/{}", after["id"].as_str().unwrap());
    run(&lab, &peer, &connect.replace("/ip4/10.0.0.7/tcp/4001/p2p/12D3...", &address));
    until("the peer has the node again", Duration::from_secs(60), || {
        peer.json(&["node", "list"]).is_ok_and(|list| list[0]["id"] == after["id"] && list[0]["connected"] == true)
    })
    .unwrap();
    assert_eq!(peer.json(&["node", "list"]).unwrap().as_array().unwrap().len(), 1);
    peer.stop().unwrap();
    new.stop().unwrap();
}
