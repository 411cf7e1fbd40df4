//! Runs migrations on PostgreSQL: under an advisory lock, each in a transaction, as the owner of the schema.

use super::admin::Admin;
use crate::error::GuardianError;
use crate::migrations::{Applied, Migration, Step, plan};
use bib_kit::clock;

/// Any number that nobody else uses in this database.
const LOCK: i64 = 0x4249_425f_4d49_4752;

/// Brings the schema to `target`, the newest if `None`.
pub(super) async fn run(
    admin: &mut Admin,
    known: &'static [Migration],
    target: Option<i64>,
) -> Result<(), GuardianError> {
    admin.batch(&format!("select pg_advisory_lock({LOCK})")).await?;
    let done = run_locked(admin, known, target).await;
    admin.batch(&format!("select pg_advisory_unlock({LOCK})")).await?;
    done
}

async fn run_locked(admin: &mut Admin, known: &'static [Migration], target: Option<i64>) -> Result<(), GuardianError> {
    let rows =
        admin.rows("select version, name, up_sha256, down_sha256 from bib.schema_migrations order by version").await?;
    let applied: Vec<Applied> = rows
        .into_iter()
        .filter_map(|row| {
            let [version, name, up_sha256, down_sha256] = <[String; 4]>::try_from(row).ok()?;
            Some(Applied { version: version.parse().ok()?, name, up_sha256, down_sha256 })
        })
        .collect();
    for step in plan(known, &applied, target)? {
        let (migration, text, note) = match step {
            Step::Up(migration) => (migration, migration.up, remember(migration)),
            Step::Down(migration) => {
                let forget = format!("delete from bib.schema_migrations where version = {}", migration.version);
                (migration, migration.down, forget)
            }
        };
        let sql = format!(
            "begin; set local role bibd_owner; set local search_path = bib; {text}; reset role; {note}; commit"
        );
        if let Err(error) = admin.batch(&sql).await {
            let _ = admin.batch("rollback").await;
            return Err(GuardianError::Setup(format!(
                "migration {} ({}) failed and was undone: {:?}; the database is as it was before, please report this",
                migration.version, migration.name, error
            )));
        }
        tracing::info!(
            version = migration.version,
            name = migration.name,
            up = matches!(step, Step::Up(_)),
            "migrated the database"
        );
    }
    Ok(())
}

fn remember(migration: &Migration) -> String {
    let applied = migration.as_applied();
    format!(
        "insert into bib.schema_migrations (version, name, up_sha256, down_sha256, applied_ms) values ({}, '{}', '{}', '{}', {})",
        applied.version,
        applied.name,
        applied.up_sha256,
        applied.down_sha256,
        clock::unix_ms()
    )
}

#[cfg(test)]
mod tests;
