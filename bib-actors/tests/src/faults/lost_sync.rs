//! A sync that fails, at every step, in a real node: no acknowledgement, no second sync of the same descriptor, nothing
//! acknowledged is lost, and the node goes on.
//!
//! `strace` cannot do this: it counts calls for each thread, and a node syncs on many. A small library that is preloaded
//! counts them for the process, and loses what a failed sync did not write, as a disk does.

use super::noise;
use crate::{Lab, Node, NodeSpec, until};
use anyhow::{Context, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIBRARY: &str = include_str!("lost_sync.c");
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of one upload: a few chunks.
const FILE: usize = 5 << 20;

/// What was seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Swept {
    /// Syncs of a run in which none fails.
    pub steps: usize,
    /// Runs in which one failed.
    pub failed: usize,
    /// Of those, how many were acknowledged all the same, since the node did the work again by itself; all verified.
    pub acknowledged: usize,
}

/// The preloaded library and how it is told what to do.
struct Syncs {
    library: PathBuf,
    control: PathBuf,
    log: PathBuf,
}

impl Syncs {
    fn build(lab: &Lab) -> anyhow::Result<Self> {
        let at = |name: &str| lab.path().join(name);
        let made = Self { library: at("lost_sync.so"), control: at("sync.control"), log: at("sync.log") };
        let source = at("lost_sync.c");
        std::fs::write(&source, LIBRARY)?;
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-pthread", "-o"])
            .arg(&made.library)
            .arg(&source)
            .output()
            .context("run cc")?;
        ensure!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
        Ok(made)
    }

    fn env(&self, data: &Path) -> Vec<(String, String)> {
        let pair = |name: &str, path: &Path| (name.to_owned(), path.display().to_string());
        vec![
            pair("LD_PRELOAD", &self.library),
            pair("BIB_SYNC_DIR", data),
            pair("BIB_SYNC_CONTROL", &self.control),
            pair("BIB_SYNC_LOG", &self.log),
        ]
    }

    /// From now on syncs are counted, and the `n`-th fails; none for 0.
    fn arm(&self, n: usize) -> anyhow::Result<()> {
        let _ = std::fs::remove_file(&self.log);
        // seen whole or not at all
        let new = self.control.with_extension("new");
        std::fs::write(&new, n.to_string())?;
        Ok(std::fs::rename(&new, &self.control)?)
    }

    fn disarm(&self) -> anyhow::Result<Vec<Step>> {
        std::fs::remove_file(&self.control)?;
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(Step::parse).collect()
    }
}

/// One counted sync.
#[derive(Debug)]
struct Step {
    word: String,
    path: PathBuf,
}

impl Step {
    fn parse(line: &str) -> anyhow::Result<Self> {
        let mut words = line.splitn(3, ' ').skip(1);
        let (Some(word), Some(path)) = (words.next(), words.next()) else { bail!("not a step: {line:?}") };
        Ok(Self { word: word.to_owned(), path: path.into() })
    }

    fn is(&self, word: &str) -> bool {
        self.word == word
    }
}

/// The part of the node that a path belongs to.
fn part(data: &Path, path: &Path) -> String {
    let rest = path.strip_prefix(data).unwrap_or(path);
    rest.iter().next().map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The one that failed, if one did, after the rules that hold in every run.
fn failure<'s>(data: &Path, steps: &'s [Step], acknowledged: bool) -> anyhow::Result<Option<&'s Step>> {
    for word in ["RETRY", "NOT-LOST", "ERROR"] {
        if let Some(step) = steps.iter().find(|step| step.is(word)) {
            bail!("{word} {}: {steps:?}", step.path.display());
        }
    }
    let Some(at) = steps.iter().position(|step| step.is("FAILED")) else { return Ok(None) };
    let failed = &steps[at];
    // these only say how far the log and the catalogue were at some time: an older one is weaker, and not wrong
    let counts = !["audit/mark.tmp", "manifests/tmp/catalog"].iter().any(|note| failed.path.ends_with(note));
    let again = steps[at..].iter().any(|step| step.is("OK") && part(data, &step.path) == part(data, &failed.path));
    ensure!(
        !acknowledged || !counts || again,
        "acknowledged although {} was not synced, and nothing was synced there after",
        failed.path.display()
    );
    Ok(Some(failed))
}

fn upload(node: &Node, folder: &Path, number: usize) -> anyhow::Result<bool> {
    let path = folder.join("upload.bin");
    std::fs::write(&path, noise(number as u64 + 1, FILE))?;
    let name = format!("d{number}");
    let words = ["dataset", "upload", path.to_str().context("a UTF-8 path")?, "--topic", "t", "--name", &name];
    Ok(node.bib(&words)?.code == 0)
}

fn verify(node: &Node, numbers: &[usize]) -> anyhow::Result<()> {
    for number in numbers {
        let report = node.json(&["dataset", "verify", &format!("t/d{number}")])?;
        ensure!(report["ok"] == true, "d{number} was acknowledged and does not verify: {report}");
    }
    let audit = node.json(&["admin", "audit", "verify"])?;
    ensure!(audit["ok"] == true, "the audit log is damaged: {audit}");
    Ok(())
}

