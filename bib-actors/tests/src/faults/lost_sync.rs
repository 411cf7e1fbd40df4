//! A sync that fails, at every step, in a real node: no acknowledgement before everything that it rests on was synced
//! after all, no second sync of the same descriptor, nothing acknowledged is lost, and the node goes on.

mod preload;
mod trace;

use super::noise;
use crate::{Lab, Node, NodeSpec, chunk_files, until};
use anyhow::{Context, ensure};
use preload::Preload;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use trace::{NOTES, Step, Trace};

const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of one upload: a few chunks.
const FILE: usize = 5 << 20;
/// The key that a node is known by.
const IDENTITY: &str = "identity.key";

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Swept {
    /// Syncs of a run in which none fails.
    pub steps: usize,
    /// Runs in which one was to fail.
    pub runs: usize,
    /// Runs in which one failed.
    pub failed: usize,
    /// Of those, how many were acknowledged all the same, since the node did the work again by itself; all verified.
    pub acknowledged: usize,
    /// How many failed in each part of the node's folder. The part of a folder has a slash behind it.
    pub hit: BTreeMap<String, usize>,
    /// Whether the checks noticed, at the end, a sync that was left out and a chunk that was taken away.
    pub notices: bool,
}

impl Swept {
    fn ran(&mut self, failed: Option<&str>) {
        self.runs += 1;
        if let Some(part) = failed {
            self.failed += 1;
            *self.hit.entry(part.to_owned()).or_default() += 1;
        }
    }
}

/// The syncs of each part, by their number: at most `most`, in turns from each part, so that each has some of the few. What
/// comes first in its part follows from the seed.
fn chosen(counts: &BTreeMap<String, usize>, most: usize, seed: u64) -> Vec<(String, usize)> {
    let mut parts: Vec<(&String, Vec<usize>)> =
        counts.iter().map(|(part, count)| (part, (1..=*count).collect())).collect();
    // files before folders, and at the end what matters least
    parts.sort_by_key(|(part, _)| part.ends_with('/'));
    for (_, numbers) in &mut parts {
        numbers.sort_by_cached_key(|number| noise(seed ^ *number as u64, 8));
    }
    let turns = parts.iter().map(|(_, numbers)| numbers.len()).max().unwrap_or(0);
    let mut all = Vec::new();
    for turn in 0..turns {
        for (part, numbers) in &parts {
            all.extend(numbers.get(turn).map(|number| ((*part).clone(), *number)));
        }
    }
    all.sort_by_key(|(part, _)| part == NOTES);
    all.truncate(most.max(1));
    all
}

/// One node whose syncs fail, and what was put into it.
struct Victim<'a> {
    lab: &'a Lab,
    preload: Preload,
    node: Node,
    data: PathBuf,
    seed: u64,
}

impl<'a> Victim<'a> {
    fn new(lab: &'a Lab, seed: u64) -> anyhow::Result<Self> {
        let data = lab.path().join("node/data");
        let preload = Preload::build(lab, &data)?;
        let node = lab.node(NodeSpec { env: preload.env(), ..NodeSpec::full("node") })?;
        Ok(Self { lab, preload, node, data, seed })
    }

    fn upload(&self, number: usize) -> anyhow::Result<bool> {
        let path = self.lab.path().join("upload.bin");
        std::fs::write(&path, noise(self.seed << 20 | (number as u64 + 1), FILE))?;
        let name = format!("d{number}");
        let words = ["dataset", "upload", path.to_str().context("a UTF-8 path")?, "--topic", "t", "--name", &name];
        Ok(self.node.bib(&words)?.code == 0)
    }

    fn verify(&self, numbers: &[usize]) -> anyhow::Result<()> {
        for number in numbers {
            let report = self.node.json(&["dataset", "verify", &format!("t/d{number}")])?;
            ensure!(report["ok"] == true, "d{number} was acknowledged and does not verify: {report}");
        }
        let audit = self.node.json(&["admin", "audit", "verify"])?;
        ensure!(audit["ok"] == true, "the audit log is damaged: {audit}");
        Ok(())
    }

    fn chunks(&self) -> BTreeSet<PathBuf> {
        chunk_files(&self.node).into_iter().collect()
    }

    /// The files that a version rests on: its manifest, and the chunks that were not there before it.
    fn files(&self, number: usize, before: &BTreeSet<PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
        let answer = self.node.json(&["dataset", "get", &format!("t/d{number}")])?;
        let id = answer["version"]["id"].as_str().context("the id of a version")?;
        let hash = id.rsplit(':').next().unwrap_or_default();
        let manifest = self.data.join("manifests").join(hash.get(..2).context("a hash")?).join(hash);
        let mut files: Vec<PathBuf> = self.chunks().difference(before).cloned().collect();
        ensure!(!files.is_empty(), "d{number} has no chunk of its own");
        files.push(manifest);
        Ok(files)
    }

