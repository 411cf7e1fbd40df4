//! What was uploaded before, and how each file looked then: a file that still looks the same needs not be read again.
//!
//! One file for each folder, dataset and node, in the user's cache. Size, inode and both times of change are compared. A
//! file that had just been changed when it was read is not noted: it might have been changed again within the same tick
//! of the clock, and would look the same.

use crate::error::CliResult;
use crate::session::Env;
use crate::settings::write_private;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The first line of such a file.
const FORMAT: &str = "bib-seen 1";
/// How many such files are kept; the oldest go.
const KEPT: usize = 64;
/// A file with more entries is not kept: reading it would take longer than it saves.
const ENTRIES: usize = 1_000_000;
/// How old a change must be, in milliseconds, before it can be told from the next one.
const SETTLED_MS: i64 = 100;
/// As [`SETTLED_MS`], where the times of files have whole seconds.
const SETTLED_COARSE_MS: i64 = 3_000;

/// What changes when somebody changes a file. Not the number of its device, which another start of the machine may
/// change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    size: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of a file as it lies there.
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether nobody wrote to the file between the two.
    pub(super) fn is_unwritten(&self, later: &Self) -> bool {
        (self.size, self.modified) == (later.size, later.modified)
    }

    /// Whether a change after `now_ms`, when the file was read, would be seen.
    fn is_settled(&self, now_ms: i64) -> bool {
        let coarse = self.modified.1 == 0 || self.changed.1 == 0;
        // every change sets the second time, where the file system has it; the first may be set to anything
        let (seconds, nanos) = if coarse { self.modified.max(self.changed) } else { self.changed };
        let last_ms = seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000);
        now_ms.saturating_sub(last_ms) > if coarse { SETTLED_COARSE_MS } else { SETTLED_MS }
    }

    fn write(&self, out: &mut String) {
        let Self { size, inode, modified, changed } = self;
        // writing to a string cannot fail
        let _ = write!(out, "{size} {inode} {} {} {} {}", modified.0, modified.1, changed.0, changed.1);
    }

    /// A stamp and the path behind it.
    fn parse(line: &str) -> Option<(Self, &str)> {
        let mut words = line.splitn(7, ' ');
        let mut unsigned = || words.next()?.parse::<u64>().ok();
        let (size, inode) = (unsigned()?, unsigned()?);
        let mut signed = || words.next()?.parse::<i64>().ok();
        let (modified, changed) = ((signed()?, signed()?), (signed()?, signed()?));
        Some((Self { size, inode, modified, changed }, words.next()?))
    }
}

/// What is known of the uploads of one folder or file.
#[derive(Debug, Default)]
pub(super) struct Seen {
    place: PathBuf,
    version: String,
    stamps: HashMap<String, Stamp>,
}

impl Seen {
    /// What was noted when `source` was uploaded to this dataset of this node; empty when it never was.
    ///
    /// # Errors
    /// When the node's address cannot be told.
    pub(super) fn of(env: &Env, dataset: &str, source: &Path) -> CliResult<Self> {
        let source = std::path::absolute(source).unwrap_or_else(|_| source.to_owned());
        let mut name = Sha256::new();
        for part in
            [env.target()?.address.to_string().as_bytes(), dataset.as_bytes(), source.as_os_str().as_encoded_bytes()]
        {
            name.update((part.len() as u64).to_le_bytes());
            name.update(part);
        }
        Ok(Self::read(env.home.cache().join("uploads").join(hex::encode(&name.finalize()[..16]))))
    }

    /// A damaged file is as good as none: what it would save is then done.
    fn read(place: PathBuf) -> Self {
        let parse = || {
            let text = std::fs::read_to_string(&place).ok()?;
            let (head, rest) = text.split_once('\n')?;
            let (version, rest) = rest.split_once('\n')?;
            let none = || rest.strip_prefix("end ").map(|end| ("", end));
            let (lines, end) = rest.rsplit_once("\nend ").or_else(none)?;
            let stamps =
                lines.lines().map(Stamp::parse).map(|found| found.map(|(stamp, path)| (path.to_owned(), stamp)));
            let stamps = stamps.collect::<Option<HashMap<_, _>>>()?;
            (head == FORMAT && end.trim_end().parse() == Ok(stamps.len())).then(|| (version.to_owned(), stamps))
        };
        let (version, stamps) = parse().unwrap_or_default();
        Self { place, version, stamps }
    }

    /// The version that was made then; empty if there is none.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Whether a file of that version looks now as it did then.
    pub(super) fn is_same(&self, path: &str, now: &Stamp) -> bool {
        self.stamps.get(path) == Some(now)
    }

