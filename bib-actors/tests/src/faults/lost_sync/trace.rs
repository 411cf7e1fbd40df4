//! What a node did with its disk, in order, and what a power cut would leave of it.
//!
//! A file is there after one if it was synced before it got its name, its folder was synced after that, and so was the
//! folder above every folder that is new. A name whose folder's sync failed is gone until that folder is synced again.

use anyhow::{Context, bail, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// These only say how far something was at some time: an older one is weaker, and not wrong.
pub(super) const NOTES: &str = "notes";

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Deed {
    Synced,
    Failed,
    /// It had this name before.
    Named(PathBuf),
    /// A new folder.
    Made,
    /// What must never be.
    Wrong(String),
}

/// What was done, and to what.
#[derive(Debug, Clone)]
pub(super) struct Step {
    deed: Deed,
    part: String,
    path: PathBuf,
}

impl Step {
    fn parse(line: &str) -> anyhow::Result<Self> {
        let mut words = line.split('\t');
        let (Some(deed), Some(part), Some(path)) = (words.next(), words.next(), words.next()) else {
            bail!("not a step: {line:?}")
        };
        let deed = match (deed, words.next()) {
            ("OK", None) => Deed::Synced,
            ("FAILED", None) => Deed::Failed,
            ("MADE", None) => Deed::Made,
            ("NAMED", Some(from)) => Deed::Named(from.into()),
            (wrong, _) => Deed::Wrong(wrong.to_owned()),
        };
        Ok(Self { deed, part: part.to_owned(), path: path.into() })
    }

    /// The part of the node's folder that it was done to; a folder has a slash behind it.
    pub(super) fn part(&self) -> &str {
        &self.part
    }

    fn is_sync_of(&self, path: &Path) -> bool {
        self.deed == Deed::Synced && self.path == path
    }
}

/// Everything that was done below a folder.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    data: PathBuf,
    steps: Vec<Step>,
}

impl Trace {
    /// Reads a log.
    pub(super) fn parse(data: &Path, log: &str) -> anyhow::Result<Self> {
        // a line that is being written is no line yet
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        let steps = whole.lines().map(Step::parse).collect::<anyhow::Result<_>>()?;
        Ok(Self { data: data.to_owned(), steps })
    }

