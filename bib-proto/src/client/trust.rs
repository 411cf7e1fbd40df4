//! Trust on first use: which certificate authority each node showed when it was first met.

use super::{Address, Fingerprint};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Whether a node that was never met may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Only nodes whose fingerprint is kept.
    KnownOnly,
    /// Exactly this fingerprint, which is then kept.
    Expect(Fingerprint),
    /// Keep what is seen, if nothing is kept for this address.
    FirstUse,
}

/// Why the client goes no further.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The node shows another certificate authority than before.
    #[error(
        "the node at {address} is not the one that is trusted: it was set up anew, or somebody answers in its place\n  \
         it shows  {seen}\n  trusted   {known}"
    )]
    Changed {
        /// Where.
        address: String,
        /// The fingerprint that is kept, or was asked for.
        known: Fingerprint,
        /// The fingerprint that it shows now.
        seen: Fingerprint,
    },
    /// Nothing is kept for this address.
    #[error("the node at {address} was never met, so nothing was sent to it\n  it shows  {seen}")]
    Unknown {
        /// Where.
        address: String,
        /// The fingerprint that it shows.
        seen: Fingerprint,
    },
    /// The file cannot be read or written.
    #[error("cannot use the list of trusted nodes {path}: {source}")]
    Store {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The list of trusted nodes: one line `ADDRESS FINGERPRINT` each, in a file of its own.
#[derive(Debug, Clone)]
pub struct TrustStore {
    path: PathBuf,
}

impl TrustStore {
    /// A list kept at `path`; it need not exist.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// All that is kept, by address.
    ///
    /// # Errors
    /// [`TrustError::Store`] when the file cannot be read or a line is damaged.
    pub fn load(&self) -> Result<BTreeMap<String, Fingerprint>, TrustError> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(source) => return Err(self.error(source)),
        };
        let mut known = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let parsed = line.split_once(' ').and_then(|(address, hex)| Some((address, hex.trim().parse().ok()?)));
            let Some((address, fingerprint)) = parsed else {
                let reason = format!("line {} is not `ADDRESS FINGERPRINT`: mend or remove it", number + 1);
                return Err(self.error(io::Error::new(io::ErrorKind::InvalidData, reason)));
            };
            known.insert(address.to_owned(), fingerprint);
        }
        Ok(known)
    }

    /// The fingerprint that is kept for `address`.
    ///
    /// # Errors
    /// As [`TrustStore::load`].
    pub fn get(&self, address: &Address) -> Result<Option<Fingerprint>, TrustError> {
        Ok(self.load()?.get(&address.to_string()).copied())
    }

    /// Keeps `fingerprint` for `address`, durably.
    ///
    /// # Errors
    /// [`TrustError::Store`] when the file cannot be written; it is then as it was.
    pub fn set(&self, address: &Address, fingerprint: Fingerprint) -> Result<(), TrustError> {
        let mut known = self.load()?;
        known.insert(address.to_string(), fingerprint);
        self.save(&known)
    }

    /// Forgets `address`; says whether it was there.
    ///
    /// # Errors
    /// [`TrustError::Store`] when the file cannot be written; it is then as it was.
    pub fn remove(&self, address: &Address) -> Result<bool, TrustError> {
        let mut known = self.load()?;
        let there = known.remove(&address.to_string()).is_some();
        if there {
            self.save(&known)?;
        }
        Ok(there)
    }

    fn save(&self, known: &BTreeMap<String, Fingerprint>) -> Result<(), TrustError> {
        let mut text = String::from("# nodes this user trusts: address, SHA-256 of the certificate authority\n");
        for (address, fingerprint) in known {
            text.push_str(&format!("{address} {fingerprint}\n"));
        }
        write_whole(&self.path, text.as_bytes()).map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> TrustError {
        TrustError::Store { path: self.path.clone(), source }
    }
}

/// Writes a private file: temporary name, sync, rename, sync of the folder.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder)?;
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_replaces_and_forgets() {
        let folder = tempfile::tempdir().unwrap();
        let store = TrustStore::at(folder.path().join("deep/trusted_nodes"));
        let address: Address = "lab-a:4000".parse().unwrap();
        let (one, two) = (Fingerprint::from_bytes([1; 32]), Fingerprint::from_bytes([2; 32]));
        assert_eq!(store.get(&address).unwrap(), None);
        store.set(&address, one).unwrap();
        store.set(&address, two).unwrap();
        assert_eq!(store.get(&address).unwrap(), Some(two));
        assert!(store.remove(&address).unwrap());
        assert!(!store.remove(&address).unwrap());
    }

    #[test]
    fn a_damaged_line_is_an_error_not_a_stranger() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trusted_nodes");
        std::fs::write(&path, "https://a:4000 nonsense\n").unwrap();
        let error = TrustStore::at(&path).load().unwrap_err();
        assert!(error.to_string().contains("line 1"), "{error}");
    }
}
