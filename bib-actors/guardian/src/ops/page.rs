//! The catalogue in the order in which its entries came, for peers that follow it.

use super::{to_i64, topics, versions};
use crate::audited::Look;
use crate::database::Tx;
use crate::error::GuardianError;
use crate::rows::{CatalogPage, Topic, VersionRow};
use std::collections::BTreeSet;

/// What came after a position.
pub(crate) struct Page {
    pub(crate) after: u64,
    pub(crate) limit: u32,
}

/// Merges topics and versions by position and cuts after `limit` entries: the kept ones, the last position, and
/// whether something was cut off.
fn cut(
    after: u64,
    limit: usize,
    topics: Vec<(u64, Topic)>,
    versions: Vec<VersionRow>,
) -> (Vec<Topic>, Vec<VersionRow>, u64, bool) {
    let mut positions: Vec<u64> =
        topics.iter().map(|(position, _)| *position).chain(versions.iter().map(|version| version.position)).collect();
    positions.sort_unstable();
    let more = positions.len() > limit;
    positions.truncate(limit);
    let next = positions.last().copied().unwrap_or(after);
    let topics = topics.into_iter().filter(|(position, _)| *position <= next).map(|(_, topic)| topic).collect();
    let versions = versions.into_iter().filter(|version| version.position <= next).collect();
    (topics, versions, next, more)
}

impl Page {
    /// Topics of the versions that came in an earlier page, so that a page is whole by itself.
    async fn add_missing_topics(tx: &mut Tx, page: &mut CatalogPage) -> Result<(), GuardianError> {
        let have: BTreeSet<_> = page.topics.iter().map(|topic| topic.name.clone()).collect();
        let want: BTreeSet<_> = page.versions.iter().map(|version| version.dataset.topic.clone()).collect();
        let sql = format!("select {} from topics t where t.name = $1", topics::COLUMNS);
        for name in want.difference(&have) {
            let mut row = tx.one(&sql, &[name.as_str().into()]).await?;
            page.topics.push(topics::topic(&mut row)?);
        }
        Ok(())
    }
}

impl Look for Page {
    type Output = CatalogPage;
    const ACTION: &'static str = "catalog.page";

    fn object(&self) -> String {
        format!("catalog after {}", self.after)
    }

    async fn read(&self, tx: &mut Tx) -> Result<CatalogPage, GuardianError> {
        let after = to_i64(self.after, "the position")?;
        // one more than asked for tells whether there is more
        let params = [after.into(), self.limit.saturating_add(1).into()];
        let sql = format!(
            "select t.position, {} from topics t where t.position > $1 order by t.position limit $2",
            topics::COLUMNS
        );
        let mut new_topics = Vec::new();
        for mut row in tx.all(&sql, &params).await? {
            new_topics.push((row.count()?, topics::topic(&mut row)?));
        }
        let sql = format!(
            "select {} from {} where v.position > $1 order by v.position limit $2",
            versions::COLUMNS,
            versions::FROM
        );
        let mut new_versions = Vec::new();
        for mut row in tx.all(&sql, &params).await? {
            new_versions.push(versions::version(&mut row)?);
        }
        let (topics, versions, next, more) = cut(self.after, self.limit as usize, new_topics, new_versions);
        let mut page = CatalogPage { topics, versions, next, more };
        Self::add_missing_topics(tx, &mut page).await?;
        Ok(page)
    }
}
