//! Parameters of an operation: their names stay readable, their values become HMACs.
//!
//! The key belongs to one epoch and is derived from the node's secret. Whoever holds it can test whether a value was
//! the one given; nobody can read the value back. Values in clear never leave this file.

use crate::format::{Hash, bound, tidy};
use hkdf::Hkdf;
use hkdf::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// Separates this key from every other one derived from the same secret.
const KEY_INFO: &[u8] = b"BIB-AUDIT/1 params";

/// The name under which parameters beyond the bound are kept together.
const REST: &str = "[cut]";

/// The HMAC key of one epoch.
#[derive(Clone)]
pub struct ParamKey {
    mac: Hmac<Sha256>,
}

impl ParamKey {
    /// Derives the key of `epoch` from the node's secret: HKDF-SHA256 without salt, the info being
    /// `BIB-AUDIT/1 params` and the epoch as eight bytes, big-endian.
    #[must_use]
    pub fn derive(secret: &[u8; 32], epoch: u64) -> Self {
        let mut key = [0_u8; 32];
        Hkdf::<Sha256>::new(None, secret)
            .expand_multi_info(&[KEY_INFO, &epoch.to_be_bytes()], &mut key)
            .expect("HKDF yields up to 255 hashes, and this asks for one");
        let mac = Hmac::new_from_slice(&key).expect("HMAC takes a key of any length");
        Self { mac }
    }

    /// What stands in a record for `value` given under `name`:
    /// `HMAC-SHA256(key, length of the name as eight bytes, big-endian || name || value)`.
    #[must_use]
    pub fn mac(&self, name: &str, value: &str) -> Hash {
        let mut mac = self.mac.clone();
        mac.update(&(name.len() as u64).to_be_bytes());
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Replaces each value by its HMAC. Parameters beyond the bound are kept as one, over all of them.
    pub(crate) fn seal(&self, params: Vec<(String, String)>) -> Vec<(String, Hash)> {
        let keep = if params.len() > bound::PARAMS { bound::PARAMS - 1 } else { params.len() };
        let mut params = params.into_iter();
        let mut sealed: Vec<_> = params
            .by_ref()
            .take(keep)
            .map(|(name, value)| {
                let name = tidy(name, bound::PARAM_NAME);
                let mac = self.mac(&name, &value);
                (name, mac)
            })
            .collect();
        let mut rest = self.mac.clone();
        let mut cut = false;
        for (name, value) in params {
            cut = true;
            for part in [&name, &value] {
                rest.update(&(part.len() as u64).to_be_bytes());
                rest.update(part.as_bytes());
            }
        }
        if cut {
            sealed.push((REST.to_owned(), rest.finalize().into_bytes().into()));
        }
        sealed
    }
}

impl fmt::Debug for ParamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ParamKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn param(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_value_can_be_tested_but_not_read() {
        let key = ParamKey::derive(&[7; 32], 1);
        let sealed = key.seal(vec![param("password", "hunter2")]);
        assert_eq!(sealed, vec![("password".to_owned(), key.mac("password", "hunter2"))]);
        assert_ne!(sealed[0].1, key.mac("password", "hunter3"));
        assert_ne!(sealed[0].1, key.mac("user", "hunter2"));
        assert_ne!(sealed[0].1, ParamKey::derive(&[7; 32], 2).mac("password", "hunter2"));
        assert_ne!(sealed[0].1, ParamKey::derive(&[8; 32], 1).mac("password", "hunter2"));
    }

    #[test]
    fn name_and_value_cannot_be_shifted() {
        let key = ParamKey::derive(&[7; 32], 1);
        assert_ne!(key.mac("ab", "c"), key.mac("a", "bc"));
    }

    #[test]
    fn parameters_beyond_the_bound_are_still_bound_by_their_hmac() {
        let key = ParamKey::derive(&[7; 32], 1);
        let many: Vec<_> = (0..100).map(|i| param(&format!("p{i}"), "v")).collect();
        let mut other = many.clone();
        other[99].1 = "w".to_owned();
        let (a, b) = (key.seal(many), key.seal(other));
        assert_eq!(a.len(), bound::PARAMS);
        assert_eq!(a[..bound::PARAMS - 1], b[..bound::PARAMS - 1]);
        assert_ne!(a[bound::PARAMS - 1], b[bound::PARAMS - 1]);
    }
}
