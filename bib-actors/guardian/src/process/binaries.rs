//! Finds the programs of PostgreSQL and tells their version.

use crate::error::GuardianError;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The major versions that the node works with.
const OLDEST: u32 = 14;
const NEWEST: u32 = 18;
/// Where packages put them, each with directories by version in it.
const VERSIONED: [(&str, &str); 2] = [("/usr/lib/postgresql", "bin"), ("/usr", "bin")];
/// Names the directory of the programs, before all other places.
const ENVIRONMENT: &str = "BIB_POSTGRES_BIN";

/// `initdb` and `postgres` of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) initdb: PathBuf,
    pub(crate) postgres: PathBuf,
    /// For people, for example `15.18`.
    pub(crate) version: String,
    pub(crate) major: u32,
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(text: &str) -> Option<(u32, String)> {
    let version = text.trim().strip_prefix("postgres (PostgreSQL) ")?.split_whitespace().next()?;
    let digits = version.find(|c: char| !c.is_ascii_digit()).map_or(version, |end| &version[..end]);
    Some((digits.parse().ok()?, version.to_owned()))
}

impl Binaries {
    /// The newest usable installation, or the one that made the data directory that is there already.
    /// `notes` is a file that remembers what they said: asking a program takes longer than starting the node otherwise
    /// does without its database.
    pub(crate) fn find(named: Option<&Path>, data_version: Option<u32>, notes: &Path) -> Result<Self, GuardianError> {
        let named = named.map(Path::to_owned).or_else(|| std::env::var_os(ENVIRONMENT).map(PathBuf::from));
        let places: Vec<PathBuf> = match &named {
            Some(dir) => vec![dir.clone()],
            None => places(),
        };
        let mut heard = Heard::read(notes);
        let mut found: Vec<Self> = places.iter().filter_map(|dir| Self::at(dir, &mut heard)).collect();
        heard.write(notes);
        found.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
        let usable = |binaries: &&Self| (OLDEST..=NEWEST).contains(&binaries.major);
        let fits = |binaries: &&Self| data_version.is_none_or(|major| binaries.major == major);
        if let Some(binaries) = found.iter().filter(usable).find(fits) {
            return Ok(binaries.clone());
        }
        let versions: Vec<_> = found.iter().map(|binaries| binaries.version.as_str()).collect();
        Err(GuardianError::Setup(match (data_version, versions.is_empty(), named) {
            (Some(major), ..) => format!(
                "this node's database was made by PostgreSQL {major}, and {} is here: install PostgreSQL {major} beside it (Debian: apt-get \
                 install postgresql-{major}; a release that has it no more gets it from apt.postgresql.org), or name the directory of its \
                 programs in {ENVIRONMENT}. Do not remove the node's folder postgres/: the catalogue is in it",
                if versions.is_empty() { "none".to_owned() } else { format!("only {}", versions.join(", ")) }
            ),
            (None, true, Some(dir)) => format!(
                "{} has no initdb and postgres that run: name the directory that has both in {ENVIRONMENT} or database.bin_dir",
                dir.display()
            ),
            (None, true, None) => format!(
                "there are no programs of PostgreSQL on this machine: install PostgreSQL {OLDEST} to {NEWEST} (Debian: apt-get install \
                 postgresql), or name the directory of initdb and postgres in {ENVIRONMENT}"
            ),
            (None, false, _) => format!(
                "PostgreSQL {} is here, and bibd works with {OLDEST} to {NEWEST}: install one of these",
                versions.join(", ")
            ),
        }))
    }

    fn at(dir: &Path, heard: &mut Heard) -> Option<Self> {
        let (initdb, postgres) = (dir.join("initdb"), dir.join("postgres"));
        if !initdb.is_file() || !postgres.is_file() {
            return None;
        }
        let (major, version) = parse_version(&heard.ask(&postgres)?)?;
        Some(Self { initdb, postgres, version, major })
    }
}

/// What programs said when they were asked for their version, by how their files looked then. A program that is replaced
/// is asked again; a note that cannot be read or written costs the asking.
#[derive(Debug, Default)]
struct Heard {
    said: BTreeMap<String, String>,
    news: bool,
}

impl Heard {
    fn read(notes: &Path) -> Self {
        let said = std::fs::read(notes).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { said, news: false }
    }

