//! The disk under one part of a node runs full from outside while people upload.
//!
//! Promised: the node becomes read-only and says so before PostgreSQL panics; nothing acknowledged is lost; reading and
//! refusing go on; it writes again by itself when there is room.

use super::{SmallDisk, noise};
use crate::{Lab, Node, NodeSpec, until};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the node may take to notice that its disk is full or that there is room again.
const NOTICE: Duration = Duration::from_secs(30);
/// Bytes of one uploaded file.
const FILE: usize = 256 << 10;
/// Small figures, so that a small disk has room for them.
const OPTIONS: &str = "[storage]\nreserve_mib = 32\nballast_mib = 32\ncheck_ms = 50\n";

/// Which part of the node has the small disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// PostgreSQL and its log.
    Database,
    /// The chunk store.
    Chunks,
    /// The audit log.
    Audit,
    /// Everything, as on most machines.
    Whole,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Database, Self::Chunks, Self::Audit, Self::Whole];

    fn folder(self, node: &Node) -> PathBuf {
        match self {
            Self::Database => node.data_dir().join("postgres"),
            Self::Chunks => node.data_dir().join("blobs"),
            Self::Audit => node.data_dir().join("audit"),
            Self::Whole => node.data_dir(),
        }
    }

    const fn mib(self) -> u32 {
        match self {
            Self::Database => 220,
            Self::Chunks | Self::Audit => 150,
            Self::Whole => 300,
        }
    }
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Survived {
    /// Versions that were acknowledged before the disk was full, all of which verified.
    pub acknowledged: usize,
    /// From the moment of room until a version was acknowledged again.
    pub reopened_after: Duration,
    /// Whether the checks noticed, at the end, that a disk with room is not full.
    pub notices: bool,
}

/// Runs the scenario once. What is uploaded follows from the seed.
///
/// # Errors
/// With the first promise that was broken.
pub fn full_disk(place: Place, seed: u64) -> anyhow::Result<Survived> {
    let lab = Lab::new()?;
    // declared before the node, so that the node is gone when it is unmounted
    let mut disks = Vec::new();
    let node = lab.node(NodeSpec { more: OPTIONS.to_owned(), ..NodeSpec::full("full") })?;
    disks.push(SmallDisk::mount(&place.folder(&node), place.mib())?);
    let disk = &disks[0];
    let mut client = Client { node, folder: lab.path().to_owned(), seed };
    client.node.start()?;
    client.node.bib(&["topic", "create", "t"])?.ok()?;
    let postmaster = postmaster(&client.node)?;

    let acknowledged = Mutex::new(Vec::new());
    client.upload(0)?.context("an upload with room was refused")?;
    acknowledged.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.push(0);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let uploading = scope.spawn(|| client.upload_until(&acknowledged, &stop));
        // with uploads under way
        let busy = until("uploads are under way", NOTICE, || acknowledged.lock().is_ok_and(|done| done.len() >= 3));
        let filled = busy.and_then(|()| disk.fill()).and_then(|_| {
            until("uploads are refused", NOTICE, || uploading.is_finished())?;
            // what the ballast gave back is taken, too
            disk.fill()
        });
        stop.store(true, Ordering::SeqCst);
        let uploaded = uploading.join().unwrap_or_else(|_| anyhow::bail!("the uploader panicked"));
        filled.and(uploaded)
    })?;
    let acknowledged = acknowledged.into_inner().map_err(|_| anyhow::anyhow!("poisoned"))?;

    client.finds_it_full(&acknowledged)?;
    disk.clear()?;
    let cleared = now();
    let mut last = String::new();
    until("the node writes again", NOTICE, || match client.upload(9_999) {
        Ok(done) => done.is_some(),
        Err(error) => {
            last = format!("{error:#}");
            false
        }
    })
    .with_context(|| last.clone())?;
    let reopened_after = now() - cleared;
    let node = &client.node;
    until("nothing needs attention any more", NOTICE, || {
        node.bib(&["status", "--exit-code"]).is_ok_and(|o| o.code == 0)
    })?;

    for number in acknowledged.iter().copied().chain([9_999]) {
        let report = node.json(&["dataset", "verify", &format!("t/d{number}")])?;
        ensure!(report["ok"] == true, "version of d{number} was acknowledged and does not verify: {report}");
    }
    let audit = node.json(&["admin", "audit", "verify"])?;
    ensure!(audit["ok"] == true, "the audit log is damaged: {audit}");
    let status = node.json(&["status"])?;
    for actor in status["actors"].as_array().into_iter().flatten() {
        ensure!(actor["restarts"] == 0, "an actor failed: {actor}");
    }
    ensure!(self::postmaster(node)? == postmaster, "PostgreSQL was started anew");
    no_panic(node)?;
    let notices = client.finds_it_full(&acknowledged).is_err();
    Ok(Survived { acknowledged: acknowledged.len(), reopened_after, notices })
}

