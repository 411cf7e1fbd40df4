//! The end of copies in the limited mode: what a left topic brought here goes when its time is over.
//!
//! A node on SQLite is a cache of other nodes' data. While it is subscribed to a topic it keeps the topic's versions, also
//! when no other node can be reached. Once the topic was left, and the time to live has passed since then and since the
//! version was stored, the version's rows and its manifest are removed; its chunks are then named by nothing.
//! Subscribing again reads the catalogue from its beginning and fetches what is there.

use super::publish::{Highest, refresh_latest};
use crate::audited::{Change, Stamp};
use crate::database::{DbRole, Tx};
use crate::error::GuardianError;
use bib_domain::{Need, OpContext, VersionId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Removes the oldest versions whose time is over, `limit` at most, and answers which they were.
pub(crate) struct ExpireCopies {
    pub(crate) cx: OpContext,
    /// How long a version stays after its topic was left.
    pub(crate) ttl: Duration,
    pub(crate) limit: u32,
}

impl Change for ExpireCopies {
    type Output = Vec<VersionId>;
    const ACTION: &'static str = "cache.expire";
    const ROLE: DbRole = DbRole::AdminJobs;
    const NEED: Need = Need::Housekeeping;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        "versions of topics that were left".to_owned()
    }

    async fn apply(&self, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        let before = stamp.before(self.ttl);
        let over = tx
            .all(
                "select v.id, v.dataset from dataset_versions v \
                 join datasets d on d.id = v.dataset join topics t on t.name = d.topic \
                 where t.updated_ms < $1 and v.stored_ms < $1 \
                 and not exists (select 1 from subscriptions s where s.topic = t.name) \
                 order by v.stored_ms, v.id limit $2",
                &[before.into(), self.limit.into()],
            )
            .await?;
        let mut datasets: BTreeMap<i64, i64> = BTreeMap::new();
        let mut removed = Vec::with_capacity(over.len());
        for mut row in over {
            let (id, dataset) = (VersionId::from_bytes(row.bytes32()?), row.int()?);
            tx.run("delete from dataset_versions where id = $1", &[(&id).into()]).await?;
            *datasets.entry(dataset).or_default() += 1;
            removed.push(id.to_hex());
        }
        for (dataset, gone) in datasets {
            let emptied = tx
                .run(
                    "delete from datasets where id = $1 \
                     and not exists (select 1 from dataset_versions v where v.dataset = $1)",
                    &[dataset.into()],
                )
                .await?;
            if emptied == 0 {
                refresh_latest(tx, dataset, -gone, Highest::Recounted, stamp.now_ms).await?;
            }
        }
        Ok(removed.join(" "))
    }

    async fn answer(&self, _tx: &mut Tx, note: &str) -> Result<Vec<VersionId>, GuardianError> {
        Ok(note.split_whitespace().filter_map(|id| id.parse().ok()).collect())
    }
}
