//! SHA-256 names: of a chunk's bytes, of a file's content, of a manifest.
//!
//! One newtype each, so that the hash of a file is never taken for the name of a chunk. All print as
//! `sha256:<64 hex digits>` and parse from that form or from bare hex digits.

use std::fmt;
use std::str::FromStr;

/// A text that is not a SHA-256 hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a SHA-256 hash: expected 64 hexadecimal digits, with or without the prefix \"sha256:\"")]
pub struct HashParseError {
    /// What was given.
    pub text: String,
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps the 32 bytes of a SHA-256 digest.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes of the digest.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The digest as 64 lower-case hexadecimal digits, without prefix.
            #[must_use]
            pub fn to_hex(&self) -> String {
                hex::encode(self.0)
            }

            /// The first twelve hexadecimal digits, for people.
            #[must_use]
            pub fn short(&self) -> String {
                hex::encode(&self.0[..6])
            }

            /// Reads 32 bytes.
            ///
            /// # Errors
            /// [`HashParseError`] when `bytes` is not 32 bytes long.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, HashParseError> {
                <[u8; 32]>::try_from(bytes).map(Self).map_err(|_| HashParseError { text: hex::encode(bytes) })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "sha256:{}", hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = HashParseError;

            fn from_str(text: &str) -> Result<Self, HashParseError> {
                let digits = text.strip_prefix("sha256:").unwrap_or(text);
                let mut bytes = [0_u8; 32];
                match hex::decode_to_slice(digits, &mut bytes) {
                    Ok(()) => Ok(Self(bytes)),
                    Err(_) => Err(HashParseError { text: text.to_owned() }),
                }
            }
        }
    };
}

hash_type! {
    /// The name of a chunk: SHA-256 of its bytes.
    ChunkHash
}
hash_type! {
    /// SHA-256 of a file's whole content, as `sha256sum` prints it.
    ContentHash
}
hash_type! {
    /// The name of a version: SHA-256 of the canonical bytes of its manifest.
    VersionId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_both_forms() {
        let hash = ChunkHash::from_bytes([0xab; 32]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_hex().parse(), Ok(hash));
    }

    #[test]
    fn refuses_what_is_not_a_hash() {
        for text in ["", "sha256:", "sha256:abc", "zz", &"0".repeat(63), &"0".repeat(65)] {
            assert!(text.parse::<VersionId>().is_err(), "{text:?} was taken for a hash");
        }
    }
}
