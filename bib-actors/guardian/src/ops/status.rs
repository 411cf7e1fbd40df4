//! How much there is, and the removal of what expired.

use crate::audited::{Change, Look, Stamp};
use crate::database::{DbRole, Tx};
use crate::error::GuardianError;
use crate::rows::Counts;
use bib_domain::{Need, OpContext};
use std::time::Duration;

/// How much there is in the catalogue.
pub(crate) struct CountAll;

impl Look for CountAll {
    type Output = Counts;
    const ACTION: &'static str = "catalog.count";

    fn object(&self) -> String {
        "catalog".to_owned()
    }

    fn recall_key(&self) -> Option<String> {
        Some(String::new())
    }

    async fn read(&self, tx: &mut Tx) -> Result<Counts, GuardianError> {
        let mut row = tx
            .one(
                "select (select count(*) from topics), (select count(*) from datasets), \
                 (select count(*) from dataset_versions), (select count(*) from nodes)",
                &[],
            )
            .await?;
        Ok(Counts { topics: row.count()?, datasets: row.count()?, versions: row.count()?, peers: row.count()? })
    }
}

/// Removes answers, sessions and invitations that nobody can need any more.
pub(crate) struct Sweep {
    pub(crate) cx: OpContext,
    pub(crate) retention: Duration,
}

impl Change for Sweep {
    type Output = ();
    const ACTION: &'static str = "catalog.sweep";
    const ROLE: DbRole = DbRole::AdminJobs;
    const NEED: Need = Need::Housekeeping;
    const CATALOG: bool = false;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        "requests, sessions, invites".to_owned()
    }

    async fn apply(&self, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        let before = stamp.before(self.retention);
        tx.run("delete from requests where created_ms < $1", &[before.into()]).await?;
        tx.run("delete from sessions where expires_ms < $1", &[before.into()]).await?;
        tx.run("delete from invites where expires_ms < $1", &[before.into()]).await?;
        Ok(String::new())
    }

    async fn answer(&self, _tx: &mut Tx, _note: &str) -> Result<(), GuardianError> {
        Ok(())
    }
}
