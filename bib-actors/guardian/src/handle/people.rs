//! Verbs of people and sessions.

use super::GuardianHandle;
use crate::error::GuardianError;
use crate::ops::people::{AddUserKey, CountUsers, RemoveUserKey, UserByKey, UserKeys};
use crate::ops::sessions::{CreateSession, EndSession, GetSession};
use crate::rows::{SessionRow, UserRow};
use bib_domain::roster::Keyed;
use bib_domain::{OpContext, Role};
use bib_kit::clock;

impl GuardianHandle {
    /// Gives a person a key, and the role. Makes the person if they are not known. Sessions that a key of theirs opened with
    /// another role end.
    ///
    /// # Errors
    /// [`GuardianError::KeyTaken`] when the key is somebody else's; else as every change.
    pub async fn add_user_key(
        &self,
        cx: &OpContext,
        user: &str,
        role: Role,
        openssh_public_key: &str,
        fingerprint: &str,
    ) -> Result<UserRow, GuardianError> {
        self.change(AddUserKey {
            cx: cx.clone(),
            user: user.to_owned(),
            role,
            public_key: openssh_public_key.to_owned(),
            fingerprint: fingerprint.to_owned(),
        })
        .await
    }

    /// Takes a key away and ends the sessions that it opened; one that is not known stays so.
    ///
    /// # Errors
    /// As every change.
    pub async fn remove_user_key(&self, cx: &OpContext, fingerprint: &str) -> Result<(), GuardianError> {
        self.change(RemoveUserKey { cx: cx.clone(), fingerprint: fingerprint.to_owned() }).await
    }

    /// All keys, and whose they are.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn user_keys(&self) -> Result<Vec<Keyed>, GuardianError> {
        self.look(UserKeys).await
    }

    /// Whose key it is.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn user_by_key(&self, fingerprint: &str) -> Result<Option<UserRow>, GuardianError> {
        self.look(UserByKey { fingerprint: fingerprint.to_owned() }).await
    }

    /// How many people there are.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn count_users(&self) -> Result<u64, GuardianError> {
        self.look(CountUsers).await
    }

    /// Opens a session, kept by the hash of its token.
    ///
    /// # Errors
    /// [`GuardianError::UserNotFound`]; else as every change.
    pub async fn create_session(
        &self,
        cx: &OpContext,
        token_hash: [u8; 32],
        user: &str,
        role: Role,
        key_fingerprint: &str,
        expires_ms: i64,
    ) -> Result<(), GuardianError> {
        self.change(CreateSession {
            cx: cx.clone(),
            token_hash,
            user: user.to_owned(),
            role,
            key_fingerprint: key_fingerprint.to_owned(),
            expires_ms,
            local: false,
        })
        .await
    }

    /// Opens a session for a user of this machine, whom the kernel has named and the catalogue need not know.
    ///
    /// # Errors
    /// As every change.
    pub async fn create_local_session(
        &self,
        cx: &OpContext,
        token_hash: [u8; 32],
        user: &str,
        role: Role,
        key_fingerprint: &str,
        expires_ms: i64,
    ) -> Result<(), GuardianError> {
        self.change(CreateSession {
            cx: cx.clone(),
            token_hash,
            user: user.to_owned(),
            role,
            key_fingerprint: key_fingerprint.to_owned(),
            expires_ms,
            local: true,
        })
        .await
    }

    /// The session of a token, if it is open: neither ended nor expired.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn session(&self, token_hash: &[u8; 32]) -> Result<Option<SessionRow>, GuardianError> {
        self.look(GetSession { token_hash: *token_hash, now_ms: clock::deadline_ms() }).await
    }

    /// Ends a session; one that is not open stays so.
    ///
    /// # Errors
    /// As every change.
    pub async fn end_session(&self, cx: &OpContext, token_hash: &[u8; 32]) -> Result<(), GuardianError> {
        self.change(EndSession { cx: cx.clone(), token_hash: *token_hash }).await
    }
}
