//! People with SSH keys, and signatures as a client makes them.

use bib_domain::Role;
use bib_gateway::BootstrapKey;
use russh::keys::PrivateKey;
use russh::keys::signature::Signer;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::ssh_key::{HashAlg, Signature};
use std::path::Path;

/// Somebody with a key and a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Person {
    /// An administrator.
    Ada,
    /// An operator.
    Otto,
    /// A researcher.
    Rosa,
    /// A reader.
    Rita,
    /// Nobody that the node knows.
    Stranger,
}

impl Person {
    /// Those whom the node knows from the start.
    pub(crate) const KNOWN: [Self; 4] = [Self::Ada, Self::Otto, Self::Rosa, Self::Rita];

    pub(crate) fn key(self) -> PrivateKey {
        ed25519(self as u8 + 100)
    }

    pub(crate) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    pub(crate) fn role(self) -> Role {
        match self {
            Self::Ada => Role::Admin,
            Self::Otto => Role::Operator,
            Self::Rosa => Role::Researcher,
            Self::Rita | Self::Stranger => Role::Reader,
        }
    }

    pub(crate) fn bootstrap(self) -> BootstrapKey {
        let key = self.key().public_key().to_openssh().unwrap();
        BootstrapKey { name: self.name(), role: self.role(), key }
    }

    /// Writes the private key where a client can read it.
    pub(crate) fn write_key(self, dir: &Path) -> std::path::PathBuf {
        let path = dir.join(format!("key-{}", self.name()));
        let text = self.key().to_openssh(russh::keys::ssh_key::LineEnding::LF).unwrap();
        std::fs::write(&path, text.as_bytes()).unwrap();
        path
    }
}

pub(crate) fn ed25519(seed: u8) -> PrivateKey {
    PrivateKey::new(KeypairData::from(Ed25519Keypair::from_seed(&[seed; 32])), "test").unwrap()
}

pub(crate) fn rsa() -> PrivateKey {
    PrivateKey::from_openssh(include_str!("../keys/rsa")).unwrap()
}

pub(crate) fn ecdsa() -> PrivateKey {
    PrivateKey::from_openssh(include_str!("../keys/ecdsa")).unwrap()
}

pub(crate) fn weak_rsa() -> &'static str {
    include_str!("../keys/rsa-1024.pub")
}

/// A signature with its algorithm's name. `hash` is for RSA: `None` is SHA-1.
pub(crate) fn sign(key: &PrivateKey, hash: Option<HashAlg>, message: &[u8]) -> (String, Vec<u8>) {
    let signature: Signature = match key.key_data().rsa() {
        Some(pair) => (pair, hash).try_sign(message).unwrap(),
        None => key.try_sign(message).unwrap(),
    };
    (signature.algorithm().as_str().to_owned(), signature.try_into().unwrap())
}
