//! The numbered migrations of both databases, their checksums, and the decision what is to be run.
//!
//! Pure: the backends run what is decided here, each migration in a transaction of its own.

use crate::error::GuardianError;
use sha2::{Digest, Sha256};

/// One numbered step of the schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) name: &'static str,
    pub(crate) up: &'static str,
    pub(crate) down: &'static str,
}

/// A step that ran, as the database remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) up_sha256: String,
    pub(crate) down_sha256: String,
}

/// A step to be run now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Up(&'static Migration),
    Down(&'static Migration),
}

macro_rules! migration {
    ($dir:literal, $version:literal, $name:literal) => {
        Migration {
            version: $version,
            name: $name,
            up: include_str!(concat!("../../../schema/", $dir, "/", $name, ".up.sql")),
            down: include_str!(concat!("../../../schema/", $dir, "/", $name, ".down.sql")),
        }
    };
}

/// PostgreSQL's, oldest first.
pub(crate) static POSTGRES: &[Migration] = &[
    migration!("postgres", 1, "0001_core"),
    migration!("postgres", 2, "0002_audit_log"),
    migration!("postgres", 3, "0003_grants"),
];

/// SQLite's, oldest first.
pub(crate) static SQLITE: &[Migration] =
    &[migration!("sqlite", 1, "0001_core"), migration!("sqlite", 2, "0002_audit_log")];

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

impl Migration {
    /// What the database remembers of it.
    pub(crate) fn as_applied(&self) -> Applied {
        Applied {
            version: self.version,
            name: self.name.to_owned(),
            up_sha256: sha256(self.up),
            down_sha256: sha256(self.down),
        }
    }
}

/// The steps from what was applied to `target` (the newest if `None`), in order.
///
/// Refuses to go on when what ran is not what this bibd has: the schema would not be what the code expects.
pub(crate) fn plan(
    known: &'static [Migration],
    applied: &[Applied],
    target: Option<i64>,
) -> Result<Vec<Step>, GuardianError> {
    for (index, ran) in applied.iter().enumerate() {
        let Some(ours) = known.get(index) else {
            return Err(GuardianError::Setup(format!(
                "the database has migration {} ({}), which this bibd does not know: it was used by a newer bibd; run that one, or \
                 restore a backup from before the upgrade",
                ran.version, ran.name
            )));
        };
        if *ran != ours.as_applied() {
            return Err(GuardianError::Setup(format!(
                "migration {} ({}) is not the one that ran on this database: its text was changed since; install the bibd that this \
                 data directory was used with, or restore the database from a backup",
                ran.version, ran.name
            )));
        }
    }
    let target = target.or_else(|| known.last().map(|last| last.version)).unwrap_or(0);
    let up = known.iter().skip(applied.len()).filter(|step| step.version <= target).map(Step::Up);
    let down = known.iter().take(applied.len()).rev().filter(|step| step.version > target).map(Step::Down);
    Ok(down.chain(up).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(steps: &[Step]) -> Vec<String> {
        steps
            .iter()
            .map(|step| match step {
                Step::Up(migration) => format!("+{}", migration.version),
                Step::Down(migration) => format!("-{}", migration.version),
            })
            .collect()
    }

    fn applied(count: usize) -> Vec<Applied> {
        POSTGRES.iter().take(count).map(Migration::as_applied).collect()
    }

    #[test]
    fn versions_count_from_one_and_names_agree() {
        for known in [POSTGRES, SQLITE] {
            for (index, migration) in known.iter().enumerate() {
                assert_eq!(migration.version, i64::try_from(index).unwrap() + 1);
                assert!(migration.name.starts_with(&format!("{:04}_", migration.version)));
            }
        }
    }

    #[test]
    fn plans_go_up_and_down() {
        assert_eq!(names(&plan(POSTGRES, &applied(0), None).unwrap()), ["+1", "+2", "+3"]);
        assert_eq!(names(&plan(POSTGRES, &applied(2), None).unwrap()), ["+3"]);
        assert_eq!(names(&plan(POSTGRES, &applied(3), None).unwrap()), [""; 0]);
        assert_eq!(names(&plan(POSTGRES, &applied(3), Some(0)).unwrap()), ["-3", "-2", "-1"]);
        assert_eq!(names(&plan(POSTGRES, &applied(1), Some(2)).unwrap()), ["+2"]);
    }

    #[test]
    fn changed_and_unknown_migrations_stop() {
        let mut changed = applied(2);
        changed[1].up_sha256 = sha256("drop table everything");
        let refused = plan(POSTGRES, &changed, None).unwrap_err().to_string();
        assert!(refused.contains("migration 2") && refused.contains("was changed"), "{refused}");

        let mut newer = applied(POSTGRES.len());
        newer.push(Applied { version: 99, name: "0099_later".into(), up_sha256: sha256(""), down_sha256: sha256("") });
        let refused = plan(POSTGRES, &newer, None).unwrap_err().to_string();
        assert!(refused.contains("0099_later") && refused.contains("newer bibd"), "{refused}");
    }
}
