//! The leaf hash of a record: that of RFC 6962, so that a Merkle tree over the same records comes later without
//! touching them.

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// What stands as `prev_hash` in the first record of an epoch.
pub const ZERO_HASH: Hash = [0; 32];

/// `SHA-256(0x00 || record)`.
#[must_use]
pub fn leaf_hash(record: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0_u8]);
    hasher.update(record);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leaf_of_nothing_is_the_one_of_rfc_6962() {
        let known = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(hex::encode(leaf_hash(b"")), known);
    }
}
