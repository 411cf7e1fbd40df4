//! Runs migrations on SQLite: each in an immediate transaction, which is the lock.

use crate::error::GuardianError;
use crate::migrations::{Applied, Migration, Step, plan};
use bib_kit::clock;
use rusqlite::{Connection, TransactionBehavior};

const BOOKKEEPING: &str = include_str!("../../../../schema/sqlite/migrations.sql");
const AUDIT_LOG: &str = include_str!("../../../../schema/sqlite/0002_audit_log.up.sql");

/// Empties the audit table, whose triggers are made again from [`audit_triggers`] in the same transaction.
pub(super) const CLEAR_AUDIT_INDEX: [&str; 3] = [
    "drop trigger if exists audit_log_no_update",
    "drop trigger if exists audit_log_no_delete",
    "delete from audit_log",
];

/// The statements that make the triggers of the audit table.
pub(super) fn audit_triggers() -> impl Iterator<Item = &'static str> {
    AUDIT_LOG.match_indices("create trigger").filter_map(|(begin, _)| {
        let text = &AUDIT_LOG[begin..];
        text.find("\nend;").map(|end| &text[..end + "\nend;".len()])
    })
}

fn failed(what: &str, error: &rusqlite::Error) -> GuardianError {
    GuardianError::Setup(format!(
        "{what} failed and was undone: {error}; the database is as it was before, please report this"
    ))
}

/// Brings the schema to `target`, the newest if `None`.
pub(super) fn run(
    connection: &mut Connection,
    known: &'static [Migration],
    target: Option<i64>,
) -> Result<(), GuardianError> {
    connection.execute_batch(BOOKKEEPING).map_err(|error| failed("preparing the database", &error))?;
    for step in plan(known, &applied(connection)?, target)? {
        let (Step::Up(migration) | Step::Down(migration)) = step;
        let up = matches!(step, Step::Up(_));
        take(connection, step)
            .map_err(|error| failed(&format!("migration {} ({})", migration.version, migration.name), &error))?;
        tracing::info!(version = migration.version, name = migration.name, up, "migrated the database");
    }
    Ok(())
}

fn applied(connection: &Connection) -> Result<Vec<Applied>, GuardianError> {
    let read = || {
        let mut statement = connection
            .prepare("select version, name, up_sha256, down_sha256 from schema_migrations order by version")?;
        let rows = statement.query_map([], |row| {
            Ok(Applied { version: row.get(0)?, name: row.get(1)?, up_sha256: row.get(2)?, down_sha256: row.get(3)? })
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    read().map_err(|error| failed("reading what was migrated", &error))
}

fn take(connection: &mut Connection, step: Step) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match step {
        Step::Up(migration) => {
            transaction.execute_batch(migration.up)?;
            let applied = migration.as_applied();
            transaction.execute(
                "insert into schema_migrations (version, name, up_sha256, down_sha256, applied_ms) values (?1, ?2, ?3, ?4, ?5)",
                (applied.version, applied.name, applied.up_sha256, applied.down_sha256, clock::unix_ms()),
            )?;
        }
        Step::Down(migration) => {
            transaction.execute_batch(migration.down)?;
            transaction.execute("delete from schema_migrations where version = ?1", [migration.version])?;
        }
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::SQLITE;

    fn tables(connection: &Connection) -> Vec<String> {
        let mut statement = connection
            .prepare("select type || ' ' || name from sqlite_master where name not like 'sqlite_%' order by 1")
            .unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn up_down_and_up_again() {
        let mut connection = Connection::open_in_memory().unwrap();
        run(&mut connection, SQLITE, None).unwrap();
        let full = tables(&connection);
        assert!(full.iter().any(|name| name == "table dataset_versions"), "{full:?}");
        run(&mut connection, SQLITE, None).unwrap();
        run(&mut connection, SQLITE, Some(0)).unwrap();
        assert_eq!(tables(&connection), ["table schema_migrations"]);
        run(&mut connection, SQLITE, None).unwrap();
        assert_eq!(tables(&connection), full);
    }

    #[test]
    fn the_triggers_of_the_audit_table_are_found() {
        assert_eq!(audit_triggers().count(), 2);
        assert!(audit_triggers().all(|text| text.ends_with("end;") && text.matches("create").count() == 1));
    }
}
