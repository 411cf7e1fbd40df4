//! `kill -9` of the receiver or of the sender in the middle of a transfer, again and again until the version is whole.
//!
//! What was checked and written stays, and is never fetched again; what is fetched twice is counted and bounded by what
//! one life may have in flight.

use crate::dice::Dice;
use crate::nodes::{PATIENCE, full, subscribe};
use crate::report::Row;
use crate::room;
use crate::setting::Setting;
use crate::watch::pause;
use anyhow::{Context, ensure};
use bib_node_tests::{Lab, Node, NodeSpec, chunk_files, has, pair, until};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const TOPIC: &str = crate::clients::TOPIC;
/// What may come twice in one attempt: two groups of 32 MiB that were under way when the sender died.
const IN_FLIGHT: u64 = 64 << 20;
/// Further runs, if in all of them the version was whole before anybody was struck: such a run says nothing.
const SPARE: u32 = 5;

/// Whom to kill.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    Receiver,
    Sender,
}

pub(super) fn receiver(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    run(setting, row, Victim::Receiver)
}

pub(super) fn sender(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    run(setting, row, Victim::Sender)
}

fn run(setting: &Setting, row: &mut Row, victim: Victim) -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let mut first = full(&lab, NodeSpec::full("sender"))?;
    let mut second = lab.node(NodeSpec::cache("receiver"))?;
    second.start()?;
    pair(&first, &second)?;
    let mut dice = setting.dice();
    let megabytes: usize = setting.pick(96, 512);
    let runs = setting.runs(1, 20);
    has_room(lab.path(), u64::from(runs + SPARE) * ((megabytes as u64) << 20))?;
    let (mut refetched, mut total) = (0, 0);
    for run in 0..runs + SPARE {
        if run >= runs && row.void < row.runs {
            break;
        }
        row.runs += 1;
        let before = inodes(&second);
        let name = format!("{TOPIC}/big-{run}");
        let path = lab.path().join("big.bin");
        std::fs::write(&path, dice.bytes(megabytes << 20))?;
        upload(&first, &path, &name)?;
        std::fs::remove_file(&path)?;
        if run == 0 {
            subscribe(&second, TOPIC)?;
        }
        until("the first chunks arrive", PATIENCE, || chunk_files(&second).len() > before.len() + 2)?;
        let struck = strike(&mut first, &mut second, victim, &name, &mut dice, row, run)?;
        row.void += u32::from(!struck);
        until(&format!("{name} is whole"), PATIENCE * 2, || has(&second, &name))?;
        let (got, again) = fetched(&second, &name)?;
        row.expect(again <= IN_FLIGHT, || format!("run {run}: {again} bytes were fetched twice in one attempt"));
        total += got;
        refetched += again;
        let report = second.json(&["dataset", "verify", &name])?;
        row.expect(report["ok"] == true, || format!("run {run}: {name} does not verify: {report}"));
        for node in [&first, &second] {
            let verdict = node.json(&["admin", "audit", "verify"])?;
            row.expect(verdict["ok"] == true, || format!("run {run}: the audit log of {}: {verdict}", node.name()));
        }
        setting.tell(&format!("run {run}: {name} whole, {} MiB fetched again", refetched >> 20));
    }
    row.figure("MiB of a version", megabytes as f64);
    row.figure("MiB fetched in the last attempts", (total >> 20) as f64);
    row.figure("MiB fetched twice in the last attempts", refetched as f64 / f64::from(1 << 20));
    // the self-check: a chunk that is thrown away is fetched again, and the count sees it
    let inodes = inodes(&second);
    let (path, _) = inodes.iter().next().context("the receiver has no chunk")?;
    let bytes = std::fs::read(path)?;
    std::fs::remove_file(path)?;
    std::fs::write(path, bytes)?;
    row.self_check(!replaced(&inodes, &second).is_empty(), "a chunk that was written again");
    Ok(())
}

/// Both nodes keep every version, and are read-only where less than their reserve is free.
fn has_room(lab: &Path, versions: u64) -> anyhow::Result<()> {
    let lacking = room::lacking(lab, 2 * versions + (4 << 30))?;
    ensure!(lacking.is_none(), "{}", lacking.unwrap_or_default());
    Ok(())
}

/// Kills the victim once or twice; false if the version was whole before the first. What the receiver has before a kill
/// is the same files after it.
fn strike(
    first: &mut Node,
    second: &mut Node,
    victim: Victim,
    name: &str,
    dice: &mut Dice,
    row: &mut Row,
    run: u32,
) -> anyhow::Result<bool> {
    let mut struck = false;
    for _ in 0..=dice.below(2) {
        pause(dice.millis(300));
        if has(second, name) {
            break;
        }
        let node = if victim == Victim::Receiver { &mut *second } else { &mut *first };
        node.kill9()?;
        let kept = inodes(second);
        struck = true;
        let node = if victim == Victim::Receiver { &mut *second } else { &mut *first };
        node.start()?;
        until("more chunks arrive", PATIENCE, || inodes(second).len() > kept.len() || has(second, name))?;
        let again = replaced(&kept, second);
        row.expect(again.is_empty(), || format!("run {run}: {} chunks that were kept were fetched again", again.len()));
        if victim == Victim::Receiver {
            row.expect(bytes_of(&inodes(second)) >= bytes_of(&kept), || format!("run {run}: chunks are gone"));
        }
    }
    Ok(struck)
}

/// What one file is.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: u64,
    changed: (i64, i64),
    bytes: u64,
}

fn bytes_of(files: &BTreeMap<PathBuf, Identity>) -> u64 {
    files.values().map(|file| file.bytes).sum()
}

/// Each chunk file with what tells it from a later one of the same name: a system gives numbers of inodes again.
fn inodes(node: &Node) -> BTreeMap<PathBuf, Identity> {
    let about = |path: PathBuf| {
        let file = std::fs::metadata(&path).ok()?;
        Some((path, Identity { inode: file.ino(), changed: (file.ctime(), file.ctime_nsec()), bytes: file.len() }))
    };
    chunk_files(node).into_iter().filter_map(about).collect()
}

/// The chunk files that are other files now.
fn replaced(kept: &BTreeMap<PathBuf, Identity>, node: &Node) -> Vec<PathBuf> {
    let now = inodes(node);
    let other = |(path, file): (&PathBuf, &Identity)| (now.get(path) != Some(file)).then(|| path.clone());
    kept.iter().filter_map(other).collect()
}

/// Bytes that came over the network in the last attempt of a transfer, and how many of them were more than it lacked when
/// it began.
fn fetched(node: &Node, name: &str) -> anyhow::Result<(u64, u64)> {
    let status = node.json(&["status"])?;
    let rows = status["transfers"].as_array().context("transfers in the status")?;
    // one that was whole before the receiver's last start is not shown
    let Some(row) = rows.iter().find(|row| row["dataset"] == name) else { return Ok((0, 0)) };
    let number = |field: &str| row[field].as_u64().with_context(|| format!("no {field} in {row}"));
    let (got, needed) = (number("bytesFetched")?, number("bytesNeeded")?);
    let total = number("bytesTotal")?;
    ensure!(total > 0 && total >= needed, "no sizes in {row}");
    Ok((got, got.saturating_sub(needed)))
}

fn upload(node: &Node, path: &std::path::Path, name: &str) -> anyhow::Result<()> {
    let (topic, dataset) = name.split_once('/').context("a dataset's name")?;
    let path = path.to_str().context("a UTF-8 folder")?;
    node.bib(&["dataset", "upload", path, "--topic", topic, "--name", dataset])?.ok()?;
    Ok(())
}
