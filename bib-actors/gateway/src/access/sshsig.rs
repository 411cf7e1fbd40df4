//! Signatures made by hand: armored SSH signatures (SSHSIG), which carry their key and a namespace. The namespace keeps
//! them apart from every other use of the same key.

use super::signature::{KeyRefusal, parse_key};
use bib_proto::SIGN_IN_NAMESPACE;
use russh::keys::PublicKey;
use russh::keys::ssh_key::{Algorithm, HashAlg, SshSig};

/// Longest text that is looked at: a signature with the longest accepted key is shorter.
const TEXT_MAX: usize = 16 * 1024;

/// Checks that `armored` is a signature of `challenge` for signing in. Gives the fingerprint of the key that made it.
pub(crate) fn verify_armored(armored: &str, challenge: &str) -> Result<String, KeyRefusal> {
    if armored.len() > TEXT_MAX {
        return Err(KeyRefusal::NotASignature);
    }
    // a form sends line ends of its own
    let text = armored.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n") + "\n";
    let signature = SshSig::from_pem(text).map_err(|_| KeyRefusal::NotASignature)?;
    let key = PublicKey::from(signature.public_key().clone());
    let openssh = key.to_openssh().map_err(|_| KeyRefusal::NotASignature)?;
    let (key, fingerprint) = parse_key(&openssh)?;
    // RSA with SHA-1
    if matches!(signature.algorithm(), Algorithm::Rsa { hash: None }) {
        return Err(KeyRefusal::Algorithm { algorithm: signature.algorithm().as_str().to_owned() });
    }
    if !matches!(signature.hash_alg(), HashAlg::Sha256 | HashAlg::Sha512) {
        return Err(KeyRefusal::Wrong);
    }
    key.verify(SIGN_IN_NAMESPACE, challenge.as_bytes(), &signature).map_err(|_| KeyRefusal::Wrong)?;
    Ok(fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::PrivateKey;
    use russh::keys::ssh_key::LineEnding;
    use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};

    fn signed(namespace: &str, text: &str) -> (String, String) {
        let key = PrivateKey::new(KeypairData::from(Ed25519Keypair::from_seed(&[7; 32])), "test").unwrap();
        let signature = SshSig::sign(&key, namespace, HashAlg::Sha512, text.as_bytes()).unwrap();
        (signature.to_pem(LineEnding::LF).unwrap(), key.fingerprint(HashAlg::Sha256).to_string())
    }

    #[test]
    fn a_signature_is_good_for_its_challenge_and_purpose() {
        let (armored, fingerprint) = signed(SIGN_IN_NAMESPACE, "node.nonce");
        assert_eq!(verify_armored(&armored, "node.nonce"), Ok(fingerprint.clone()));
        let pasted = format!("  {}\r\n\r\n", armored.replace('\n', "\r\n"));
        assert_eq!(verify_armored(&pasted, "node.nonce"), Ok(fingerprint), "as a form sends it");
        assert_eq!(verify_armored(&armored, "node.other"), Err(KeyRefusal::Wrong));
        let (file, _) = signed("file", "node.nonce");
        assert_eq!(verify_armored(&file, "node.nonce"), Err(KeyRefusal::Wrong), "signed as a file");
        for text in ["", "nonsense", &armored[..armored.len() / 2], &"x".repeat(TEXT_MAX + 1)] {
            assert_eq!(verify_armored(text, "node.nonce"), Err(KeyRefusal::NotASignature));
        }
    }
}
