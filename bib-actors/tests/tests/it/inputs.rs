//! Bad, empty and numerous files: a clear answer, and nothing changed by what is refused.

use super::data::{example, file, noise, upload};
use bib_node_tests::faults::many_files;
use bib_node_tests::{Lab, Node, NodeSpec, chunk_files};
use std::path::Path;

fn node(lab: &Lab) -> Node {
    let mut node = lab.node(NodeSpec::selective("alone")).unwrap();
    node.start().unwrap();
    node.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();
    node
}

fn refused(node: &Node, path: &Path, word: &str) {
    let words = ["dataset", "upload", path.to_str().unwrap(), "--topic", "t", "--name", "bad", "--json"];
    let answer = node.bib(&words).unwrap();
    assert_eq!(answer.code, 2, "{}: {}{}", path.display(), answer.stdout, answer.stderr);
    let error = answer.error_json().unwrap();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(word), "{} gave {message:?}, without {word:?}", path.display());
    assert_eq!(node.bib(&["dataset", "get", "t/bad"]).unwrap().code, 6, "a refused upload left a dataset");
}

#[test]
fn what_cannot_be_read_as_a_table_is_refused_by_name() {
    let lab = Lab::new().unwrap();
    let node = node(&lab);
    refused(&node, &file(lab.path(), "ragged.csv", b"a,b\n1,2\n3\n"), "ragged.csv");
    let parquet = std::fs::read(example("flights.parquet")).unwrap();
    refused(&node, &file(lab.path(), "cut.parquet", &parquet[..parquet.len() - 100_000]), "cut.parquet");
    let kept = node
        .json(&[
            "dataset",
            "upload",
            lab.path().join("ragged.csv").to_str().unwrap(),
            "--topic",
            "t",
            "--name",
            "kept",
            "--allow-broken-tables",
        ])
        .unwrap();
    assert_eq!(kept["created"], true);
}

#[test]
fn empty_files_and_folders_are_kept() {
    let lab = Lab::new().unwrap();
    let node = node(&lab);
    let put = upload(&node, &file(lab.path(), "empty.csv", b""), "t", "empty");
    assert_eq!((&put["files"], &put["bytes"]), (&1.into(), &0.into()));
    let out = lab.path().join("out");
    node.bib(&["dataset", "download", "t/empty", "--out", out.to_str().unwrap()]).unwrap().ok().unwrap();
    assert_eq!(std::fs::read(out.join("empty.csv")).unwrap(), b"");
}

#[test]
fn ten_thousand_small_files_share_chunks() {
    let packed = many_files(10_000, 1).unwrap();
    eprintln!("{packed:?}");
    assert!(packed.chunks < 200, "{} chunks for 10 MiB in 10,000 files", packed.chunks);
    assert!(packed.new_bytes < 4 << 20, "{} bytes are new after the edit of one file", packed.new_bytes);
    assert!(packed.notices, "a chunk that is gone was not noticed");
}

#[test]
fn a_damaged_chunk_is_found_by_name_and_never_served() {
    let lab = Lab::new().unwrap();
    let node = node(&lab);
    upload(&node, &file(lab.path(), "big.bin", &noise(3, 3 << 20)), "t", "big");
    let blob = chunk_files(&node).pop().unwrap();
    let mut bytes = std::fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    let answer = node.bib(&["dataset", "verify", "t/big", "--json"]).unwrap();
    assert_eq!(answer.code, 12, "{}{}", answer.stdout, answer.stderr);
    let report: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(report["damage"][0]["path"], "big.bin", "{report}");
    let out = lab.path().join("out");
    let served = node.bib(&["dataset", "download", "t/big", "--out", out.to_str().unwrap()]).unwrap();
    assert_ne!(served.code, 0, "a damaged chunk was served");
    assert!(!out.exists());
}

#[test]
fn errors_say_what_to_do() {
    let lab = Lab::new().unwrap();
    let node = node(&lab);
    let path = file(lab.path(), "x.txt", b"x");
    let answer = node.bib(&["dataset", "upload", path.to_str().unwrap(), "--topic", "nosuch", "--name", "x"]).unwrap();
    assert_eq!(answer.code, 6, "{}", answer.stderr);
    assert!(answer.stderr.contains("bib topic create nosuch"), "{}", answer.stderr);
    let answer = node.bib(&["topic", "create", "t"]).unwrap();
    assert_eq!(answer.code, 7, "{}", answer.stderr);
    upload(&node, &example("weather.csv"), "t", "weather");
    let answer = node.bib(&["dataset", "query", r#"dataset("t/weather").filter(r, r.tmep > 80)"#]).unwrap();
    assert_eq!(answer.code, 2, "{}", answer.stderr);
    assert!(answer.stderr.contains("temp") && answer.stderr.contains("tmep"), "{}", answer.stderr);
}
