//! The node's Ed25519 identity: made once, kept in one file, the root of the node id, of signatures and of sealing keys.
//!
//! Never prints or returns the seed, and wipes its copies when dropped.

use crate::error::SwarmError;
use crate::identity_file;
use crate::node_id::peer_id_of_key;
use bib_domain::NodeId;
use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use libp2p::identity::Keypair;
use sha2::Sha256;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Separates keys derived here from everything else that may be derived from the same seed.
const DERIVE_SALT: &[u8] = b"bib identity derive v1";

/// Who this node is. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    seed: Arc<Zeroizing<[u8; 32]>>,
    node_id: NodeId,
}

impl Identity {
    /// Reads the identity from `path`, or makes a new one and keeps it there with mode 0600.
    ///
    /// Blocking: it syncs the file and its directory.
    ///
    /// # Errors
    /// [`SwarmError::IdentityMode`] if others may read the file, [`SwarmError::IdentityDamaged`] if it is not what was
    /// written, [`SwarmError::IdentityFile`] if the system refuses.
    pub fn load_or_create(path: &Path) -> Result<Self, SwarmError> {
        if let Some(seed) = identity_file::read(path)? {
            return Ok(Self::from_seed(seed));
        }
        let mut seed = Zeroizing::new([0_u8; 32]);
        getrandom::fill(&mut *seed).map_err(|error| SwarmError::IdentityFile {
            what: "make random bytes for",
            path: path.to_owned(),
            source: Arc::new(std::io::Error::other(error.to_string())),
        })?;
        let kept = identity_file::create(path, &seed)?;
        Ok(Self::from_seed(kept))
    }

    /// The identity of a seed, for tests and for escrowed keys. It is not kept anywhere.
    #[must_use]
    pub fn from_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        let node_id = peer_id_of_key(SigningKey::from_bytes(&seed).verifying_key().to_bytes());
        Self { seed: Arc::new(seed), node_id }
    }

    /// The id by which others know this node.
    #[must_use]
    pub const fn node_id(&self) -> &NodeId {
        &self.node_id
    }

    /// The public key, as manifests carry it.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.signing_key().verifying_key().to_bytes()
    }

    /// The key that signs manifests and checkpoints.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.seed)
    }

    /// A secret of its own for each purpose `info`, by HKDF-SHA256. The same seed and purpose give the same secret for ever.
    #[must_use]
    pub fn derive(&self, info: &str) -> [u8; 32] {
        let mut out = [0_u8; 32];
        Hkdf::<Sha256>::new(Some(DERIVE_SALT), &**self.seed)
            .expand(info.as_bytes(), &mut out)
            .expect("HKDF-SHA256 gives 32 bytes");
        out
    }

    /// The same key as libp2p wants it.
    pub(crate) fn keypair(&self) -> Keypair {
        Keypair::ed25519_from_bytes(**self.seed).expect("any 32 bytes are an Ed25519 seed")
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, Verifier};

    fn identity(seed: u8) -> Identity {
        Identity::from_seed(Zeroizing::new([seed; 32]))
    }

    #[test]
    fn all_faces_are_of_one_key() {
        let identity = identity(7);
        assert_eq!(identity.keypair().public().to_peer_id().to_base58(), identity.node_id().as_str());
        let signature = identity.signing_key().sign(b"manifest");
        let key = ed25519_dalek::VerifyingKey::from_bytes(&identity.public_key()).unwrap();
        assert!(key.verify(b"manifest", &signature).is_ok());
        assert!(identity.keypair().public().verify(b"manifest", &signature.to_bytes()));
    }

    #[test]
    fn derived_keys_are_stable_and_differ_by_purpose_and_node() {
        let one = identity(1);
        assert_eq!(one.derive("audit hmac"), one.derive("audit hmac"));
        assert_ne!(one.derive("audit hmac"), one.derive("secrets"));
        assert_ne!(one.derive("secrets"), identity(2).derive("secrets"));
        // sealed files of earlier versions must open for ever
        assert_eq!(hex::encode(one.derive("secrets")), DERIVED_FROM_ONES);
    }

    const DERIVED_FROM_ONES: &str = "65e2b325ef523bcda575d7cb291417674d5ac036d7d75867487d7ed6e5f129a5";

    #[test]
    fn printing_tells_no_secret() {
        let text = format!("{:?}", identity(0xab));
        assert!(text.contains("12D3KooW"), "{text}");
        assert!(!text.contains("abab") && !text.contains("171"), "{text}");
    }
}
