//! Sessions of people. Only the token's hash is kept.

use crate::audited::{Change, Look, Stamp};
use crate::database::{DbRole, Tx};
use crate::error::GuardianError;
use crate::rows::SessionRow;
use bib_domain::access::CLOCK_SKEW_MS;
use bib_domain::{Need, OpContext, Role};

/// Open sessions of one person.
const SESSIONS_EACH: i64 = 64;

fn short(hash: &[u8; 32]) -> String {
    format!("session {}", hex::encode(&hash[..6]))
}

/// Opens a session.
pub(crate) struct CreateSession {
    pub(crate) cx: OpContext,
    pub(crate) token_hash: [u8; 32],
    pub(crate) user: String,
    pub(crate) role: Role,
    pub(crate) key_fingerprint: String,
    pub(crate) expires_ms: i64,
    /// Whether the user is one of this machine, who is added where they are not known.
    pub(crate) local: bool,
}

impl Change for CreateSession {
    type Output = ();
    const ACTION: &'static str = "session.create";
    const ROLE: DbRole = DbRole::Node;
    const CATALOG: bool = false;
    const REMEMBER: bool = true;
    const NEED: Need = Need::Housekeeping;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        format!("{} of {} as {}", short(&self.token_hash), self.user, self.role)
    }

    async fn apply(&self, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        let user = self.user.as_str();
        if self.local {
            tx.run(
                "insert into users (name, role, suspended, created_ms, updated_ms) values ($1, $2, $3, $4, $4) \
                 on conflict (name) do nothing",
                &[user.into(), self.role.as_str().into(), false.into(), stamp.now_ms.into()],
            )
            .await?;
        }
        if tx.first("select 1 from users where name = $1", &[user.into()]).await?.is_none() {
            return Err(GuardianError::UserNotFound { name: self.user.clone() });
        }
        tx.run(
            "insert into sessions (token_hash, user_name, role, key_fingerprint, created_ms, expires_ms, ended_ms) \
             values ($1, $2, $3, $4, $5, $6, 0) on conflict (token_hash) do nothing",
            &[
                (&self.token_hash).into(),
                user.into(),
                self.role.as_str().into(),
                self.key_fingerprint.as_str().into(),
                stamp.now_ms.into(),
                self.expires_ms.into(),
            ],
        )
        .await?;
        // the oldest make room
        tx.run(
            "update sessions set ended_ms = $2 where token_hash in (select token_hash from sessions \
             where user_name = $1 and ended_ms = 0 and expires_ms > $2 order by created_ms desc limit 1000 offset $3)",
            &[user.into(), stamp.now_ms.into(), SESSIONS_EACH.into()],
        )
        .await?;
        Ok(String::new())
    }

    async fn answer(&self, _tx: &mut Tx, _note: &str) -> Result<(), GuardianError> {
        Ok(())
    }
}

/// Ends a session; one that is not open stays so.
pub(crate) struct EndSession {
    pub(crate) cx: OpContext,
    pub(crate) token_hash: [u8; 32],
}

impl Change for EndSession {
    type Output = ();
    const ACTION: &'static str = "session.end";
    const ROLE: DbRole = DbRole::Node;
    const CATALOG: bool = false;
    const NEED: Need = Need::Housekeeping;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        short(&self.token_hash)
    }

    async fn apply(&self, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        tx.run(
            "update sessions set ended_ms = $2 where token_hash = $1 and ended_ms = 0",
            &[(&self.token_hash).into(), stamp.now_ms.into()],
        )
        .await?;
        Ok(String::new())
    }

    async fn answer(&self, _tx: &mut Tx, _note: &str) -> Result<(), GuardianError> {
        Ok(())
    }
}

/// The open session of a token.
pub(crate) struct GetSession {
    pub(crate) token_hash: [u8; 32],
    pub(crate) now_ms: i64,
}

impl Look for GetSession {
    type Output = Option<SessionRow>;
    const ACTION: &'static str = "session.get";
    const ROLE: DbRole = DbRole::Node;

    fn object(&self) -> String {
        short(&self.token_hash)
    }

    async fn read(&self, tx: &mut Tx) -> Result<Option<SessionRow>, GuardianError> {
        let row = tx
            .first(
                "select s.token_hash, s.user_name, s.role, s.key_fingerprint, s.created_ms, s.expires_ms, u.suspended \
                 from sessions s join users u on u.name = s.user_name \
                 where s.token_hash = $1 and s.ended_ms = 0 and s.expires_ms > $2 and s.created_ms <= $3",
                &[(&self.token_hash).into(), self.now_ms.into(), self.now_ms.saturating_add(CLOCK_SKEW_MS).into()],
            )
            .await?;
        let Some(mut row) = row else { return Ok(None) };
        Ok(Some(SessionRow {
            token_hash: row.bytes32()?,
            user: row.text()?,
            role: row.parsed()?,
            key_fingerprint: row.text()?,
            created_ms: row.int()?,
            expires_ms: row.int()?,
            suspended: row.bool()?,
        }))
    }
}
