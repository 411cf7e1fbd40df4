//! SSH keys and signatures: which are accepted, and whether a signature is right.

use bib_proto::login_message;
use russh::keys::signature::Verifier;
use russh::keys::ssh_key::{self, HashAlg};
use russh::keys::{Algorithm, EcdsaCurve, PublicKey};

/// Longest key that is looked at: an RSA key of [`RSA_MAX_BITS`] with a long comment is shorter.
const KEY_TEXT_MAX: usize = 8 * 1024;
/// Longest signature that is looked at.
const SIGNATURE_MAX: usize = 4 * 1024;
/// Below it, RSA can be broken.
const RSA_MIN_BITS: u32 = 2048;
/// Above it, checking a signature takes long: anybody may ask for a check.
const RSA_MAX_BITS: u32 = 8192;

/// Why a key or a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyRefusal {
    /// Not a public key.
    #[error("this is not a public key in OpenSSH form; it looks like \"ssh-ed25519 AAAA...\"")]
    NotAKey,
    /// A kind of key that is not accepted.
    #[error("keys of type {kind} are not accepted; use Ed25519 (ssh-keygen -t ed25519), ECDSA P-256 or RSA")]
    Kind {
        /// What it is.
        kind: String,
    },
    /// An RSA key that is too short or too long.
    #[error(
        "an RSA key of {bits} bits is not accepted; use {RSA_MIN_BITS} to {RSA_MAX_BITS} bits, or Ed25519 (ssh-keygen -t ed25519)"
    )]
    RsaSize {
        /// How long it is.
        bits: u32,
    },
    /// A signature algorithm that is not accepted.
    #[error("signatures of type {algorithm} are not accepted; an RSA key signs with rsa-sha2-512 or rsa-sha2-256")]
    Algorithm {
        /// What it is.
        algorithm: String,
    },
    /// A text that is no armored SSH signature.
    #[error("this is not an SSH signature; it begins with \"-----BEGIN SSH SIGNATURE-----\"")]
    NotASignature,
    /// The signature is not one, or not of this key over this challenge.
    #[error("the signature does not match the key and the challenge; log in again")]
    Wrong,
}

/// Reads a public key and checks that its kind is accepted. Gives it with its SHA-256 fingerprint.
pub(crate) fn parse_key(text: &str) -> Result<(PublicKey, String), KeyRefusal> {
    if text.len() > KEY_TEXT_MAX {
        return Err(KeyRefusal::NotAKey);
    }
    let key = PublicKey::from_openssh(text.trim()).map_err(|_| KeyRefusal::NotAKey)?;
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 } => {}
        Algorithm::Rsa { .. } => {
            let bits = key.key_data().rsa().map_or(0, ssh_key::public::RsaPublicKey::key_size);
            if !(RSA_MIN_BITS..=RSA_MAX_BITS).contains(&bits) {
                return Err(KeyRefusal::RsaSize { bits });
            }
        }
        other => return Err(KeyRefusal::Kind { kind: other.as_str().to_owned() }),
    }
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    Ok((key, fingerprint))
}

/// Checks that `blob` is `key`'s signature of this node's challenge, made with the algorithm that is named.
pub(crate) fn verify(
    key: &PublicKey,
    algorithm: &str,
    blob: &[u8],
    node: &str,
    nonce: &[u8],
) -> Result<(), KeyRefusal> {
    if blob.len() > SIGNATURE_MAX {
        return Err(KeyRefusal::Wrong);
    }
    let signature = ssh_key::Signature::try_from(blob).map_err(|_| KeyRefusal::Wrong)?;
    let made_with = signature.algorithm();
    let accepted = match (&key.algorithm(), &made_with) {
        (Algorithm::Ed25519, Algorithm::Ed25519) => true,
        (Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }, Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }) => true,
        // `None` is SHA-1.
        (Algorithm::Rsa { .. }, Algorithm::Rsa { hash }) => matches!(hash, Some(HashAlg::Sha256 | HashAlg::Sha512)),
        _ => return Err(KeyRefusal::Wrong),
    };
    if !accepted {
        return Err(KeyRefusal::Algorithm { algorithm: made_with.as_str().to_owned() });
    }
    if made_with.as_str() != algorithm {
        return Err(KeyRefusal::Wrong);
    }
    Verifier::verify(key, &login_message(node, nonce), &signature).map_err(|_| KeyRefusal::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::PrivateKey;
    use russh::keys::signature::Signer;
    use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};

    const NODE: &str = "12D3KooWQNV9yRv3yvVjYWVPUmA4SvpQN1iDjZDVJnDVzZ1eDFGw";
    const NONCE: [u8; 32] = [9; 32];

    fn ed25519(seed: u8) -> PrivateKey {
        PrivateKey::new(KeypairData::from(Ed25519Keypair::from_seed(&[seed; 32])), "test").unwrap()
    }

    fn sign(key: &PrivateKey, message: &[u8]) -> (String, Vec<u8>) {
        let signature: ssh_key::Signature = key.try_sign(message).unwrap();
        (signature.algorithm().as_str().to_owned(), signature.try_into().unwrap())
    }

    #[test]
    fn a_signature_is_good_for_one_key_node_and_nonce() {
        let key = ed25519(1);
        let (algorithm, blob) = sign(&key, &login_message(NODE, &NONCE));
        assert_eq!(verify(key.public_key(), &algorithm, &blob, NODE, &NONCE), Ok(()));
        assert_eq!(verify(ed25519(2).public_key(), &algorithm, &blob, NODE, &NONCE), Err(KeyRefusal::Wrong));
        assert_eq!(verify(key.public_key(), &algorithm, &blob, "other", &NONCE), Err(KeyRefusal::Wrong));
        assert_eq!(verify(key.public_key(), &algorithm, &blob, NODE, &[8; 32]), Err(KeyRefusal::Wrong));
        assert_eq!(verify(key.public_key(), "rsa-sha2-512", &blob, NODE, &NONCE), Err(KeyRefusal::Wrong));
        for cut in 0..blob.len() {
            assert_eq!(verify(key.public_key(), &algorithm, &blob[..cut], NODE, &NONCE), Err(KeyRefusal::Wrong));
        }
    }

    #[test]
    fn weak_and_strange_keys_are_refused_with_the_way_out() {
        assert_eq!(parse_key("nonsense").unwrap_err(), KeyRefusal::NotAKey);
        assert_eq!(parse_key(&"x".repeat(100_000)).unwrap_err(), KeyRefusal::NotAKey);
        let (_, fingerprint) = parse_key(&ed25519(1).public_key().to_openssh().unwrap()).unwrap();
        assert!(fingerprint.starts_with("SHA256:"), "{fingerprint}");
        let refused = parse_key(P384_KEY).unwrap_err();
        assert!(matches!(&refused, KeyRefusal::Kind { kind } if kind == "ecdsa-sha2-nistp384"), "{refused}");
    }

    const P384_KEY: &str = "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBJvaolvrfyjtgVj58zl4HFVaxOY1KYxVg4KqnlNdbHERsd743U43GgA9WrZFPfLYon9hRv0n6TtopE1XSJRuDTMBCvG6BIb3FZ0vDPwX9Api1Oklw3P/h2igAzNL9ynCBQ== test";
}
