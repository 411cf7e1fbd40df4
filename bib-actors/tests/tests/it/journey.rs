//! The demo's path, and what a user sees on the way.

use super::data::{example, upload};
use bib_node_tests::demo::{Ending, Story, run};
use bib_node_tests::{Lab, NodeSpec};
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn the_main_job_from_file_to_proof() {
    let mut told = Vec::new();
    let data = super::tree::root().join("examples/data");
    let outcome = run(&mut Story { out: &mut told, data, ending: Ending::CleanUp });
    let told = String::from_utf8_lossy(&told).into_owned();
    let report = outcome.unwrap_or_else(|error| panic!("{told}\n{error:#}"));
    assert_eq!(report.rows, 336_776);
    assert!(report.version.starts_with("sha256:") && report.chunks > 0 && report.audit_ok, "{report:?}");
    assert!(report.audit_records > 20, "{report:?}");
    let line: serde_json::Value = serde_json::from_str(&report.line()).unwrap();
    assert_eq!(line["ok"], true);
}

#[test]
fn a_folder_comes_back_as_it_was() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::selective("alone")).unwrap();
    node.start().unwrap();
    node.bib(&["topic", "create", "mixed"]).unwrap().ok().unwrap();
    let folder = lab.path().join("folder");
    std::fs::create_dir_all(folder.join("deep/empty")).unwrap();
    std::fs::write(folder.join("naïve name.txt"), "hello\n").unwrap();
    std::fs::write(folder.join("deep/run.sh"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(folder.join("deep/run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::copy(example("weather.csv"), folder.join("weather.csv")).unwrap();
    symlink("deep/run.sh", folder.join("link")).unwrap();
    let put = upload(&node, &folder, "mixed", "folder");
    assert_eq!(put["created"], true);
    assert_eq!(put["rows"], 26_115);

    let out = lab.path().join("out");
    let words = ["dataset", "download", "mixed/folder", "--out", out.to_str().unwrap()];
    node.bib(&words).unwrap().ok().unwrap();
    let compared = std::process::Command::new("diff").arg("-r").args([&folder, &out]).output().unwrap();
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stdout));
    assert_eq!(std::fs::read_link(out.join("link")).unwrap(), std::path::Path::new("deep/run.sh"));
    assert_eq!(std::fs::metadata(out.join("deep/run.sh")).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(out.join("deep/empty").is_dir());
    assert_eq!(node.bib(&words).unwrap().code, 7, "a folder that is there was overwritten");

    let status = node.json(&["status"]).unwrap();
    assert_eq!(status["ready"], true);
    assert!(status["actors"].as_array().unwrap().iter().all(|actor| actor["state"] == "running"), "{status}");
    let listed = node.json(&["admin", "audit", "list", "--action", "dataset."]).unwrap();
    assert!(listed.as_array().unwrap().iter().any(|record| record["outcome"] == "ok"), "{listed}");
    node.stop().unwrap();
}