    /// How many steps there are.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// How many syncs of each part there were from `begin` on.
    pub(super) fn syncs(&self, begin: usize) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for step in self.steps[begin..].iter().filter(|step| is_sync(step)) {
            *counts.entry(step.part.clone()).or_default() += 1;
        }
        counts
    }

    /// The one from `begin` on that failed.
    pub(super) fn failed(&self, begin: usize) -> Option<&Step> {
        self.steps[begin..].iter().find(|step| step.deed == Deed::Failed)
    }

    /// What holds whatever was answered: no descriptor is synced again after it failed, and a file whose sync failed is
    /// thrown away.
    pub(super) fn is_lawful(&self) -> anyhow::Result<()> {
        for (at, step) in self.steps.iter().enumerate() {
            match &step.deed {
                Deed::Wrong(word) => bail!("{word} {}", step.path.display()),
                Deed::Named(from) => {
                    let last = self.steps[..at].iter().rfind(|before| is_sync(before) && before.path == *from);
                    ensure!(
                        last.is_none_or(|last| last.deed == Deed::Synced),
                        "{} got its name though its sync had failed",
                        step.path.display()
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether what a failed sync was for is on the disk after all: the names in a folder, unless they are those of notes, or
    /// the bytes of a file.
    pub(super) fn is_made_good(&self, failed: &Step) -> bool {
        let last = || self.steps.iter().rfind(|step| is_sync(step) && step.path == failed.path);
        if !failed.part.ends_with('/') {
            return last().is_none_or(|last| last.deed == Deed::Synced);
        }
        let in_it = |step: &Step| step.part != NOTES && step.path.parent() == Some(&*failed.path);
        let named = |step: &Step| matches!(step.deed, Deed::Named(_) | Deed::Made) && in_it(step);
        let newest = self.steps.iter().rposition(named);
        newest.is_none_or(|newest| self.steps[newest..].iter().any(|step| step.is_sync_of(&failed.path)))
    }

    /// Whether a good sync of one path came before one of the other.
    pub(super) fn has_synced_in_turn(&self, first: &Path, second: &Path) -> bool {
        let Some(at) = self.steps.iter().position(|step| step.is_sync_of(first)) else { return false };
        self.steps[at..].iter().any(|step| step.is_sync_of(second))
    }

    /// Whether a power cut would leave this file.
    pub(super) fn keeps(&self, file: &Path) -> anyhow::Result<()> {
        let shown = file.display();
        let named = self.steps.iter().enumerate().rev().find_map(|(at, step)| match &step.deed {
            Deed::Named(from) if step.path == file => Some((at, from)),
            _ => None,
        });
        let (named, from) = named.with_context(|| format!("{shown} was never given its name"))?;
        let bytes = self.steps[..named].iter().rfind(|step| is_sync(step) && step.path == *from);
        ensure!(bytes.is_some_and(|last| last.deed == Deed::Synced), "{shown} got its name before it was synced");
        let mut after = named;
        let mut path = file;
        while let Some(folder) = path.parent().filter(|folder| folder.starts_with(&self.data)) {
            let synced = self.steps[after..].iter().any(|step| step.is_sync_of(folder));
            ensure!(synced, "{} was not synced after {} came to be in it", folder.display(), path.display());
            // the folder itself: only what this node has made may be gone
            let made = self.steps.iter().rposition(|step| step.deed == Deed::Made && step.path == folder);
            let Some(made) = made else { break };
            (after, path) = (made, folder);
        }
        Ok(())
    }

    /// The same without the good syncs of this path, to see whether that is noticed.
    pub(super) fn without_syncs_of(&self, path: &Path) -> Self {
        let steps = self.steps.iter().filter(|step| !step.is_sync_of(path)).cloned().collect();
        Self { data: self.data.clone(), steps }
    }

    /// What was done from `begin` on, for messages.
    pub(super) fn told(&self, begin: usize) -> String {
        let line = |step: &Step| {
            let path = step.path.strip_prefix(&self.data).unwrap_or(&step.path);
            format!("{:?} {}", step.deed, path.display())
        };
        self.steps[begin..].iter().map(line).collect::<Vec<_>>().join("; ")
    }
}

const fn is_sync(step: &Step) -> bool {
    matches!(step.deed, Deed::Synced | Deed::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(lines: &[&str]) -> Trace {
        let line = |line: &&str| {
            let words: Vec<&str> = line.split(' ').collect();
            let paths: String = words[1..].iter().map(|path| format!("\t/data/{path}")).collect();
            format!("{}\tpart{paths}\n", words[0])
        };
        Trace::parse(Path::new("/data"), &lines.iter().map(line).collect::<String>()).unwrap()
    }

    const WHOLE: [&str; 7] = ["MADE m", "OK ", "MADE m/ab", "OK m", "OK m/tmp", "NAMED m/ab/file m/tmp", "OK m/ab"];

    #[test]
    fn a_file_is_kept_when_its_bytes_its_name_and_its_folders_were_synced_in_that_order() {
        let file = Path::new("/data/m/ab/file");
        trace(&WHOLE).keeps(file).unwrap();
        for (left_out, step) in WHOLE.iter().enumerate() {
            let mut rest = WHOLE.to_vec();
            rest.remove(left_out);
            // a folder that was not made by this node was there before
            let needed = !step.starts_with("MADE");
            assert_eq!(trace(&rest).keeps(file).is_err(), needed, "without {step}");
        }
        let mut early = WHOLE;
        early.swap(5, 6);
        assert!(trace(&early).keeps(file).is_err(), "the folder was synced before the name was in it");
        let mut late = WHOLE;
        late.swap(2, 3);
        assert!(trace(&late).keeps(file).is_err(), "the folder above was synced before the new one was in it");
        assert!(trace(&WHOLE).without_syncs_of(Path::new("/data/m/ab")).keeps(file).is_err());
    }

    #[test]
    fn another_file_of_the_same_part_makes_nothing_good() {
        let made_good = |lines: &[&str]| {
            let trace = trace(lines);
            trace.is_made_good(trace.failed(0).unwrap())
        };
        assert!(!made_good(&["FAILED m/a.tmp", "OK m/b.tmp"]));
        assert!(made_good(&["FAILED m/a.tmp", "OK m/a.tmp"]));
        let folder = |after: &str| {
            let mut trace = trace(&["NAMED m/ab/file m/tmp", "FAILED m/ab", after]);
            trace.steps[1].part = "m/".to_owned();
            trace.is_made_good(&trace.steps[1])
        };
        assert!(!folder("OK m/cd"));
        assert!(folder("OK m/ab"));
        let mut of_a_note = trace(&["NAMED m/note m/tmp", "FAILED m"]);
        of_a_note.steps[1].part = "m/".to_owned();
        assert!(!of_a_note.is_made_good(&of_a_note.steps[1]));
        of_a_note.steps[0].part = NOTES.to_owned();
        assert!(of_a_note.is_made_good(&of_a_note.steps[1]));
    }

    #[test]
    fn steps_are_counted_and_found_from_where_a_run_began() {
        let trace = trace(&["FAILED m/ab", "OK m/cd", "MADE m/ef"]);
        assert_eq!(trace.failed(0).unwrap().path, Path::new("/data/m/ab"));
        assert!(trace.failed(1).is_none());
        assert_eq!((trace.len(), trace.syncs(0)), (3, BTreeMap::from([("part".to_owned(), 2)])));
        let (ab, cd) = (Path::new("/data/m/ab"), Path::new("/data/m/cd"));
        assert!(trace.has_synced_in_turn(cd, cd) && !trace.has_synced_in_turn(ab, cd));
    }

    #[test]
    fn a_file_whose_sync_failed_gets_no_name_and_nothing_is_tried_twice() {
        trace(&["FAILED a.tmp", "OK a.tmp", "NAMED a a.tmp"]).is_lawful().unwrap();
        assert!(trace(&["FAILED a.tmp", "NAMED a a.tmp"]).is_lawful().is_err());
        assert!(trace(&["FAILED a.tmp", "RETRY a.tmp"]).is_lawful().is_err());
        assert!(trace(&["NOT-LOST a.tmp"]).is_lawful().is_err());
    }
}
