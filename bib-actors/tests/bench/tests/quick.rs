//! Rows whose peers are part of the tests' own prerequisites work from end to end, on small sizes.

use std::collections::BTreeSet;
use std::process::Command;

const ROWS: [&str; 7] = ["ingest-edit", "audited-writes", "audit-append", "grpc-unary", "ask", "restart", "status"];

#[test]
fn rows_run_and_report() {
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bib-bench"));
    command.args(["--quick", "--rows", &ROWS.join(",")]).arg("--report").arg(&report);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let rows: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let first = |row: &serde_json::Value| row["name"].as_str().unwrap().split('.').next().unwrap().to_owned();
    let names: BTreeSet<String> = rows.iter().map(first).collect();
    assert_eq!(names, ROWS.map(str::to_owned).into());
    for row in &rows {
        for key in ["ours", "peer", "peer_name", "unit", "ratio", "goal", "met", "runs"] {
            assert!(row.get(key).is_some(), "{row} has no {key}");
        }
        assert_eq!(row["met"], false, "a quick look meets no goal");
        let built = row["remark"].as_str().is_some_and(|remark| !remark.starts_with("not built"));
        assert_eq!(row["runs"].as_array().unwrap().len(), usize::from(built), "{row}");
    }
}

#[test]
fn a_row_that_is_not_there_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_bib-bench")).args(["--rows", "ingest-2g"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no row ingest-2g"));
}
