//! How much memory two nodes take while data goes through them: uploaded, replicated, downloaded, verified, queried.

use super::noise;
use crate::{Lab, Node, NodeSpec, until};
use anyhow::{Context, ensure};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// How long one portion may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(900);
/// Bytes of one dataset; more bytes are more datasets, so that no copy outside the nodes grows with them.
pub const PORTION: u64 = 256 << 20;
/// Bytes made at a time.
const STEP: u64 = 8 << 20;
/// Rows of the table that is queried.
const ROWS: u32 = 400_000;

/// The most memory that each node took, in KiB.
#[derive(Debug, Clone, Copy)]
pub struct Peaks {
    /// Bytes that went through.
    pub bytes: u64,
    /// The node that was uploaded to, and served.
    pub first_kib: u64,
    /// The node that fetched, verified, was queried and downloaded from.
    pub second_kib: u64,
}

/// Sends so many portions through two nodes. What is in them follows from the seed. Tells after each how far it is.
///
/// # Errors
/// When anything on the way fails.
pub fn memory(portions: u32, seed: u64, tell: &dyn Fn(&str)) -> anyhow::Result<Peaks> {
    let lab = Lab::new()?;
    let mut first = lab.node(NodeSpec::full("first"))?;
    let mut second = lab.node(NodeSpec::selective("second"))?;
    first.start()?;
    second.start()?;
    let ticket = first.bib(&["invite", "-q"])?.ok()?.stdout;
    second.bib(&["join", ticket.trim()])?.ok()?;
    first.bib(&["topic", "create", "t"])?.ok()?;
    until("the topic is known", ARRIVAL, || second.bib(&["topic", "get", "t"]).is_ok_and(|done| done.code == 0))?;
    second.bib(&["topic", "subscribe", "t"])?.ok()?;

    for number in 0..portions {
        through(&lab, (&first, &second), number, seed)?;
        tell(&format!("portion {number}: {} and {} KiB at most so far", peak(&first)?, peak(&second)?));
    }
    query(&lab, (&first, &second))?;
    Ok(Peaks { bytes: u64::from(portions) * PORTION, first_kib: peak(&first)?, second_kib: peak(&second)? })
}

/// One portion: in at one node, out at the other.
fn through(lab: &Lab, (first, second): (&Node, &Node), number: u32, seed: u64) -> anyhow::Result<()> {
    let path = lab.path().join("portion.bin");
    write(&path, seed << 24 | u64::from(number) << 8)?;
    let name = format!("d{number}");
    put(first, &path, &name)?;
    std::fs::remove_file(&path)?;
    let dataset = format!("t/{name}");
    arrives(second, &dataset)?;
    for node in [first, second] {
        let report = node.json(&["dataset", "verify", &dataset])?;
        ensure!(report["ok"] == true, "{dataset} does not verify: {report}");
    }
    let out = lab.path().join("out");
    second.bib(&["dataset", "download", &dataset, "--out", out.to_str().context("a UTF-8 path")?])?.ok()?;
    std::fs::remove_dir_all(&out)?;
    Ok(())
}

/// A table, all of which is exported by a query on the other node.
fn query(lab: &Lab, (first, second): (&Node, &Node)) -> anyhow::Result<()> {
    let path = lab.path().join("table.csv");
    let mut text = String::from("id,name,value\n");
    for n in 0..ROWS {
        writeln!(text, "{n},row number {n} of many,{}", f64::from(n) * 0.5)?;
    }
    std::fs::write(&path, text)?;
    put(first, &path, "table")?;
    arrives(second, "t/table")?;
    let rows =
        second.bib(&["dataset", "query", "dataset(\"t/table\").filter(r, r.id >= 0)", "-o", "jsonl"])?.ok()?.stdout;
    ensure!(rows.lines().count() == ROWS as usize, "{} rows came back", rows.lines().count());
    Ok(())
}

fn write(path: &Path, seed: u64) -> anyhow::Result<()> {
    let mut file = File::create(path)?;
    for step in 0..PORTION / STEP {
        file.write_all(&noise(seed | (step + 1), usize::try_from(STEP)?))?;
    }
    Ok(())
}

fn put(node: &Node, path: &Path, name: &str) -> anyhow::Result<()> {
    let path = path.to_str().context("a UTF-8 path")?;
    node.bib(&["dataset", "upload", path, "--topic", "t", "--name", name])?.ok()?;
    Ok(())
}

fn arrives(node: &Node, dataset: &str) -> anyhow::Result<()> {
    until("a version arrives", ARRIVAL, || {
        node.json(&["dataset", "get", dataset]).is_ok_and(|answer| answer["version"]["complete"] == true)
    })
}

fn peak(node: &Node) -> anyhow::Result<u64> {
    peak_kib(node.pid().context("the node runs")?)
}

/// The most memory that a process had in its life, in KiB.
///
/// # Errors
/// When there is no such process.
pub fn peak_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM")?;
    line.split_whitespace().nth(1).context("no figure")?.parse().context("read VmHWM")
}