    fn ask(&mut self, program: &Path) -> Option<String> {
        let about = std::fs::metadata(program).ok()?;
        let changed = (about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec());
        let looks = format!("{} {}:{} {} {changed:?}", program.display(), about.dev(), about.ino(), about.len());
        if let Some(said) = self.said.get(&looks) {
            return Some(said.clone());
        }
        let output = Command::new(program).arg("--version").env_clear().env("LC_ALL", "C").output().ok()?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        parse_version(&said)?;
        self.said.retain(|looked, _| !looked.starts_with(&format!("{} ", program.display())));
        self.said.insert(looks, said.clone());
        self.news = true;
        Some(said)
    }

    fn write(&self, notes: &Path) {
        let new = notes.with_extension("new");
        let written =
            || std::fs::write(&new, serde_json::to_vec(&self.said)?).and_then(|()| std::fs::rename(&new, notes));
        if self.news
            && let Err(error) = written()
        {
            tracing::debug!(path = %notes.display(), %error, "what the programs of PostgreSQL said is not remembered");
        }
    }
}

/// The directories to look into, each once: those of `PATH`, then those of packages.
fn places() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all: Vec<PathBuf> = std::env::split_paths(&path).filter(|dir| dir.is_absolute()).collect();
    for (root, bin) in VERSIONED {
        let Ok(entries) = std::fs::read_dir(root) else { continue };
        let versions = entries.flatten().filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("pgsql-") || name.parse::<u32>().is_ok()
        });
        all.extend(versions.map(|entry| entry.path().join(bin)));
    }
    all.push(PathBuf::from("/usr/local/pgsql/bin"));
    // a program in PATH is often a link into a package's directory: one installation is asked once
    let mut seen = BTreeSet::new();
    all.retain(|dir| std::fs::canonicalize(dir.join("postgres")).is_ok_and(|program| seen.insert(program)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_printed() {
        let cases = [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some((15, "15.18"))),
            ("postgres (PostgreSQL) 18beta2", Some((18, "18beta2"))),
            ("postgres (PostgreSQL) 9.6.24", Some((9, "9.6.24"))),
            ("mysqld 8.0", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_version(text), expected.map(|(major, version)| (major, version.to_owned())), "{text}");
        }
    }

    /// Writes a program. Another process does it: one that a test beside this one starts holds what is open here until its
    /// exec, and a program that somebody has open for writing does not start.
    fn program_at(path: &Path, text: &str) {
        let script = "printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"";
        let done = Command::new("/bin/sh").args(["-c", script, "sh", text]).arg(path).status().unwrap();
        assert!(done.success());
    }

    fn fake(version: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for program in ["initdb", "postgres"] {
            let path = dir.path().join(program);
            program_at(&path, &format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n"));
        }
        dir
    }

    #[test]
    fn versions_that_do_not_fit_are_refused_with_advice() {
        let home = tempfile::tempdir().unwrap();
        let notes = home.path().join("said.json");
        let text = |dir: &Path, data| Binaries::find(Some(dir), data, &notes).unwrap_err().to_string();
        let old = fake("9.6.24");
        assert!(text(old.path(), None).contains("9.6.24 is here, and bibd works with 14 to 18"));
        let empty = tempfile::tempdir().unwrap();
        assert!(text(empty.path(), None).contains("has no initdb and postgres"));
        let good = fake("17.2");
        assert_eq!(Binaries::find(Some(good.path()), Some(17), &notes).unwrap().major, 17);
        let other = text(good.path(), Some(15));
        for advice in ["was made by PostgreSQL 15, and only 17.2 is here", "apt.postgresql.org", "Do not remove"] {
            assert!(other.contains(advice), "{other}");
        }
    }

    #[test]
    fn a_program_is_asked_again_when_it_was_replaced() {
        let (home, programs) = (tempfile::tempdir().unwrap(), fake("16.1"));
        let (notes, asked) = (home.path().join("said.json"), home.path().join("asked"));
        let postgres = programs.path().join("postgres");
        let put = |version: &str| {
            let text = format!("#!/bin/sh\necho x >> {}\necho 'postgres (PostgreSQL) {version}'\n", asked.display());
            std::fs::remove_file(&postgres).unwrap();
            program_at(&postgres, &text);
        };
        let find = || Binaries::find(Some(programs.path()), None, &notes).unwrap().version;
        let times = || std::fs::read_to_string(&asked).unwrap().lines().count();
        put("16.1");
        assert_eq!((find(), find(), times()), ("16.1".to_owned(), "16.1".to_owned(), 1));
        put("16.2");
        assert_eq!((find(), find(), times()), ("16.2".to_owned(), "16.2".to_owned(), 2));
        std::fs::write(&notes, "{").unwrap();
        assert_eq!((find(), times()), ("16.2".to_owned(), 3), "a note that was cut off is no note");
    }
}
