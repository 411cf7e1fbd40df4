//! A proxy: it keeps nothing, shows what the nodes have that it joined, and gives it as if it were here.

use super::data::{file, noise, upload};
use bib_node_tests::{Lab, Node, NodeSpec, chunk_files, pair, until};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const ARRIVAL: Duration = Duration::from_secs(120);
const ALL: &str = "dataset(\"t/table\").filter(r, r.n >= 2)";

/// A proxy with little memory, which must let go of a part of what it reads.
fn proxy(lab: &Lab, name: &'static str) -> Node {
    let more = "[proxy]\ncache_mib = 64\n".to_owned();
    lab.node(NodeSpec { more, ..NodeSpec::proxy(name) }).unwrap()
}

/// The most that the node's process ever had in memory, in KiB.
fn peak(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn names(list: &Value) -> Vec<String> {
    let rows = list.as_array().or_else(|| list["items"].as_array()).unwrap();
    rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

fn downloaded(node: &Node, dataset: &str, into: &Path) {
    node.bib(&["dataset", "download", dataset, "--out", into.to_str().unwrap()]).unwrap().ok().unwrap();
}

#[test]
fn a_proxy_gives_what_others_have_and_keeps_nothing() {
    let lab = Lab::new().unwrap();
    let mut source = lab.node(NodeSpec::full("source")).unwrap();
    let mut proxy = proxy(&lab, "proxy");
    source.start().unwrap();
    proxy.start().unwrap();

    // alone it says what to do
    let lonely = proxy.bib(&["dataset", "get", "t/table"]).unwrap();
    assert_eq!(lonely.code, 6, "{}", lonely.stderr);
    assert!(lonely.stderr.contains("bib join TICKET"), "{}", lonely.stderr);
    let nothing = proxy.bib(&["dataset", "list"]).unwrap().ok().unwrap();
    assert!(nothing.stderr.contains("this proxy joined"), "{}", nothing.stderr);
    pair(&source, &proxy).unwrap();
    source.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();
    let large = noise(7, 100 << 20);
    upload(&source, &file(lab.path(), "table.csv", b"n,s\n1,a\n2,b\n3,c\n"), "t", "table");
    upload(&source, &file(lab.path(), "large.bin", &large), "t", "large");

    // lists and versions are the other's
    until("the proxy shows what there is", ARRIVAL, || {
        proxy.json(&["dataset", "list"]).is_ok_and(|list| names(&list) == ["t/large", "t/table"])
    })
    .unwrap();
    let rows = source.bib(&["dataset", "query", ALL, "-o", "csv"]).unwrap().ok().unwrap().stdout;
    assert_eq!(proxy.bib(&["dataset", "query", ALL, "-o", "csv"]).unwrap().ok().unwrap().stdout, rows);
    let (there, here) =
        (source.json(&["dataset", "get", "t/large"]).unwrap(), proxy.json(&["dataset", "get", "t/large"]).unwrap());
    assert_eq!(there["version"]["id"], here["version"]["id"]);
    assert_eq!(
        (there["signature"].clone(), here["version"]["complete"].clone()),
        (here["signature"].clone(), false.into())
    );

    for topics in
        [proxy.json(&["topic", "list"]).unwrap(), serde_json::json!([proxy.json(&["topic", "get", "t"]).unwrap()])]
    {
        assert_eq!(names(&topics), ["t"], "{topics}");
        let topic = &topics.as_array().or_else(|| topics["items"].as_array()).unwrap()[0];
        assert_eq!((topic["datasets"].as_u64(), topic["subscribed"].clone()), (Some(2), false.into()), "{topics}");
        assert!(topic["bytes"].as_u64() > Some(100 << 20), "{topics}");
    }
    let status = proxy.json(&["status"]).unwrap();
    assert_eq!(status["mode"], "proxy", "{status}");
    // what is said of a busy machine is nothing about a proxy
    let of_machine = ["disk is slow", "stood still", "clock of this machine"];
    let told = status["warnings"].as_array().unwrap().iter().filter_map(|warning| warning.as_str());
    let own: Vec<_> = told.filter(|text| !of_machine.iter().any(|word| text.contains(word))).collect();
    assert!(own.is_empty(), "{status}");

    let log = proxy.json(&["admin", "audit", "list", "--action", "dataset.list"]).unwrap().to_string();
    assert!(log.contains(r#""component":"gateway""#), "what others told is recorded, too: {log}");

    // more than its memory holds comes through it, and nothing stays on its disk
    let to = lab.path().join("got");
    downloaded(&proxy, "t/large", &to);
    assert!(std::fs::read(to.join("large.bin")).unwrap() == large, "other bytes came through the proxy");
    assert_eq!(chunk_files(&proxy), Vec::<std::path::PathBuf>::new());
    let peak = peak(&proxy);
    assert!(peak < 512 << 10, "{peak} KiB in memory");

    // a new version is seen at once, not when the time of an answer is over
    upload(&source, &file(lab.path(), "table.csv", b"n,s\n5,e\n"), "t", "table");
    until("the proxy sees the new version", ARRIVAL, || {
        proxy.bib(&["dataset", "query", ALL, "-o", "csv"]).is_ok_and(|answer| answer.stdout.contains("5,e"))
    })
    .unwrap();
    let versions = proxy.json(&["dataset", "versions", "t/table"]).unwrap();
    assert_eq!(versions.as_array().or_else(|| versions["versions"].as_array()).unwrap().len(), 2, "{versions}");
    let old = lab.path().join("old");
    let first = ["dataset", "download", "t/table", "--version", "1", "--out", old.to_str().unwrap()];
    proxy.bib(&first).unwrap().ok().unwrap();
    assert_eq!(std::fs::read(old.join("table.csv")).unwrap(), b"n,s\n1,a\n2,b\n3,c\n");

    // what only a node that keeps data can do
    let folder = file(lab.path(), "own.csv", b"a\n1\n");
    for refused in [
        vec!["topic", "create", "mine"],
        vec!["topic", "subscribe", "t"],
        vec!["dataset", "upload", folder.to_str().unwrap(), "--topic", "t", "--name", "own"],
        vec!["dataset", "verify", "t/table"],
    ] {
        let answer = proxy.bib(&refused).unwrap();
        assert_eq!(answer.code, 14, "{refused:?}: {}", answer.stderr);
        assert!(answer.stderr.contains("is a proxy"), "{refused:?}: {}", answer.stderr);
    }

    // without the others it shows what it learnt, and says what it cannot do
    source.kill9().unwrap();
    until("the proxy is alone", ARRIVAL, || {
        proxy
            .bib(&["dataset", "download", "t/large", "--out", lab.path().join("not").to_str().unwrap()])
            .is_ok_and(|answer| answer.code == 10)
    })
    .unwrap();
    assert!(names(&proxy.json(&["dataset", "list"]).unwrap()).contains(&"t/table".to_owned()));

    // who it is and whom it knows is still there after a kill
    proxy.kill9().unwrap();
    source.start().unwrap();
    proxy.start().unwrap();
    until("the proxy gives data again", ARRIVAL, || {
        proxy.bib(&["dataset", "query", ALL, "-o", "csv"]).is_ok_and(|answer| answer.stdout.contains("5,e"))
    })
    .unwrap();
    assert_eq!(chunk_files(&proxy), Vec::<std::path::PathBuf>::new());
    assert!(!proxy.log().contains("panicked"), "{}", proxy.log());
}

#[test]
fn favorites_are_asked_first_and_lists_are_of_all() {
    let lab = Lab::new().unwrap();
    let mut nodes = ["one", "two"].map(|name| lab.node(NodeSpec::full(name)).unwrap());
    nodes.iter_mut().for_each(|node| node.start().unwrap());
    let [one, two] = &nodes;
    let id = one.json(&["status"]).unwrap()["id"].as_str().unwrap().to_owned();
    for (node, bytes) in [(one, &b"n\n1\n"[..]), (two, b"n\n2\n")] {
        node.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();
        upload(node, &file(lab.path(), "x.csv", bytes), "t", "both");
        let own = format!("only-{}", node.name());
        upload(node, &file(lab.path(), "x.csv", bytes), "t", &own);
    }
    // the second's is the later one, and the first is asked first
    let more = format!("[proxy]\nfavorites = [\"{id}\"]\n");
    let mut proxy = lab.node(NodeSpec { more, ..NodeSpec::proxy("proxy") }).unwrap();
    proxy.start().unwrap();
    pair(one, &proxy).unwrap();
    pair(two, &proxy).unwrap();
    until("the proxy shows what both have", ARRIVAL, || {
        proxy.json(&["dataset", "list"]).is_ok_and(|list| names(&list) == ["t/both", "t/only-one", "t/only-two"])
    })
    .unwrap();
    let read = |name: &str| {
        let query = format!("dataset(\"t/{name}\")");
        proxy.bib(&["dataset", "query", &query, "-o", "csv"]).unwrap().ok().unwrap().stdout
    };
    assert_eq!(read("both"), "n\n1\n");
    // also when a later version of another node is known here
    let later = two.json(&["dataset", "get", "t/both"]).unwrap()["version"]["id"].as_str().unwrap().to_owned();
    let got = proxy.json(&["dataset", "get", "t/both", "--version", &later]).unwrap();
    assert_eq!(got["version"]["id"], later.as_str());
    assert_eq!(read("both"), "n\n1\n");
    assert_eq!(read("only-two"), "n\n2\n");
}
