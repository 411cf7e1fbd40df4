//! The database logins of this node: made once, kept sealed, never printed.
//!
//! Passwords go to the database only as SCRAM verifiers that are computed here, so that no statement, log or file of
//! the database ever has one in it.

use crate::database::DbRole;
use crate::error::GuardianError;
use crate::files;
use crate::options::SealKey;
use crate::seal;
use postgres_protocol::password::scram_sha_256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// What the seal is for: credentials do not open anything else and nothing else opens them.
const PURPOSE: &str = "bib/guardian/postgres-credentials/v1";
const FILE: &str = "postgres.sealed";

/// The superuser: used while the node starts, and for nothing else.
pub(crate) const SUPERUSER: &str = "bibd_admin_a";
/// Both generations of it.
pub(crate) const SUPERUSERS: [&str; 2] = [SUPERUSER, "bibd_admin_b"];

/// Every login that may connect, of both generations.
pub(crate) fn all_logins() -> Vec<String> {
    let roles = DbRole::ALL.into_iter().flat_map(|role| [format!("{}_a", role.group()), format!("{}_b", role.group())]);
    SUPERUSERS.into_iter().map(str::to_owned).chain(roles).collect()
}

/// Passwords by login.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Credentials {
    passwords: BTreeMap<String, String>,
    /// Made once: each takes thousands of hashes, and the database is told only of those that it does not have.
    #[serde(default)]
    verifiers: BTreeMap<String, String>,
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.passwords.values_mut().for_each(Zeroize::zeroize);
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} logins)", self.passwords.len())
    }
}

impl Credentials {
    /// Opens the ones that are kept, or makes new ones and keeps them.
    pub(crate) fn load_or_create(secrets_dir: &Path, key: &SealKey) -> Result<Self, GuardianError> {
        match Self::load(secrets_dir, key)? {
            Some(credentials) if credentials.verifiers.keys().eq(credentials.passwords.keys()) => Ok(credentials),
            Some(mut credentials) => {
                credentials.verify_all();
                credentials.store(secrets_dir, key)?;
                Ok(credentials)
            }
            None => Self::create(secrets_dir, key),
        }
    }

    /// Makes new ones and keeps them.
    pub(crate) fn create(secrets_dir: &Path, key: &SealKey) -> Result<Self, GuardianError> {
        let logins = std::iter::once(SUPERUSER).chain(DbRole::ALL.into_iter().map(DbRole::login));
        let mut passwords = BTreeMap::new();
        for login in logins {
            passwords.insert(login.to_owned(), seal::random_password()?.to_string());
        }
        let mut credentials = Self { passwords, verifiers: BTreeMap::new() };
        credentials.verify_all();
        credentials.store(secrets_dir, key)?;
        Ok(credentials)
    }

    /// Opens the ones that are kept; `None` if there are none.
    pub(crate) fn load(secrets_dir: &Path, key: &SealKey) -> Result<Option<Self>, GuardianError> {
        let path = Self::path(secrets_dir);
        let sealed = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(GuardianError::file("read", path)(source)),
        };
        let credentials = seal::open(key, PURPOSE, &sealed)
            .and_then(|text| serde_json::from_slice::<Self>(&text).ok())
            .ok_or_else(|| {
                GuardianError::Setup(format!(
                    "{} does not open with this node's identity: it is damaged or belongs to another node; put the right identity key \
                     back, or move the file away, and bibd makes new database credentials",
                    path.display()
                ))
            })?;
        Ok(Some(credentials).filter(Self::is_whole))
    }

    fn store(&self, secrets_dir: &Path, key: &SealKey) -> Result<(), GuardianError> {
        files::private_dir(secrets_dir)?;
        let text = Zeroizing::new(serde_json::to_vec(self).map_err(|error| {
            GuardianError::Setup(format!("the database credentials cannot be written down: {error}"))
        })?);
        let path = Self::path(secrets_dir);
        files::write_durably(&path, &path.with_extension("new"), &seal::seal(key, PURPOSE, &text)?)
    }

    fn path(secrets_dir: &Path) -> PathBuf {
        secrets_dir.join(FILE)
    }

    fn is_whole(&self) -> bool {
        DbRole::ALL.iter().all(|role| self.passwords.contains_key(role.login()))
            && self.passwords.contains_key(SUPERUSER)
    }

    /// The password of a login; empty, and so refused by the database, if there is none.
    pub(crate) fn password(&self, login: &str) -> &str {
        self.passwords.get(login).map_or("", String::as_str)
    }

    /// What the database keeps of a password: enough to check it, not enough to use it.
    pub(crate) fn verifier(&self, login: &str) -> &str {
        self.verifiers.get(login).map_or("", String::as_str)
    }

    fn verify_all(&mut self) {
        let made = self.passwords.iter().map(|(login, password)| (login.clone(), scram_sha_256(password.as_bytes())));
        self.verifiers = made.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_kept_sealed_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let (secrets, key) = (dir.path().join("secrets"), SealKey::new([1; 32]));
        assert!(Credentials::load(&secrets, &key).unwrap().is_none());
        let made = Credentials::create(&secrets, &key).unwrap();
        let kept = Credentials::load(&secrets, &key).unwrap().expect("they were stored");
        assert_eq!((&kept.passwords, &kept.verifiers), (&made.passwords, &made.verifiers));
        // as they were kept before
        let mut old = made.clone();
        old.verifiers.clear();
        old.store(&secrets, &key).unwrap();
        let kept = Credentials::load_or_create(&secrets, &key).unwrap();
        assert_eq!((&kept.passwords, kept.verifiers.len()), (&made.passwords, made.passwords.len()));
        assert_eq!(Credentials::load(&secrets, &key).unwrap().unwrap().verifiers, kept.verifiers);
        let bytes = std::fs::read(Credentials::path(&secrets)).unwrap();
        for password in made.passwords.values() {
            assert!(!bytes.windows(password.len()).any(|window| window == password.as_bytes()), "a password lies open");
        }
        let refused = Credentials::load(&secrets, &SealKey::new([2; 32])).unwrap_err().to_string();
        assert!(refused.contains("does not open with this node's identity"), "{refused}");
    }

    #[test]
    fn a_verifier_does_not_hold_the_password() {
        let dir = tempfile::tempdir().unwrap();
        let made = Credentials::create(dir.path(), &SealKey::new([1; 32])).unwrap();
        let verifier = made.verifier(SUPERUSER);
        assert!(verifier.starts_with("SCRAM-SHA-256$"), "{verifier}");
        assert!(!verifier.contains(made.password(SUPERUSER)));
        assert!(made.passwords.keys().all(|login| !made.verifier(login).is_empty()));
        assert_eq!(format!("{made:?}"), "Credentials(7 logins)");
    }

    #[test]
    fn every_login_has_two_generations() {
        let logins = all_logins();
        assert_eq!(logins.len(), 14);
        assert!(logins.iter().any(|login| login == SUPERUSER));
        assert!(DbRole::ALL.iter().all(|role| logins.iter().any(|login| login == role.login())));
    }
}
