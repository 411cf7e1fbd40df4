//! People and their sessions.

use bib_domain::Role;

/// A person known to this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they are kept out for now.
    pub suspended: bool,
}

/// A session that is open: neither ended nor expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of its token.
    pub token_hash: [u8; 32],
    /// Whose it is.
    pub user: String,
    /// With which role.
    pub role: Role,
    /// The key that opened it.
    pub key_fingerprint: String,
    /// When it was opened, Unix milliseconds.
    pub created_ms: i64,
    /// When it ends by itself, Unix milliseconds.
    pub expires_ms: i64,
    /// Whether its user was suspended since.
    pub suspended: bool,
}