    /// What goes on behind an answer catches up: the audit log is opened anew, for instance, and syncs what it has.
    fn catches_up(&self, failed: &Step) -> anyhow::Result<()> {
        let good = || self.preload.trace().is_ok_and(|trace| trace.is_made_good(failed));
        until("what failed is synced after all", PATIENCE, good)
    }
}

/// Everything that an acknowledged version rests on would outlive a power cut.
fn is_kept(trace: &Trace, files: &[PathBuf]) -> anyhow::Result<()> {
    files.iter().try_for_each(|file| trace.keeps(file)).context("acknowledged, and a power cut would lose it")
}

/// Fails one sync of an upload after the other: of chunks, their folders, the manifest, the audit log. At most `most` of
/// them, some of each part; which follows from the seed. Tells after each how far it is.
///
/// # Errors
/// With the first promise that was broken.
pub fn lost_sync(most: usize, seed: u64, tell: &dyn Fn(&str)) -> anyhow::Result<Swept> {
    let lab = Lab::new()?;
    let mut victim = Victim::new(&lab, seed)?;
    victim.node.start()?;
    victim.node.bib(&["topic", "create", "t"])?.ok()?;
    let (before, begin) = (victim.chunks(), victim.preload.spare()?);
    ensure!(victim.upload(0)?, "an upload failed without a fault");
    let clean = victim.preload.trace()?;
    clean.is_lawful()?;
    is_kept(&clean, &victim.files(0, &before)?).with_context(|| clean.told(begin))?;
    let counts = clean.syncs(begin);
    for part in ["blobs", "blobs/", "manifests", "manifests/", "audit"] {
        ensure!(counts.contains_key(part), "no sync of {part} in an upload: {counts:?}");
    }

    let mut swept = Swept { steps: counts.values().sum(), ..Swept::default() };
    let (mut kept, mut number) = (vec![0], 0);
    for (part, nth) in chosen(&counts, most, seed) {
        number = one_upload(&mut victim, &part, nth, number, &mut kept, &mut swept)
            .with_context(|| format!("sync {nth} of {part} was to fail"))?;
        tell(&format!("run {}: sync {nth} of {part}, {} failed so far", swept.runs, swept.failed));
    }
    ensure!(swept.failed > 0, "no sync failed");
    victim.verify(&kept)?;
    swept.notices = notices(&victim, number + 1)?;
    Ok(swept)
}

/// Uploads until the sync has failed; sends the same once more unless it was acknowledged; kills the node. Answers the
/// number of the last upload.
fn one_upload(
    victim: &mut Victim<'_>,
    part: &str,
    nth: usize,
    mut number: usize,
    kept: &mut Vec<usize>,
    swept: &mut Swept,
) -> anyhow::Result<usize> {
    let (mut at, begin) = (nth, victim.preload.trace()?.len());
    let (before, acknowledged) = loop {
        let before = victim.chunks();
        let now = victim.preload.fail(at, part)?;
        number += 1;
        let acknowledged = victim.upload(number)?;
        let trace = victim.preload.trace()?;
        // one that comes after the answer is seen by the next upload
        if trace.failed(begin).is_some() || !acknowledged || at <= 1 {
            break (before, acknowledged);
        }
        // records that wait share a sync, so one run has fewer than another: this one ended before it came so far
        kept.push(number);
        at = (at - 1).min(trace.syncs(now).get(part).copied().unwrap_or(0).max(1));
    };
    victim.preload.spare()?;
    if !acknowledged {
        // it goes on by itself
        let again = || victim.upload(number).unwrap_or(false);
        until("the node takes the upload when it is sent again", PATIENCE, again)
            .with_context(|| victim.preload.trace().map(|trace| trace.told(begin)).unwrap_or_default())?;
    }
    kept.push(number);
    let trace = victim.preload.trace()?;
    let told = || trace.told(begin);
    trace.is_lawful().with_context(told)?;
    is_kept(&trace, &victim.files(number, &before)?).with_context(told)?;
    let failed = trace.failed(begin);
    if let Some(failed) = failed.filter(|failed| failed.part().starts_with("audit")) {
        victim.catches_up(failed).with_context(told)?;
    }
    swept.ran(failed.map(|failed| failed.part()));
    swept.acknowledged += usize::from(failed.is_some() && acknowledged);
    // what is only in its memory is gone
    victim.node.kill9()?;
    victim.node.start()?;
    victim.verify(&kept[kept.len().saturating_sub(2)..]).with_context(told)?;
    Ok(number)
}

/// Breaks the promise: a folder's sync is taken out of what the node did, and a chunk out of its store.
fn notices(victim: &Victim<'_>, number: usize) -> anyhow::Result<bool> {
    let before = victim.chunks();
    ensure!(victim.upload(number)?, "an upload failed without a fault");
    let (files, trace) = (victim.files(number, &before)?, victim.preload.trace()?);
    is_kept(&trace, &files)?;
    let mut folders = files.iter().filter_map(|file| file.parent());
    let seen = folders.all(|folder| is_kept(&trace.without_syncs_of(folder), &files).is_err());
    // the first are chunks
    std::fs::remove_file(&files[0])?;
    Ok(seen && victim.verify(&[number]).is_err())
}