    /// Notes how files looked that `version` was made of, as far as the next change to them would be seen.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn note(&self, version: &str, files: &[Noted]) -> CliResult {
        if files.len() > ENTRIES {
            return Ok(());
        }
        let settled: Vec<&Noted> = files.iter().filter(|file| file.stamp.is_settled(file.read_ms)).collect();
        let mut text = format!("{FORMAT}\n{version}\n");
        for file in &settled {
            file.stamp.write(&mut text);
            text.push(' ');
            text.push_str(&file.path);
            text.push('\n');
        }
        let _ = writeln!(text, "end {}", settled.len());
        write_private(&self.place, &text)?;
        if let Some(folder) = self.place.parent() {
            tidy(folder, KEPT);
        }
        Ok(())
    }
}

/// A file that went into a version.
#[derive(Debug, Clone)]
pub(super) struct Noted {
    pub(super) path: String,
    pub(super) stamp: Stamp,
    /// When it began to be read, in Unix milliseconds.
    pub(super) read_ms: i64,
}

/// Leaves the newest files of a folder. What cannot be removed stays: it is only a cache.
fn tidy(folder: &Path, most: usize) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let age = |entry: &std::fs::DirEntry| entry.metadata().and_then(|file| file.modified());
    let mut files: Vec<(SystemTime, PathBuf)> =
        entries.filter_map(|entry| Some((age(&entry).ok()?, entry.path()))).collect();
    files.sort_by(|a, b| b.cmp(a));
    for (_, old) in files.into_iter().skip(most) {
        let _ = std::fs::remove_file(old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noted(path: &str, changed_ms: i64, read_ms: i64) -> Noted {
        let at = (changed_ms / 1000, changed_ms % 1000 * 1_000_000 + 1);
        Noted {
            path: path.to_owned(),
            stamp: Stamp { size: 5, modified: at, changed: at, ..Stamp::default() },
            read_ms,
        }
    }

    #[test]
    fn what_was_noted_is_seen_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("uploads/x");
        let files = [noted("a b", 1_000, 9_000), noted("naïve/ü", 2_000, 9_000), noted("new", 8_950, 9_000)];
        Seen::read(place.clone()).note("sha256:v", &files).unwrap();
        let seen = Seen::read(place);
        assert_eq!(seen.version(), "sha256:v");
        assert!(seen.is_same("a b", &files[0].stamp) && seen.is_same("naïve/ü", &files[1].stamp));
        assert!(!seen.is_same("a b", &files[1].stamp) && !seen.is_same("other", &files[0].stamp));
        assert!(!seen.is_same("new", &files[2].stamp), "it could change again within the same tick");
    }

    #[test]
    fn times_of_whole_seconds_settle_later() {
        let whole = |changed: i64| Stamp { modified: (changed, 0), changed: (changed, 0), ..Stamp::default() };
        assert!(!whole(10).is_settled(11_500) && whole(10).is_settled(13_500));
        assert!(noted("x", 10_000, 0).stamp.is_settled(10_200));
        let ahead = Stamp { modified: (9_000_000_000, 1), ..noted("x", 10_000, 0).stamp };
        assert!(ahead.is_settled(10_200), "its time was set to one to come");
        // a clock that runs behind that of the files trusts none of them
        assert!(!noted("x", 10_000, 0).stamp.is_settled(5_000));
    }

    #[test]
    fn a_damaged_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("x");
        let seen = Seen::read(place.clone());
        seen.note("sha256:v", &[noted("a", 1_000, 9_000), noted("b", 1_000, 9_000)]).unwrap();
        let whole = std::fs::read(&place).unwrap();
        for cut in 0..whole.len() - 1 {
            std::fs::write(&place, &whole[..cut]).unwrap();
            assert!(Seen::read(place.clone()).stamps.is_empty(), "{cut}");
        }
        std::fs::write(&place, [0xff, 0, 10, 10]).unwrap();
        assert_eq!(Seen::read(place).version(), "");
    }

    #[test]
    fn the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let day = std::time::Duration::from_secs(86_400);
        for n in 0..5_u32 {
            let file = std::fs::File::create(folder.path().join(n.to_string())).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + day * (100 - n)).unwrap();
        }
        tidy(folder.path(), 2);
        let mut left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["0", "1"]);
    }

    proptest! {
        #[test]
        fn stamps_come_back(size: u64, inode: u64, modified: (i64, i64), changed: (i64, i64), path in "[^\n\r]{1,40}") {
            let stamp = Stamp { size, inode, modified, changed };
            let mut text = String::new();
            stamp.write(&mut text);
            text.push(' ');
            text.push_str(&path);
            prop_assert_eq!(Stamp::parse(&text), Some((stamp, path.as_str())));
        }
    }
}
