//! Seals small secrets at rest with XChaCha20-Poly1305. The purpose is authenticated: a sealed text opens for the
//! purpose it was sealed for and for no other.

use crate::error::GuardianError;
use crate::options::SealKey;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// Says what the file is and in which format.
const MAGIC: &[u8; 8] = b"BIBSEAL1";
const NONCE_BYTES: usize = 24;

fn random<const N: usize>() -> Result<[u8; N], GuardianError> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        GuardianError::Setup(format!("the system gives no random numbers ({error}): nothing secret can be made"))
    })?;
    Ok(bytes)
}

/// 32 random bytes, as text.
pub(crate) fn random_password() -> Result<Zeroizing<String>, GuardianError> {
    let bytes = Zeroizing::new(random::<32>()?);
    Ok(Zeroizing::new(hex::encode(bytes.as_slice())))
}

/// Seals a text for a purpose.
pub(crate) fn seal(key: &SealKey, purpose: &str, text: &[u8]) -> Result<Vec<u8>, GuardianError> {
    let nonce = random::<NONCE_BYTES>()?;
    let cipher = XChaCha20Poly1305::new(key.bytes().into());
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: text, aad: purpose.as_bytes() })
        .map_err(|_| GuardianError::Setup("a secret is too large to be sealed".to_owned()))?;
    Ok([MAGIC.as_slice(), &nonce, &sealed].concat())
}

/// Opens a sealed text. `None` if the key or the purpose is another, or a bit was changed.
pub(crate) fn open(key: &SealKey, purpose: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let rest = sealed.strip_prefix(MAGIC.as_slice())?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let cipher = XChaCha20Poly1305::new(key.bytes().into());
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: purpose.as_bytes() }).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_sealed_opens_for_its_purpose_only(text in proptest::collection::vec(any::<u8>(), 0..200), bit in 0_usize..4000) {
            let key = SealKey::new([7; 32]);
            let mut sealed = seal(&key, "a", &text).unwrap();
            let opened = open(&key, "a", &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), text.as_slice());
            prop_assert!(open(&key, "b", &sealed).is_none());
            prop_assert!(open(&SealKey::new([8; 32]), "a", &sealed).is_none());
            let bit = bit % (sealed.len() * 8);
            sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(open(&key, "a", &sealed).is_none(), "bit {} was flipped", bit);
        }

        #[test]
        fn garbage_does_not_open(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(open(&SealKey::new([7; 32]), "a", &bytes).is_none());
        }
    }

    #[test]
    fn passwords_are_long_and_new() {
        let (one, two) = (random_password().unwrap(), random_password().unwrap());
        assert_eq!(one.len(), 64);
        assert_ne!(one, two);
    }
}