/// As many of 1 to `steps` as are wanted, spread over all of them.
fn chosen(steps: usize, most: usize) -> impl Iterator<Item = usize> {
    let most = most.clamp(1, steps.max(1));
    (0..most).map(move |n| 1 + n * steps / most)
}

/// Fails one sync of an upload after the other: of chunks, their folders, the manifest, the audit log. At most `most` of
/// them, spread over all.
///
/// # Errors
/// With the first promise that was broken.
pub fn lost_sync(most: usize) -> anyhow::Result<Swept> {
    let lab = Lab::new()?;
    let syncs = Syncs::build(&lab)?;
    let data = lab.path().join("node/data");
    let mut node = lab.node(NodeSpec { env: syncs.env(&data), ..NodeSpec::full("node") })?;
    node.start()?;
    node.bib(&["topic", "create", "t"])?.ok()?;
    syncs.arm(0)?;
    ensure!(upload(&node, lab.path(), 0)?, "an upload failed without a fault");
    let clean = syncs.disarm()?;
    failure(&data, &clean, true)?;
    let parts = |wanted: &str| clean.iter().any(|step| part(&data, &step.path) == wanted);
    ensure!(parts("blobs") && parts("manifests") && parts("audit"), "not all parts were synced: {clean:?}");

    let mut swept = Swept { steps: clean.len(), ..Swept::default() };
    let (mut kept, mut uploads) = (vec![0], 0);
    for n in chosen(clean.len(), most) {
        let mut at = n;
        let steps = loop {
            syncs.arm(at)?;
            uploads += 1;
            let number = uploads;
            let acknowledged = upload(&node, lab.path(), number)?;
            let steps = syncs.disarm()?;
            let failed = failure(&data, &steps, acknowledged)?.is_some();
            swept.failed += usize::from(failed);
            swept.acknowledged += usize::from(failed && acknowledged);
            if acknowledged {
                kept.push(number);
            }
            if failed || at <= 1 {
                break steps;
            }
            // records that wait share a sync, so one run has fewer than another: this one ended before it came so far
            at = (at - 1).min(steps.len().max(1));
        };
        // it goes on by itself
        uploads += 1;
        let later = uploads;
        until("the node takes uploads again", PATIENCE, || upload(&node, lab.path(), later).unwrap_or(false))
            .with_context(|| format!("after sync {n} failed: {steps:?}"))?;
        kept.push(later);
        // what is only in its memory is gone
        node.kill9()?;
        node.start()?;
        verify(&node, &kept[kept.len().saturating_sub(3)..]).with_context(|| format!("sync {n} failed: {steps:?}"))?;
    }
    ensure!(swept.failed > 0, "no sync failed");
    verify(&node, &kept)?;
    Ok(swept)
}

/// Fails one sync of a node's first start after the other: of its layout, identity, secrets, certificates, its first
/// files. At most `most` of them, spread over all.
///
/// # Errors
/// With the first promise that was broken.
pub fn lost_sync_at_first_start(most: usize) -> anyhow::Result<Swept> {
    let (clean, _) = first_start(0)?;
    let mut swept = Swept { steps: clean, ..Swept::default() };
    for n in chosen(clean, most) {
        let (_, failed) = first_start(n).with_context(|| format!("sync {n} of a first start failed"))?;
        swept.failed += usize::from(failed);
    }
    ensure!(swept.failed > 0, "no sync failed");
    Ok(swept)
}

/// How many syncs a first start had, and whether the `n`-th failed. Whether it came up or not, the next start does, as
/// the node that the first one was.
fn first_start(n: usize) -> anyhow::Result<(usize, bool)> {
    let lab = Lab::new()?;
    let syncs = Syncs::build(&lab)?;
    let data = lab.path().join("node/data");
    let mut node = lab.node(NodeSpec { env: syncs.env(&data), ..NodeSpec::full("node") })?;
    syncs.arm(n)?;
    let came_up = node.start();
    let steps = syncs.disarm()?;
    let failed = failure(&data, &steps, came_up.is_ok())?.map(|step| step.path.clone());
    let id = || -> anyhow::Result<String> { Ok(node.json(&["status"])?["id"].to_string()) };
    let before = came_up.is_ok().then(id).transpose()?;
    let context = || format!("{failed:?} of {} syncs", steps.len());
    if came_up.is_ok() {
        node.kill9()?;
    }
    node.start().with_context(context)?;
    let after = node.json(&["status"])?["id"].to_string();
    ensure!(before.is_none_or(|before| before == after), "the node came back as another one: {}", context());
    node.bib(&["topic", "create", "t"])?.ok().with_context(context)?;
    ensure!(upload(&node, lab.path(), 0)?, "an upload failed after {}", context());
    verify(&node, &[0]).with_context(context)?;
    Ok((steps.len(), failed.is_some()))
}
