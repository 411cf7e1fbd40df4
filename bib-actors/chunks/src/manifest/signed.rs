//! A manifest with its publisher's signature: the only evidence of what a version is.
//!
//! The value exists only if the signature is right, so whoever holds one need not check it again.

use super::Manifest;
use crate::{ManifestError, ManifestLimits};
use bib_domain::VersionId;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use minicbor::{Decoder, Encoder};
use sha2::{Digest, Sha256};

/// The first element of an encoded signed manifest: its format.
const FORMAT: &str = "bib-signed-manifest/1";

/// What is signed begins with this, so that a signature made for anything else is worth nothing here.
const DOMAIN: &[u8] = b"bib/manifest/v1\0";

/// Bytes of the wrapping, rounded up.
const WRAPPING: usize = 128;

/// A manifest, its canonical bytes, its name, and its publisher's signature over that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedManifest {
    manifest: Manifest,
    bytes: Vec<u8>,
    id: VersionId,
    signature: [u8; 64],
}

impl SignedManifest {
    /// Signs a manifest. Its publisher becomes the key's owner.
    ///
    /// # Errors
    /// [`ManifestError`] when the manifest is not sound; it would be refused by everybody else.
    pub fn sign(mut manifest: Manifest, key: &SigningKey) -> Result<Self, ManifestError> {
        manifest.publisher = key.verifying_key().to_bytes();
        manifest.check(&ManifestLimits::default())?;
        manifest.check_new()?;
        let bytes = manifest.encode();
        let id = id_of(&bytes);
        let signature = key.sign(&signed_text(&id)).to_bytes();
        Ok(Self { manifest, bytes, id, signature })
    }

    /// Puts a manifest's bytes and its signature together again.
    ///
    /// # Errors
    /// [`ManifestError`] when the manifest is not sound or the signature is not its publisher's.
    pub fn from_parts(bytes: Vec<u8>, signature: [u8; 64]) -> Result<Self, ManifestError> {
        Self::from_parts_within(bytes, signature, &ManifestLimits::default())
    }

    fn from_parts_within(bytes: Vec<u8>, signature: [u8; 64], limits: &ManifestLimits) -> Result<Self, ManifestError> {
        let manifest = Manifest::decode_within(&bytes, limits)?;
        let id = id_of(&bytes);
        let signed = Self { manifest, bytes, id, signature };
        if signed.verify() { Ok(signed) } else { Err(ManifestError::Signature) }
    }

    /// Checks the signature once more.
    #[must_use]
    pub fn verify(&self) -> bool {
        let key = VerifyingKey::from_bytes(&self.manifest.publisher);
        let signature = Signature::from_bytes(&self.signature);
        key.is_ok_and(|key| key.verify_strict(&signed_text(&id_of(&self.bytes)), &signature).is_ok())
    }

    /// The form in which it is kept and sent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Encoder::new(Vec::with_capacity(self.bytes.len() + WRAPPING));
        out.array(3)
            .and_then(|out| out.str(FORMAT)?.bytes(&self.bytes)?.bytes(&self.signature))
            .expect("writing to a vector cannot fail");
        out.into_writer()
    }

    /// Reads what [`Self::to_bytes`] made, and verifies the signature.
    ///
    /// # Errors
    /// [`ManifestError`] when the bytes are anything else, or the signature is not the publisher's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        Self::from_bytes_within(bytes, &ManifestLimits::default())
    }

    /// As [`Self::from_bytes`], within `limits`.
    ///
    /// # Errors
    /// As [`Self::from_bytes`].
    pub fn from_bytes_within(bytes: &[u8], limits: &ManifestLimits) -> Result<Self, ManifestError> {
        if bytes.len() > limits.bytes.saturating_add(WRAPPING) {
            return Err(ManifestError::Limit { what: "bytes", limit: limits.bytes as u64 });
        }
        let mut input = Decoder::new(bytes);
        let parts = (|| {
            if input.array()? != Some(3) || input.str()? != FORMAT {
                return Err(minicbor::decode::Error::message(format!("it does not begin with {FORMAT:?}")));
            }
            Ok((input.bytes()?, input.bytes()?))
        })();
        let (manifest, signature) =
            parts.map_err(|error| ManifestError::Format { detail: format!("the signed wrapping: {error}") })?;
        let signature: [u8; 64] = signature.try_into().map_err(|_| ManifestError::Signature)?;
        let signed = Self::from_parts_within(manifest.to_vec(), signature, limits)?;
        if signed.to_bytes() == bytes { Ok(signed) } else { Err(ManifestError::NotCanonical) }
    }

    /// What the version contains.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifest's canonical bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The version's name.
    #[must_use]
    pub fn id(&self) -> VersionId {
        self.id
    }

    /// The publisher's signature.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// The publisher's Ed25519 public key.
    #[must_use]
    pub fn publisher(&self) -> &[u8; 32] {
        &self.manifest.publisher
    }
}

fn id_of(bytes: &[u8]) -> VersionId {
    VersionId::from_bytes(Sha256::digest(bytes).into())
}

fn signed_text(id: &VersionId) -> Vec<u8> {
    [DOMAIN, id.as_bytes()].concat()
}
