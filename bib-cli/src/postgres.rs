//! Whether this machine has a PostgreSQL that a node can make its own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Versions that a node can run.
const VERSIONS: std::ops::RangeInclusive<u32> = 14..=18;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Postgres {
    /// Folder of `initdb` and `postgres`.
    pub(crate) folder: PathBuf,
    /// Major version, if the program says one.
    pub(crate) version: Option<u32>,
}

impl Postgres {
    /// Looks where bibd looks: the folder that is named, the path, the places of distributions.
    #[must_use]
    pub(crate) fn find() -> Option<Self> {
        let named = std::env::var_os("BIB_POSTGRES_BIN").map(PathBuf::from);
        let mut places: Vec<PathBuf> = named.into_iter().collect();
        if places.is_empty() {
            places.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
            let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
            let mut found: Vec<(u32, PathBuf)> = versions
                .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
                .collect();
            found.sort();
            places.extend(found.into_iter().rev().map(|(_, folder)| folder));
        }
        let folder =
            places.into_iter().find(|place| place.join("postgres").is_file() && place.join("initdb").is_file())?;
        let version = version_of(&folder);
        Some(Self { folder, version })
    }

    /// Whether a node can run it.
    #[must_use]
    pub(crate) fn is_usable(&self) -> bool {
        self.version.is_none_or(|version| VERSIONS.contains(&version))
    }

    /// For people: `PostgreSQL 15`.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        self.version.map_or_else(|| "PostgreSQL".to_owned(), |version| format!("PostgreSQL {version}"))
    }
}

fn version_of(folder: &Path) -> Option<u32> {
    let told = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    major(&String::from_utf8_lossy(&told.stdout))
}

/// The 15 of `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
fn major(text: &str) -> Option<u32> {
    let digits: String = text.split_once(") ")?.1.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_postgres_says_of_itself() {
        assert_eq!(major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("what"), None);
        let found = |version| Postgres { folder: "/x".into(), version };
        assert!(found(Some(15)).is_usable() && found(None).is_usable() && !found(Some(9)).is_usable());
    }
}
