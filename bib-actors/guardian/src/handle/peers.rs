//! Verbs of paired nodes and invitations.

use super::GuardianHandle;
use crate::error::GuardianError;
use crate::ops::invites::{CreateInvite, RedeemInvite};
use crate::ops::peers::{EditPeer, PeerEdit, Peers, UpsertPeer};
use crate::rows::PeerRow;
use bib_domain::{NodeId, OpContext};

impl GuardianHandle {
    /// Adds a peer, or changes what is known of one. The cursor and the blame of a known peer stay as they are.
    ///
    /// # Errors
    /// As every change.
    pub async fn upsert_peer(&self, cx: &OpContext, peer: PeerRow) -> Result<(), GuardianError> {
        self.change(UpsertPeer { cx: cx.clone(), peer }).await
    }

    /// All paired nodes, as many as one page holds.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn peers(&self) -> Result<Vec<PeerRow>, GuardianError> {
        self.look(Peers { limit: self.limits.page }).await
    }

    /// Forgets a peer; one that is not known stays so.
    ///
    /// # Errors
    /// As every change.
    pub async fn remove_peer(&self, cx: &OpContext, node: &NodeId) -> Result<(), GuardianError> {
        self.edit_peer(cx, node, PeerEdit::Remove).await
    }

    /// Remembers why a peer is not to be trusted; an empty reason takes the blame away.
    ///
    /// # Errors
    /// [`GuardianError::PeerNotFound`]; else as every change.
    pub async fn blame_peer(&self, cx: &OpContext, node: &NodeId, reason: &str) -> Result<(), GuardianError> {
        self.edit_peer(cx, node, PeerEdit::Blame(reason.to_owned())).await
    }

    /// Remembers how far a peer's catalogue was read.
    ///
    /// # Errors
    /// [`GuardianError::PeerNotFound`]; else as every change.
    pub async fn set_cursor(&self, cx: &OpContext, node: &NodeId, position: u64) -> Result<(), GuardianError> {
        self.edit_peer(cx, node, PeerEdit::Cursor(position)).await
    }

    async fn edit_peer(&self, cx: &OpContext, node: &NodeId, edit: PeerEdit) -> Result<(), GuardianError> {
        self.change(EditPeer { cx: cx.clone(), node: node.clone(), edit }).await
    }

    /// Keeps an invitation by the hash of its secret.
    ///
    /// # Errors
    /// As every change.
    pub async fn create_invite(
        &self,
        cx: &OpContext,
        secret_hash: [u8; 32],
        expires_ms: i64,
    ) -> Result<(), GuardianError> {
        self.change(CreateInvite { cx: cx.clone(), secret_hash, expires_ms }).await
    }

    /// Uses an invitation up: of many at the same time, one succeeds. A retry with the same request id succeeds again.
    ///
    /// # Errors
    /// [`GuardianError::Invite`] when it is unknown, expired or used; else as every change.
    pub async fn redeem_invite(
        &self,
        cx: &OpContext,
        secret_hash: [u8; 32],
        by: &NodeId,
        now_ms: i64,
    ) -> Result<(), GuardianError> {
        self.change(RedeemInvite { cx: cx.clone(), secret_hash, by: by.clone(), now_ms }).await
    }
}