#[expect(clippy::disallowed_methods, reason = "this program watches other processes, it is no actor")]
fn now() -> Instant {
    Instant::now()
}

/// Who uploads to the node.
struct Client {
    node: Node,
    folder: PathBuf,
    seed: u64,
}

impl Client {
    /// Uploads one small dataset. `None` when the node refused it because its disk is full.
    fn upload(&self, number: u64) -> anyhow::Result<Option<Value>> {
        let path = self.folder.join(format!("d{number}.bin"));
        std::fs::write(&path, noise(self.seed << 20 | (number + 1), FILE))?;
        let words = ["dataset", "upload", path.to_str().context("a UTF-8 path")?, "--topic", "t", "--name"];
        let name = format!("d{number}");
        let done = self.node.bib(&[&words[..], &[&name, "--json"]].concat());
        std::fs::remove_file(&path)?;
        let done = done?;
        if done.code == 0 {
            return done.json().map(Some);
        }
        let error = done.error_json()?;
        ensure!(done.code == 16 && error["reason"] == "DISK_FULL", "an upload failed otherwise: {} {error}", done.code);
        Ok(None)
    }

    /// Uploads one after the other, until one is refused.
    fn upload_until(&self, done: &Mutex<Vec<u64>>, stop: &AtomicBool) -> anyhow::Result<()> {
        for number in 1.. {
            if stop.load(Ordering::SeqCst) || self.upload(number)?.is_none() {
                break;
            }
            done.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.push(number);
        }
        Ok(())
    }

    /// The disk is full: changes are refused with a reason and a way out, reading goes on, the status says it.
    fn finds_it_full(&self, acknowledged: &[u64]) -> anyhow::Result<()> {
        let node = &self.node;
        ensure!(self.upload(5_000)?.is_none(), "an upload was taken on a full disk");
        let topic = node.bib(&["topic", "create", "more", "--json"])?;
        let error = topic.error_json()?;
        ensure!(topic.code == 16 && error["reason"] == "DISK_FULL", "a topic was not refused: {} {error}", topic.code);
        let message = error["message"].as_str().unwrap_or_default();
        ensure!(message.contains("free") && message.contains("by itself"), "no way out in {message:?}");
        let status = node.json(&["status"])?;
        let warnings = status["warnings"].to_string();
        ensure!(warnings.contains("the node") && warnings.contains("MiB"), "the status does not say it: {warnings}");
        ensure!(node.bib(&["status", "--exit-code"])?.code == 11, "the status is well on a full disk");
        ensure!(status["ready"] == true, "reading has ended: {status}");
        for number in acknowledged.iter().rev().take(3) {
            let report = node.json(&["dataset", "verify", &format!("t/d{number}")])?;
            ensure!(report["ok"] == true, "d{number} cannot be read on a full disk: {report}");
        }
        let records = node.json(&["admin", "audit", "list", "--limit", "50"])?;
        ensure!(records.to_string().contains("refused"), "the refusals are not in the audit log: {records}");
        no_panic(node)
    }
}

fn no_panic(node: &Node) -> anyhow::Result<()> {
    for file in std::fs::read_dir(node.data_dir().join("postgres/log"))?.flatten() {
        let text = std::fs::read_to_string(file.path())?;
        let panic = text.lines().find(|line| line.contains("PANIC"));
        ensure!(panic.is_none(), "PostgreSQL panicked: {panic:?}");
    }
    Ok(())
}

fn postmaster(node: &Node) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(node.data_dir().join("postgres/data/postmaster.pid"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
