//! Invitations: one secret each, good once and for a time. Only the secret's hash is kept.

use crate::audited::{Change, Stamp};
use crate::database::{DbRole, Tx};
use crate::error::{GuardianError, InviteError};
use bib_domain::access::CLOCK_SKEW_MS;
use bib_domain::{NodeId, OpContext};

/// Keeps an invitation.
pub(crate) struct CreateInvite {
    pub(crate) cx: OpContext,
    pub(crate) secret_hash: [u8; 32],
    pub(crate) expires_ms: i64,
}

/// Enough of a secret's hash to tell invitations apart in the audit log.
fn short(hash: &[u8; 32]) -> String {
    format!("invite {}", hex::encode(&hash[..6]))
}

impl Change for CreateInvite {
    type Output = ();
    const ACTION: &'static str = "invite.create";
    const ROLE: DbRole = DbRole::Node;
    const CATALOG: bool = false;
    const REMEMBER: bool = true;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        short(&self.secret_hash)
    }

    async fn apply(&self, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        tx.run(
            "insert into invites (secret_hash, created_by, created_ms, expires_ms) values ($1, $2, $3, $4) \
             on conflict (secret_hash) do nothing",
            &[(&self.secret_hash).into(), self.cx.who.to_string().into(), stamp.now_ms.into(), self.expires_ms.into()],
        )
        .await?;
        Ok(String::new())
    }

    async fn answer(&self, _tx: &mut Tx, _note: &str) -> Result<(), GuardianError> {
        Ok(())
    }
}

/// Uses an invitation up.
pub(crate) struct RedeemInvite {
    pub(crate) cx: OpContext,
    pub(crate) secret_hash: [u8; 32],
    pub(crate) by: NodeId,
    pub(crate) now_ms: i64,
}

impl Change for RedeemInvite {
    type Output = ();
    const ACTION: &'static str = "invite.redeem";
    const ROLE: DbRole = DbRole::Node;
    const CATALOG: bool = false;
    const REMEMBER: bool = true;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        format!("{} by {}", short(&self.secret_hash), self.by)
    }

    /// One statement decides: of many at the same time, one finds the row unused.
    async fn apply(&self, tx: &mut Tx, _stamp: Stamp) -> Result<String, GuardianError> {
        let used = tx
            .run(
                "update invites set used_by = $2, used_ms = $3 \
                 where secret_hash = $1 and used_by is null and expires_ms > $3 and created_ms <= $4",
                &[
                    (&self.secret_hash).into(),
                    (&self.by).into(),
                    self.now_ms.into(),
                    self.now_ms.saturating_add(CLOCK_SKEW_MS).into(),
                ],
            )
            .await?;
        if used == 1 {
            return Ok(String::new());
        }
        let row = tx.first("select used_by from invites where secret_hash = $1", &[(&self.secret_hash).into()]).await?;
        let Some(mut row) = row else { return Err(InviteError::Unknown.into()) };
        let used_by = row.maybe_text()?;
        Err(if used_by.is_some() { InviteError::Used } else { InviteError::Expired }.into())
    }

    async fn answer(&self, _tx: &mut Tx, _note: &str) -> Result<(), GuardianError> {
        Ok(())
    }
}
