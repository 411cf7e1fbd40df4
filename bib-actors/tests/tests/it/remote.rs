//! A query on a version that is on another node only: it moves what it reads, and what it moved stays.

use super::data::{file, upload};
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use bib_node_tests::{Lab, Node, NodeSpec, Outcome, chunk_files, has, pair, until};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const ROWS: i64 = 600_000;
const GROUP: usize = 20_000;
const ARRIVAL: Duration = Duration::from_secs(120);
const FEW: &str = "dataset(\"t/table\").filter(r, r.id >= 300000 && r.id < 300003)";
const OTHERS: &str = "dataset(\"t/table\").filter(r, r.id >= 500000 && r.id < 500003)";
const SENT: &str = "fetched from other nodes";

/// A table of several row groups; beside the ids are numbers that nothing packs.
fn table() -> Vec<u8> {
    let noise = |seed: u64| {
        let mixed = move |n: i64| {
            let mixed = n.cast_unsigned().wrapping_add(seed << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).cast_signed()
        };
        Arc::new(Int64Array::from_iter_values((0..ROWS).map(mixed))) as ArrayRef
    };
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS));
    let batch =
        RecordBatch::try_from_iter([("id", id), ("a", noise(1)), ("b", noise(2)), ("c", noise(3)), ("d", noise(4))]);
    let batch = batch.unwrap();
    let properties = WriterProperties::builder();
    let properties = properties.set_max_row_group_row_count(Some(GROUP)).set_dictionary_enabled(false).build();
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    out
}

fn query(node: &Node, expression: &str) -> Outcome {
    node.bib(&["dataset", "query", expression, "-o", "csv"]).unwrap()
}

fn moved(node: &Node) -> BTreeMap<PathBuf, (u64, u64)> {
    let about = |path: PathBuf| {
        let file = std::fs::metadata(&path).unwrap();
        (path, (file.ino(), file.len()))
    };
    chunk_files(node).into_iter().map(about).collect()
}

/// The audit log as it stands in its files.
fn audit_files(node: &Node) -> String {
    let (mut text, mut folders) = (String::new(), vec![node.data_dir().join("audit")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                text.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
            }
        }
    }
    text
}

#[test]
fn a_selective_query_moves_a_part_of_the_file() {
    let lab = Lab::new().unwrap();
    let mut first = lab.node(NodeSpec::full("first")).unwrap();
    let mut second = lab.node(NodeSpec::cache("second")).unwrap();
    first.start().unwrap();
    second.start().unwrap();
    pair(&first, &second).unwrap();
    first.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();
    let bytes = table();
    upload(&first, &file(lab.path(), "table.parquet", &bytes), "t", "table");
    until("the topic is known", ARRIVAL, || second.bib(&["topic", "get", "t"]).is_ok_and(|o| o.code == 0)).unwrap();
    let (few, others) = (query(&first, FEW).ok().unwrap(), query(&first, OTHERS).ok().unwrap());
    assert_eq!(few.stdout.lines().count(), 4, "{}", few.stdout);

    // what is nowhere is said to be nowhere
    let nothing = query(&second, "dataset(\"t/nothing\")");
    assert_eq!(nothing.code, 6, "{}", nothing.stderr);
    assert!(nothing.stderr.contains("nor on the one node that is connected"), "{}", nothing.stderr);

    // the same rows, for a small share of the bytes
    let answer = query(&second, FEW).ok().unwrap();
    assert_eq!(answer.stdout, few.stdout);
    assert!(answer.stderr.contains(SENT), "{}", answer.stderr);
    let kept = moved(&second);
    let sum: u64 = kept.values().map(|(_, len)| len).sum();
    assert!(sum > 0 && sum < bytes.len() as u64 / 3, "{sum} of {} bytes moved", bytes.len());
    assert!(!has(&second, "t/table"));
    let plan = second.bib(&["dataset", "query", FEW, "--explain"]).unwrap().ok().unwrap().stdout;
    assert!(plan.contains("are on this node; other nodes sent 0B for this plan"), "{plan}");

    // it is recorded as any query is, with what came
    let log = second.json(&["admin", "audit", "list", "--action", "dataset.query"]).unwrap().to_string();
    assert!(log.contains("t/table"), "{log}");
    assert!(audit_files(&second).contains("bytes_fetched"), "the log does not say what came from elsewhere");

    // what is here is here, and the rest is not
    first.kill9().unwrap();
    let answer = query(&second, FEW).ok().unwrap();
    assert_eq!(answer.stdout, few.stdout);
    assert!(!answer.stderr.contains(SENT), "{}", answer.stderr);
    let refused = query(&second, OTHERS);
    assert_eq!(refused.code, 10, "{}", refused.stderr);
    for part in ["table.parquet in t/table", "not on this node", "bib node connect", "bib topic subscribe t"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }

    // it goes on when the other node is back, and a subscription brings the rest only
    first.start().unwrap();
    until("the nodes are connected again", ARRIVAL, || query(&second, OTHERS).code == 0).unwrap();
    assert_eq!(query(&second, OTHERS).ok().unwrap().stdout, others.stdout);
    second.bib(&["topic", "subscribe", "t"]).unwrap().ok().unwrap();
    until("the rest arrives", ARRIVAL, || has(&second, "t/table")).unwrap();
    let all = moved(&second);
    for (path, about) in kept {
        assert_eq!(all.get(&path), Some(&about), "{} was fetched again", path.display());
    }
    assert_eq!(second.json(&["dataset", "verify", "t/table"]).unwrap()["ok"], true);
}

#[test]
fn a_table_of_text_comes_whole() {
    let lab = Lab::new().unwrap();
    let mut first = lab.node(NodeSpec::full("first")).unwrap();
    let mut second = lab.node(NodeSpec::cache("second")).unwrap();
    first.start().unwrap();
    second.start().unwrap();
    pair(&first, &second).unwrap();
    first.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();
    let lines: String = (0..200_000).map(|n| format!("{n},{}\n", n * 7919 % 10_007)).collect();
    upload(&first, &file(lab.path(), "t.csv", format!("id,n\n{lines}").as_bytes()), "t", "text");
    until("the topic is known", ARRIVAL, || second.bib(&["topic", "get", "t"]).is_ok_and(|o| o.code == 0)).unwrap();
    let expression = "dataset(\"t/text\").aggregate(r, {}, {\"n\": count(), \"s\": sum(r.n)})";
    let (expected, answer) = (query(&first, expression).ok().unwrap(), query(&second, expression).ok().unwrap());
    assert_eq!(answer.stdout, expected.stdout);
    let sum: u64 = moved(&second).values().map(|(_, len)| len).sum();
    assert!(sum >= lines.len() as u64, "{sum} bytes moved");

    // a new version is what is read from then on, without anybody subscribing
    let more = format!("id,n\n{lines}200000,1\n");
    upload(&first, &file(lab.path(), "t.csv", more.as_bytes()), "t", "text");
    let (expected, answer) = (query(&first, expression).ok().unwrap(), query(&second, expression).ok().unwrap());
    assert_eq!(answer.stdout, expected.stdout);
    assert!(answer.stdout.contains("200001"), "{}", answer.stdout);
}
