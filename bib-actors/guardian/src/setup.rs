//! Which database this node gets, and opening it.

use crate::database::Database;
use crate::error::GuardianError;
use crate::filesystem;
use crate::options::{DatabaseRuntime, GuardianOptions};
use crate::postgres::PgDatabase;
use crate::process::{self, ProcessRuntime, Server};
use crate::sqlite::{FILE, SqliteDatabase};
use bib_domain::{NodeMode, StorageKind};
use bib_kit::BlockingPool;

/// What is on the disk already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Present {
    postgres: bool,
    sqlite: bool,
}

/// Which database it is to be, and for SQLite why.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    Postgres,
    Sqlite { reason: String },
}

/// Decides. `usable` says why PostgreSQL cannot run here, if it cannot.
///
/// A database that is there is never left behind silently: its catalogue would seem to be gone.
fn choose(
    runtime: DatabaseRuntime,
    mode: NodeMode,
    present: Present,
    usable: Result<(), String>,
) -> Result<Choice, GuardianError> {
    let stay = present.sqlite && !present.postgres && mode != NodeMode::Full;
    let choice = match (runtime, usable) {
        (DatabaseRuntime::Sqlite, _) if present.postgres => {
            return Err(GuardianError::Setup(
                "database.runtime is \"sqlite\", but this node's catalogue is in PostgreSQL: set it to \"auto\", or give the node a new data \
                 directory"
                    .to_owned(),
            ));
        }
        (DatabaseRuntime::Sqlite, _) => Choice::Sqlite { reason: "database.runtime is \"sqlite\"".to_owned() },
        (DatabaseRuntime::Auto, _) if stay => Choice::Sqlite {
            reason: format!(
                "its catalogue is in {FILE} since it was set up; database.runtime = \"process\" begins a new one in PostgreSQL"
            ),
        },
        // it has nothing that would be worth a database server
        (DatabaseRuntime::Auto, _) if mode == NodeMode::Proxy && !present.postgres => {
            Choice::Sqlite { reason: "a proxy keeps nothing but who it is and whom it knows".to_owned() }
        }
        (_, Ok(())) => Choice::Postgres,
        (DatabaseRuntime::Auto, Err(reason)) if !present.postgres => Choice::Sqlite { reason },
        (_, Err(reason)) => return Err(GuardianError::Setup(reason)),
    };
    if matches!(choice, Choice::Sqlite { .. }) {
        mode.check(StorageKind::Sqlite)?;
    }
    Ok(choice)
}

/// Opens the node's database.
pub(crate) async fn open_database(
    options: &GuardianOptions,
    pool: &BlockingPool,
    incarnation: u64,
) -> Result<Box<dyn Database>, GuardianError> {
    let looking = options.clone();
    let (present, looked) = process::on(pool, move || {
        filesystem::check(&looking.data_dir)?;
        let present = Present {
            postgres: looking.data_dir.join("postgres").join("data").exists(),
            sqlite: looking.data_dir.join(FILE).exists(),
        };
        let sqlite = match looking.runtime {
            DatabaseRuntime::Auto => looking.mode == NodeMode::Proxy && !present.postgres,
            runtime => runtime == DatabaseRuntime::Sqlite,
        };
        Ok((present, (!sqlite).then(|| Server::look(&looking))))
    })
    .await?;
    let usable = match &looked {
        Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err(String::new()),
    };
    match (choose(options.runtime, options.mode, present, usable)?, looked) {
        (Choice::Postgres, Some(Ok(server))) => {
            let runtime = Box::new(ProcessRuntime::new(server, options.clone(), pool.clone()));
            Ok(Box::new(PgDatabase::open(runtime, options, pool, incarnation).await?))
        }
        (Choice::Sqlite { reason }, _) => {
            let database = SqliteDatabase::open(options, pool.clone(), &reason).await?;
            match database.info().notice.as_str() {
                "" => tracing::info!(reason, "metadata is kept in SQLite"),
                notice => tracing::warn!("{notice}"),
            }
            Ok(Box::new(database))
        }
        (Choice::Postgres, _) => Err(GuardianError::Setup("PostgreSQL was chosen and not found".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Present = Present { postgres: false, sqlite: false };
    const POSTGRES: Present = Present { postgres: true, sqlite: false };
    const SQLITE: Present = Present { postgres: false, sqlite: true };

    fn absent() -> Result<(), String> {
        Err("no programs".to_owned())
    }

    #[test]
    fn auto_takes_postgres_if_it_can_run() {
        let auto = |mode, present, usable| choose(DatabaseRuntime::Auto, mode, present, usable);
        assert_eq!(auto(NodeMode::Selective, NOTHING, Ok(())).unwrap(), Choice::Postgres);
        assert_eq!(
            auto(NodeMode::Selective, NOTHING, absent()).unwrap(),
            Choice::Sqlite { reason: "no programs".to_owned() }
        );
        assert!(matches!(auto(NodeMode::Full, NOTHING, absent()), Err(GuardianError::Mode(_))));
        assert!(
            matches!(auto(NodeMode::Selective, POSTGRES, absent()), Err(GuardianError::Setup(_))),
            "the catalogue in PostgreSQL is not left behind"
        );
        assert!(matches!(auto(NodeMode::Selective, SQLITE, Ok(())).unwrap(), Choice::Sqlite { .. }));
        assert_eq!(auto(NodeMode::Full, SQLITE, Ok(())).unwrap(), Choice::Postgres);
    }

    #[test]
    fn a_proxy_needs_no_server_but_leaves_none_behind() {
        let auto = |present, usable| choose(DatabaseRuntime::Auto, NodeMode::Proxy, present, usable);
        assert!(matches!(auto(NOTHING, Ok(())).unwrap(), Choice::Sqlite { .. }));
        assert!(matches!(auto(SQLITE, Ok(())).unwrap(), Choice::Sqlite { .. }));
        assert_eq!(auto(POSTGRES, Ok(())).unwrap(), Choice::Postgres);
        assert!(auto(POSTGRES, absent()).is_err());
    }

    #[test]
    fn a_named_runtime_is_taken_or_refused() {
        let process = |usable| choose(DatabaseRuntime::Process, NodeMode::Selective, SQLITE, usable);
        assert_eq!(process(Ok(())).unwrap(), Choice::Postgres);
        assert!(process(absent()).unwrap_err().to_string().contains("no programs"));
        let sqlite = |mode, present| choose(DatabaseRuntime::Sqlite, mode, present, Ok(()));
        assert!(matches!(sqlite(NodeMode::Proxy, NOTHING).unwrap(), Choice::Sqlite { .. }));
        let refused = sqlite(NodeMode::Full, NOTHING).unwrap_err().to_string();
        assert!(refused.contains("untrusted-storage"), "{refused}");
        assert!(sqlite(NodeMode::Selective, POSTGRES).is_err());
    }
}
