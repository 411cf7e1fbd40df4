//! `ingest-1g`: a large file becomes a signed version, beside `dd conv=fsync` and git-annex.

use super::data::{noise, rate};
use crate::measure::{rounds, seconds};
use crate::peers::{debian, run as run_peer};
use crate::report::{Better, Row};
use anyhow::ensure;
use bib_node_tests::{Lab, Node, NodeSpec};
use std::path::Path;
use std::process::Command;

/// Both peers.
pub(crate) fn run(count: usize, mib: usize) -> anyhow::Result<Vec<Row>> {
    let lab = Lab::new()?;
    let mut node = lab.node(NodeSpec::full("bench"))?;
    node.start()?;
    node.bib(&["topic", "create", "bench"])?.ok()?;
    let source = lab.path().join("source.bin");
    let copy = lab.path().join("copy.bin");

    let dd = rounds(
        count,
        |round| upload(&node, &source, &format!("dd-{round}"), mib, 1 + round as u64),
        |_| {
            let _ = std::fs::remove_file(&copy);
            let mut command = Command::new("dd");
            command.arg(format!("if={}", source.display())).arg(format!("of={}", copy.display()));
            let ((), took) = seconds(|| run_peer(command.args(["bs=1M", "conv=fsync"])))?;
            Ok(rate(mib, took))
        },
    )?;
    let _ = std::fs::remove_file(&copy);
    let mut rows = vec![row("dd", 0.9, dd, "dd neither chunks, hashes nor signs")];

    debian("git-annex", "git-annex")?;
    let annex = lab.path().join("annex");
    let home = lab.path().join("annex-home");
    std::fs::create_dir_all(&annex)?;
    std::fs::create_dir_all(&home)?;
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command
            .current_dir(&annex)
            .env("HOME", &home)
            .args(["-c", "user.name=bench", "-c", "user.email=bench@localhost"])
            .args(words);
        run_peer(&mut command)
    };
    git(&["init", "-q"])?;
    git(&["annex", "init", "-q", "bench"])?;
    let beside = rounds(
        count,
        |round| upload(&node, &source, &format!("annex-{round}"), mib, 1001 + round as u64),
        |round| {
            let name = format!("x{round}");
            std::fs::copy(&source, annex.join(&name))?;
            run_peer(Command::new("sync").arg("-f").arg(&annex))?;
            let ((), took) = seconds(|| git(&["annex", "add", "-q", &name]))?;
            Ok(rate(mib, took))
        },
    )?;
    rows.push(row("git-annex", 2.2, beside, "git-annex neither chunks nor signs"));
    // the annex protects its files from being changed, also from being removed with the lab
    run_peer(Command::new("chmod").args(["-R", "u+w"]).arg(&annex))?;
    node.stop()?;
    Ok(rows)
}

fn row(peer: &str, goal: f64, rounds: Vec<crate::measure::Round>, remark: &'static str) -> Row {
    Row { name: "ingest-1g".into(), peer_name: peer.into(), unit: "MB/s", better: Better::Higher, goal, rounds, remark }
}

/// Makes the file, uploads it with the whole program, and proves that it is there.
fn upload(node: &Node, source: &Path, name: &str, mib: usize, seed: u64) -> anyhow::Result<f64> {
    noise(source, seed, mib)?;
    let path = source.to_string_lossy().into_owned();
    let words = ["dataset", "upload", &path, "--topic", "bench", "--name", name];
    let (version, took) = seconds(|| node.json(&words))?;
    ensure!(version["newBytes"].as_u64() == Some((mib as u64) << 20), "not all of it was new: {version}");
    let report = node.json(&["dataset", "verify", &format!("bench/{name}")])?;
    ensure!(report["ok"] == true, "{report}");
    Ok(rate(mib, took))
}
