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
    let known: Vec<Vec<String>> = admin.rows(LOGINS).await?;
    let statements: Vec<String> = DbRole::ALL
        .into_iter()
        .filter_map(|role| {
            let row = known.iter().find(|row| row.first().is_some_and(|name| name == role.login()));
            let is = row.and_then(|row| row.get(1));
            (is != Some(&wanted(role, credentials, options))).then(|| login(role, row.is_none(), credentials, options))
        })
        .collect();
    if statements.is_empty() {
        return Ok(());
    }
    tracing::debug!(logins = statements.len(), "making logins of the database what they should be");
    Ok(admin.quietly(&statements.join("; ")).await?)
}

/// Each login of the node with all that it is, in one text: see [`wanted`].
const LOGINS: &str = "select r.rolname, concat_ws('|', r.rolcanlogin, r.rolsuper, r.rolcreatedb, r.rolcreaterole, \
    r.rolreplication, r.rolbypassrls, r.rolinherit, r.rolconnlimit, coalesce(r.rolvaliduntil = 'infinity', true), r.rolpassword, \
    array_to_string(array(select g.rolname::text from pg_auth_members m join pg_roles g on g.oid = m.roleid \
    where m.member = r.oid order by 1), ','), \
    array_to_string(array(select unnest(s.setconfig) from pg_db_role_setting s where s.setrole = r.oid order by 1), ',')) \
    from pg_authid r where r.rolname like 'bibd\\_%' and r.rolcanlogin";

/// What [`LOGINS`] says of a login that is as it should be.
fn wanted(role: DbRole, credentials: &Credentials, options: &GuardianOptions) -> String {
    let limit = size(&options.pools, role) + SPARE;
    let mut settings: Vec<String> =
        settings(role, options).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    settings.sort();
    let (verifier, group, settings) = (credentials.verifier(role.login()), role.group(), settings.join(","));
    format!("t|f|f|f|f|f|t|{limit}|t|{verifier}|{group}|{settings}")
}

/// What every session of a login begins with.
fn settings(role: DbRole, options: &GuardianOptions) -> [(&'static str, String); 6] {
    let read_only = if role == DbRole::Query { "on" } else { "off" };
    // the audit table is read from the log again where a crash cuts it off: it need not wait for the disk
    let synchronous = if role == DbRole::Audit { "off" } else { "on" };
    [
        ("search_path", "bib".to_owned()),
        ("statement_timeout", format!("{}ms", options.statement_timeout.as_millis())),
        ("lock_timeout", LOCK_TIMEOUT.to_owned()),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION.to_owned()),
        ("synchronous_commit", synchronous.to_owned()),
        ("default_transaction_read_only", read_only.to_owned()),
    ]
}

fn login(role: DbRole, create: bool, credentials: &Credentials, options: &GuardianOptions) -> String {
    let (login, group) = (role.login(), role.group());
    let verb = if create { "create" } else { "alter" };
    let limit = size(&options.pools, role) + SPARE;
    let verifier = credentials.verifier(login);
    let set = settings(role, options).map(|(name, value)| format!("; alter role {login} set {name} = '{value}'"));
    // what somebody else gave it is taken away
    format!(
        "{verb} role {login} with login nosuperuser nocreatedb nocreaterole noreplication nobypassrls inherit \
         connection limit {limit} password '{verifier}' valid until 'infinity'; \
         grant {group} to {login}; alter role {login} reset all{}",
        set.concat()
    )
}
