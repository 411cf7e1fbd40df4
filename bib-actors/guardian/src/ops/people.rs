//! People and the keys that name them.

use crate::audited::{Change, Look, Stamp};
use crate::database::{DbRole, Tx};
use crate::error::GuardianError;
use crate::rows::UserRow;
use bib_domain::roster::Keyed;
use bib_domain::{Need, OpContext, Role};

/// Gives a person a key and the role; makes the person if they are not known. Sessions that were opened with another role by
/// a key of theirs end.
pub(crate) struct AddUserKey {
    pub(crate) cx: OpContext,
    pub(crate) user: String,
    pub(crate) role: Role,
    pub(crate) public_key: String,
    pub(crate) fingerprint: String,
}

impl Change for AddUserKey {
    type Output = UserRow;
    const ACTION: &'static str = "user.add-key";
    const ROLE: DbRole = DbRole::Node;
    const CATALOG: bool = false;
    const REMEMBER: bool = true;
    // it may take a role away
    const NEED: Need = Need::Housekeeping;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        format!("{} as {} with {}", self.user, self.role, self.fingerprint)
    }

    async fn apply(&self, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        tx.run(
            "insert into users (name, role, suspended, created_ms, updated_ms) values ($1, $2, $3, $4, $4) \
             on conflict (name) do update set role = excluded.role, updated_ms = excluded.updated_ms",
            &[self.user.as_str().into(), self.role.as_str().into(), false.into(), stamp.now_ms.into()],
        )
        .await?;
        tx.run(
            "insert into user_keys (fingerprint, user_name, public_key, created_ms) values ($1, $2, $3, $4) \
             on conflict (fingerprint) do nothing",
            &[
                self.fingerprint.as_str().into(),
                self.user.as_str().into(),
                self.public_key.as_str().into(),
                stamp.now_ms.into(),
            ],
        )
        .await?;
        let holder = tx
            .one("select user_name from user_keys where fingerprint = $1", &[self.fingerprint.as_str().into()])
            .await?
            .text()?;
        if holder != self.user {
            return Err(GuardianError::KeyTaken { fingerprint: self.fingerprint.clone() });
        }
        tx.run(
            "update sessions set ended_ms = $3 where user_name = $1 and role <> $2 and ended_ms = 0 \
             and key_fingerprint in (select k.fingerprint from user_keys k where k.user_name = $1)",
            &[self.user.as_str().into(), self.role.as_str().into(), stamp.now_ms.into()],
        )
        .await?;
        Ok(String::new())
    }

    async fn answer(&self, tx: &mut Tx, _note: &str) -> Result<UserRow, GuardianError> {
        let row =
            tx.first("select name, role, suspended from users where name = $1", &[self.user.as_str().into()]).await?;
        let mut row = row.ok_or_else(|| GuardianError::UserNotFound { name: self.user.clone() })?;
        Ok(UserRow { name: row.text()?, role: row.parsed()?, suspended: row.bool()? })
    }
}

/// Takes a key away, and ends the sessions that it opened. One that is not known stays so.
pub(crate) struct RemoveUserKey {
    pub(crate) cx: OpContext,
    pub(crate) fingerprint: String,
}

impl Change for RemoveUserKey {
    type Output = ();
    const ACTION: &'static str = "user.remove-key";
    const ROLE: DbRole = DbRole::Node;
    const CATALOG: bool = false;
    const NEED: Need = Need::Housekeeping;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        self.fingerprint.clone()
    }

    async fn apply(&self, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        tx.run("delete from user_keys where fingerprint = $1", &[self.fingerprint.as_str().into()]).await?;
        tx.run(
            "update sessions set ended_ms = $2 where key_fingerprint = $1 and ended_ms = 0",
            &[self.fingerprint.as_str().into(), stamp.now_ms.into()],
        )
        .await?;
        Ok(String::new())
    }

    async fn answer(&self, _tx: &mut Tx, _note: &str) -> Result<(), GuardianError> {
        Ok(())
    }
}

/// All keys, and whose they are.
pub(crate) struct UserKeys;

impl Look for UserKeys {
    type Output = Vec<Keyed>;
    const ACTION: &'static str = "user.list-keys";
    const ROLE: DbRole = DbRole::Node;

    fn object(&self) -> String {
        "keys".to_owned()
    }

    async fn read(&self, tx: &mut Tx) -> Result<Vec<Keyed>, GuardianError> {
        let sql = "select k.fingerprint, u.name, u.role from user_keys k join users u on u.name = k.user_name \
                   order by k.fingerprint";
        let rows = tx.all(sql, &[]).await?;
        let keyed = rows
            .into_iter()
            .map(|mut row| Ok(Keyed { fingerprint: row.text()?, user: row.text()?, role: row.parsed()? }));
        Ok(keyed.collect::<Result<_, crate::database::DbError>>()?)
    }
}

/// Whose key it is.
pub(crate) struct UserByKey {
    pub(crate) fingerprint: String,
}

impl Look for UserByKey {
    type Output = Option<UserRow>;
    const ACTION: &'static str = "user.by-key";
    const ROLE: DbRole = DbRole::Node;

    fn object(&self) -> String {
        self.fingerprint.clone()
    }

    async fn read(&self, tx: &mut Tx) -> Result<Option<UserRow>, GuardianError> {
        let row = tx
            .first(
                "select u.name, u.role, u.suspended from user_keys k join users u on u.name = k.user_name \
                 where k.fingerprint = $1",
                &[self.fingerprint.as_str().into()],
            )
            .await?;
        let Some(mut row) = row else { return Ok(None) };
        Ok(Some(UserRow { name: row.text()?, role: row.parsed()?, suspended: row.bool()? }))
    }
}

/// How many people there are.
pub(crate) struct CountUsers;

impl Look for CountUsers {
    type Output = u64;
    const ACTION: &'static str = "user.count";
    const ROLE: DbRole = DbRole::Node;

    fn object(&self) -> String {
        "users".to_owned()
    }

    async fn read(&self, tx: &mut Tx) -> Result<u64, GuardianError> {
        Ok(tx.one("select count(*) from users", &[]).await?.count()?)
    }
}