/// Fails one sync of a node's first start after the other: of its layout, identity, secrets, certificates, its first
/// files. At most `most` of them, some of each part; which follows from the seed. Tells after each how far it is.
///
/// # Errors
/// With the first promise that was broken.
pub fn lost_sync_at_first_start(most: usize, seed: u64, tell: &dyn Fn(&str)) -> anyhow::Result<Swept> {
    let mut swept = Swept::default();
    let counts = first_start(None, seed, &mut swept)?;
    ensure!(counts.contains_key(IDENTITY), "no sync of {IDENTITY} in a first start: {counts:?}");
    swept = Swept { steps: counts.values().sum(), notices: swept.notices, ..Swept::default() };
    for (part, nth) in chosen(&counts, most, seed) {
        first_start(Some((part.as_str(), nth)), seed, &mut swept)
            .with_context(|| format!("sync {nth} of {part} in a first start was to fail"))?;
        tell(&format!("run {}: sync {nth} of {part}, {} failed so far", swept.runs, swept.failed));
    }
    ensure!(swept.failed > 0, "no sync failed");
    Ok(swept)
}

/// The syncs of a first start. Whether it came up or not, the next start does, as the node that the first one was.
fn first_start(fault: Option<(&str, usize)>, seed: u64, swept: &mut Swept) -> anyhow::Result<BTreeMap<String, usize>> {
    let lab = Lab::new()?;
    let mut victim = Victim::new(&lab, seed)?;
    match fault {
        Some((part, nth)) => victim.preload.fail(nth, part)?,
        None => victim.preload.spare()?,
    };
    let came_up = victim.node.start();
    let first = victim.preload.trace()?;
    victim.preload.spare()?;
    let failed = first.failed(0);
    let context =
        || format!("{}: {}", if came_up.is_ok() { "it came up" } else { "it did not come up" }, first.told(0));
    first.is_lawful().with_context(context)?;
    if came_up.is_ok() {
        knows_itself(&victim, &first).with_context(context)?;
        if let Some(failed) = failed.filter(|failed| failed.part() != NOTES) {
            victim.catches_up(failed).with_context(context)?;
        }
    }
    let id = |node: &Node| -> anyhow::Result<String> { Ok(node.json(&["status"])?["id"].to_string()) };
    let before = came_up.is_ok().then(|| id(&victim.node)).transpose()?;
    if came_up.is_ok() {
        victim.node.kill9()?;
    }
    victim.node.start().with_context(context)?;
    knows_itself(&victim, &victim.preload.trace()?).with_context(context)?;
    let after = id(&victim.node)?;
    ensure!(before.is_none_or(|before| before == after), "the node came back as another one: {}", context());
    victim.node.bib(&["topic", "create", "t"])?.ok().with_context(context)?;
    let chunks = victim.chunks();
    ensure!(victim.upload(0)?, "an upload failed after {}", context());
    let all = victim.preload.trace()?;
    all.is_lawful().with_context(context)?;
    is_kept(&all, &victim.files(0, &chunks)?).with_context(context)?;
    victim.verify(&[0]).with_context(context)?;
    swept.ran(failed.map(|failed| failed.part()));
    swept.acknowledged += usize::from(failed.is_some() && came_up.is_ok());
    if fault.is_none() {
        let without = |path: &Path| knows_itself(&victim, &all.without_syncs_of(path)).is_err();
        swept.notices = without(&victim.data) && without(&victim.data.join(format!("{IDENTITY}.tmp")));
    }
    Ok(first.syncs(0))
}

/// A node that is up has a key that would outlive a power cut. Its naming is a call that the preloaded library does not see,
/// between these two syncs.
fn knows_itself(victim: &Victim<'_>, trace: &Trace) -> anyhow::Result<()> {
    let temporary = victim.data.join(format!("{IDENTITY}.tmp"));
    ensure!(trace.has_synced_in_turn(&temporary, &victim.data), "a power cut would lose {IDENTITY}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_steps_have_one_of_each_part_and_all_steps_are_all() {
        let counts = [("audit", 4), ("blobs", 9), ("blobs/", 5), ("manifests", 1), (NOTES, 3), ("z/", 1)];
        let counts: BTreeMap<String, usize> = counts.into_iter().map(|(part, n)| (part.to_owned(), n)).collect();
        for seed in 0..20 {
            let few = chosen(&counts, 5, seed);
            let parts: BTreeSet<_> = few.iter().map(|(part, _)| part.as_str()).collect();
            assert_eq!(parts, BTreeSet::from(["audit", "blobs", "blobs/", "manifests", "z/"]), "seed {seed}");
            assert_eq!(few, chosen(&counts, 5, seed));
            let all: BTreeSet<_> = chosen(&counts, usize::MAX, seed).into_iter().collect();
            assert_eq!(all.len(), 23);
        }
        assert_ne!(chosen(&counts, 6, 1), chosen(&counts, 6, 2));
        assert_eq!(chosen(&counts, 0, 1).len(), 1);
    }
}
