//! Datasets.

use super::versions::{COLUMNS, FROM, version};
use crate::audited::Look;
use crate::database::{DbError, Row, Tx};
use crate::error::GuardianError;
use crate::recall::Weigh;
use crate::rows::DatasetRow;
use bib_domain::{DatasetRef, TopicName};

/// A dataset's own columns, followed by those of its latest version.
const OWN: &str = "d.versions, d.highest_number, d.created_ms, d.updated_ms";

fn dataset(row: &mut Row) -> Result<DatasetRow, DbError> {
    let (versions, highest_number, created_ms, updated_ms) = (row.count()?, row.count()?, row.int()?, row.int()?);
    let latest = version(row)?;
    Ok(DatasetRow {
        name: latest.dataset.clone(),
        latest: Some(latest),
        versions,
        highest_number,
        created_ms,
        updated_ms,
    })
}

/// Datasets in the order of their names.
pub(crate) struct ListDatasets {
    pub(crate) topic: Option<TopicName>,
    pub(crate) after: Option<DatasetRef>,
    pub(crate) limit: u32,
}

impl Look for ListDatasets {
    type Output = Vec<DatasetRow>;
    const ACTION: &'static str = "dataset.list";

    fn object(&self) -> String {
        self.topic.as_ref().map_or_else(|| "datasets".to_owned(), ToString::to_string)
    }

    fn recall_key(&self) -> Option<String> {
        // neither a topic nor a dataset has a space in its name
        let after = self.after.as_ref().map(ToString::to_string).unwrap_or_default();
        Some(format!("{} {} {after}", self.limit, self.topic.as_ref().map_or("", TopicName::as_str)))
    }

    fn heap_bytes(&self, output: &Vec<DatasetRow>) -> usize {
        output.heap_bytes()
    }

    async fn read(&self, tx: &mut Tx) -> Result<Vec<DatasetRow>, GuardianError> {
        let after = self.after.as_ref();
        let mut params = vec![
            after.map_or("", |after| after.topic.as_str()).into(),
            after.map_or("", |after| after.name.as_str()).into(),
            self.limit.into(),
        ];
        let of_topic = match &self.topic {
            Some(topic) => {
                params.push(topic.as_str().into());
                "and d.topic = $4"
            }
            None => "",
        };
        let sql = format!(
            "select {OWN}, {COLUMNS} from {FROM} where v.id = d.latest and (d.topic, d.name) > ($1, $2) {of_topic} \
             order by d.topic, d.name limit $3"
        );
        let mut rows = tx.all(&sql, &params).await?;
        Ok(rows.iter_mut().map(dataset).collect::<Result<_, _>>()?)
    }
}

/// One dataset.
pub(crate) struct GetDataset {
    pub(crate) name: DatasetRef,
}

impl Look for GetDataset {
    type Output = Option<DatasetRow>;
    const ACTION: &'static str = "dataset.get";

    fn object(&self) -> String {
        self.name.to_string()
    }

    fn recall_key(&self) -> Option<String> {
        Some(self.object())
    }

    fn heap_bytes(&self, output: &Option<DatasetRow>) -> usize {
        output.heap_bytes()
    }

    async fn read(&self, tx: &mut Tx) -> Result<Option<DatasetRow>, GuardianError> {
        let sql = format!("select {OWN}, {COLUMNS} from {FROM} where v.id = d.latest and d.topic = $1 and d.name = $2");
        let row = tx.first(&sql, &[self.name.topic.as_str().into(), self.name.name.as_str().into()]).await?;
        Ok(row.map(|mut row| dataset(&mut row)).transpose()?)
    }
}
