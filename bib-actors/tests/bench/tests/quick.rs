//! Rows whose peers are part of the tests' own prerequisites work from end to end, on small sizes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::process::Command;

const ROWS: [&str; 8] =
    ["ingest-edit", "audited-reads", "audited-writes", "audit-append", "grpc-unary", "ask", "restart", "status"];

/// Runs these words on small sizes with nothing but what is here; what the file of that name reports.
fn report(name: &str, words: &[&str]) -> Vec<serde_json::Value> {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bib-bench"));
    command.args(["--quick", "--no-install"]).args(words).arg("--report").arg(dir.path().join("report.json"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&std::fs::read(dir.path().join(name)).unwrap()).unwrap()
}

/// The first parts of the names in a report.
fn names(report: &[serde_json::Value]) -> BTreeSet<&str> {
    report.iter().map(|row| row["name"].as_str().unwrap().split('.').next().unwrap()).collect()
}

fn rows_are_there(wanted: &[&str]) {
    let rows = report("report.json", &["--rows", &wanted.join(",")]);
    assert_eq!(names(&rows), wanted.iter().copied().collect::<BTreeSet<_>>());
    for row in &rows {
        for key in ["ours", "peer", "peer_name", "unit", "ratio", "goal", "met", "runs"] {
            assert!(row.get(key).is_some(), "{row} has no {key}");
        }
        let goal = if row["goal"].is_null() { serde_json::Value::Null } else { false.into() };
        assert_eq!(row["met"], goal, "a quick look meets no goal");
        // pgaudit is no part of the prerequisites
        let left_out = row["remark"].as_str().unwrap().starts_with("left out");
        assert!(!left_out || row["peer_name"] == "pgaudit", "{row}");
        assert_eq!(row["runs"].as_array().unwrap().len(), usize::from(!left_out), "{row}");
    }
}

#[test]
fn rows_run_and_report() {
    rows_are_there(&ROWS);
}

#[test]
fn several_providers_run_and_report() {
    rows_are_there(&["replicate-3"]);
}

#[test]
fn curves_run_and_report() {
    const CURVES: [&str; 4] = ["audit", "bytes", "files", "versions"];
    let curves = report("curves.json", &["--curves", "--rows", &CURVES.join(",")]);
    assert_eq!(names(&curves), CURVES.into());
    for curve in &curves {
        let points = curve["points"].as_array().unwrap();
        assert!(points.len() > 1 && points.iter().all(|point| point[1].as_f64() > Some(0.0)), "{curve}");
        assert_eq!(curve["measurement"], false, "a quick look measures nothing");
    }
}

#[test]
fn a_row_that_is_not_there_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_bib-bench")).args(["--rows", "ingest-2g"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no row ingest-2g"));
}
