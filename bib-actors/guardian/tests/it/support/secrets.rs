//! Opens the sealed credentials with what the documentation of their format says, and nothing of the guardian's.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::collections::BTreeMap;
use std::path::Path;

/// Passwords by login, of a node whose seal key is all fives.
pub(crate) fn passwords(data_dir: &Path) -> BTreeMap<String, String> {
    let sealed = std::fs::read(data_dir.join("secrets/postgres.sealed")).unwrap();
    let rest = sealed.strip_prefix(b"BIBSEAL1").expect("the file says what it is");
    let (nonce, sealed) = rest.split_first_chunk::<24>().unwrap();
    let text = XChaCha20Poly1305::new(&[5; 32].into())
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: b"bib/guardian/postgres-credentials/v1" })
        .expect("the key and the purpose are right");
    let text: serde_json::Value = serde_json::from_slice(&text).unwrap();
    serde_json::from_value(text["passwords"].clone()).unwrap()
}
