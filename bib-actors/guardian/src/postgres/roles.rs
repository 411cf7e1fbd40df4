//! The database, its group roles and its logins.

use super::admin::Admin;
use super::pools::size;
use crate::credentials::Credentials;
use crate::database::DbRole;
use crate::error::GuardianError;
use crate::options::GuardianOptions;
use crate::process::DATABASE;

const GROUPS: &str = include_str!("../../../../schema/postgres/roles.sql");
/// Connections of a login beyond its pool: those of an older incarnation that are being ended.
const SPARE: usize = 4;
/// How long a transaction may be idle before its session is ended: longer than any pause between two statements.
const IDLE_IN_TRANSACTION: &str = "60s";
/// How long a statement waits for a lock.
const LOCK_TIMEOUT: &str = "10s";

/// Makes the node's database if it is not there.
pub(super) async fn ensure_database(admin: &mut Admin) -> Result<(), GuardianError> {
    let known = admin.rows(&format!("select 1 from pg_database where datname = '{DATABASE}'")).await?;
    if known.is_empty() {
        admin
            .batch(&format!(
                "create database {DATABASE} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'"
            ))
            .await?;
    }
    Ok(())
}

/// Makes groups and logins what they should be. Logins own nothing, so that each can be replaced by its successor.
pub(super) async fn ensure(
    admin: &mut Admin,
    credentials: &Credentials,
    options: &GuardianOptions,
) -> Result<(), GuardianError> {
    admin.batch(&format!("begin; {GROUPS}; commit")).await?;
    let known: Vec<String> = admin.rows("select rolname from pg_roles").await?.into_iter().flatten().collect();
    let statements: Vec<String> = DbRole::ALL
        .into_iter()
        .map(|role| login(role, !known.iter().any(|name| name == role.login()), credentials, options))
        .collect();
    Ok(admin.quietly(&statements.join("; ")).await?)
}

fn login(role: DbRole, create: bool, credentials: &Credentials, options: &GuardianOptions) -> String {
    let (login, group) = (role.login(), role.group());
    let verb = if create { "create" } else { "alter" };
    let limit = size(&options.pools, role) + SPARE;
    let verifier = credentials.verifier(login);
    let timeout_ms = options.statement_timeout.as_millis();
    let read_only = if role == DbRole::Query { "on" } else { "off" };
    // the audit table is read from the log again where a crash cuts it off: it need not wait for the disk
    let synchronous = if role == DbRole::Audit { "off" } else { "on" };
    format!(
        "{verb} role {login} with login nosuperuser nocreatedb nocreaterole noreplication inherit \
         connection limit {limit} password '{verifier}'; \
         grant {group} to {login}; \
         alter role {login} set search_path = bib; \
         alter role {login} set statement_timeout = '{timeout_ms}ms'; \
         alter role {login} set lock_timeout = '{LOCK_TIMEOUT}'; \
         alter role {login} set idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION}'; \
         alter role {login} set synchronous_commit = {synchronous}; \
         alter role {login} set default_transaction_read_only = {read_only}"
    )
}
