//! Versions of a dataset: listing, finding one, and the ones that are not whole yet.

use crate::audited::Look;
use crate::database::{DbError, Footprint, Row, Statement, Tx, Value, fingerprint_of};
use crate::error::GuardianError;
use crate::ops::to_i64;
use crate::recall::Weigh;
use crate::rows::VersionRow;
use bib_domain::{DatasetRef, VersionId};
use std::sync::LazyLock;

/// The columns of a version, from [`FROM`].
pub(crate) const COLUMNS: &str = "v.id, d.topic, d.name, v.number, v.message, v.publisher, v.created_ms, v.parents, \
    v.files, v.bytes, v.chunks, v.row_count, v.complete, v.completed_ms, coalesce(v.position, 0), \
    coalesce(m.bytes, 0), v.audit_seq";
/// The tables of a version.
pub(crate) const FROM: &str =
    "dataset_versions v join datasets d on d.id = v.dataset left join manifests m on m.version = v.id";

/// How many versions an ambiguous selector names in its error.
const AMBIGUOUS_SHOWN: u32 = 5;
/// An id prefix that is all digits is taken for a number, unless it has this many and no version has that number.
const PREFIX_MIN: usize = 4;

pub(crate) fn version(row: &mut Row) -> Result<VersionRow, DbError> {
    Ok(VersionRow {
        id: VersionId::from_bytes(row.bytes32()?),
        dataset: DatasetRef { topic: row.parsed()?, name: row.parsed()? },
        number: row.count()?,
        message: row.text()?,
        publisher: row.bytes32()?,
        created_ms: row.int()?,
        parents: row.bytes()?.chunks_exact(32).filter_map(|id| VersionId::from_slice(id).ok()).collect(),
        files: row.count()?,
        bytes: row.count()?,
        chunks: row.count()?,
        rows: row.count()?,
        complete: row.bool()?,
        completed_ms: row.int()?,
        position: row.count()?,
        manifest_bytes: row.count()?,
        audit_seq: row.count()?,
    })
}

/// A version by its id.
pub(crate) async fn by_id(tx: &mut Tx, id: &VersionId) -> Result<Option<VersionRow>, DbError> {
    let sql = format!("select {COLUMNS} from {FROM} where v.id = $1");
    tx.first(&sql, &[id.into()]).await?.map(|mut row| version(&mut row)).transpose()
}

fn collect(mut rows: Vec<Row>) -> Result<Vec<VersionRow>, DbError> {
    rows.iter_mut().map(version).collect()
}

fn names(dataset: &DatasetRef) -> [Value; 2] {
    [dataset.topic.as_str().into(), dataset.name.as_str().into()]
}

/// The versions of a dataset, latest first.
pub(crate) struct Versions {
    pub(crate) dataset: DatasetRef,
    /// Number, time and id of the version after which the page begins.
    pub(crate) after: Option<(u64, i64, VersionId)>,
    pub(crate) limit: u32,
}

impl Look for Versions {
    type Output = Vec<VersionRow>;
    const ACTION: &'static str = "dataset.versions";

    fn object(&self) -> String {
        self.dataset.to_string()
    }

    fn recall_key(&self) -> Option<String> {
        let after = self.after.map(|(number, created_ms, id)| format!(" {number} {created_ms} {}", id.to_hex()));
        Some(format!("{} {}{}", self.limit, self.dataset, after.unwrap_or_default()))
    }

    fn heap_bytes(&self, output: &Vec<VersionRow>) -> usize {
        output.heap_bytes()
    }

    async fn read(&self, tx: &mut Tx) -> Result<Vec<VersionRow>, GuardianError> {
        let [topic, name] = names(&self.dataset);
        let mut params = vec![topic, name, self.limit.into()];
        let later = match &self.after {
            Some((number, created_ms, id)) => {
                params.extend([to_i64(*number, "the version's number")?.into(), (*created_ms).into(), id.into()]);
                "and (v.number, v.created_ms, v.id) < ($4, $5, $6) "
            }
            None => "",
        };
        let sql = format!(
            "select {COLUMNS} from {FROM} where d.topic = $1 and d.name = $2 {later}\
             order by v.number desc, v.created_ms desc, v.id desc limit $3"
        );
        let found = collect(tx.all(&sql, &params).await?)?;
        if found.is_empty() && self.after.is_none() {
            return Err(GuardianError::DatasetNotFound { name: self.dataset.clone() });
        }
        Ok(found)
    }
}

/// What a selector asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// The latest that is whole, or the latest.
    Latest,
    /// By number, or else by a prefix that has only digits.
    Number(i64),
    /// By the beginning of the id: from the first to the last id that begins so.
    Prefix([u8; 32], [u8; 32]),
    /// Nothing can fit.
    Nonsense,
}

impl Selector {
    pub(crate) fn parse(text: &str) -> Self {
        if text.is_empty() {
            return Self::Latest;
        }
        match text.parse::<i64>() {
            Ok(number) if number > 0 && text.bytes().all(|c| c.is_ascii_digit()) => Self::Number(number),
            _ => Self::prefix(text),
        }
    }

    fn prefix(text: &str) -> Self {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let (mut low, mut high) = ([0_u8; 32], [0_u8; 32]);
        let padded = |with: &str| format!("{digits}{}", with.repeat(64_usize.saturating_sub(digits.len())));
        let fine = !digits.is_empty()
            && hex::decode_to_slice(padded("0"), &mut low).is_ok()
            && hex::decode_to_slice(padded("f"), &mut high).is_ok();
        if fine { Self::Prefix(low, high) } else { Self::Nonsense }
    }
}

/// One version of a dataset.
pub(crate) struct FindVersion {
    pub(crate) dataset: DatasetRef,
    pub(crate) selector: String,
}

impl FindVersion {
    async fn matching(&self, tx: &mut Tx, selector: Selector) -> Result<Vec<VersionRow>, DbError> {
        let [topic, name] = names(&self.dataset);
        let mut params = vec![topic, name];
        let condition = match selector {
            Selector::Latest => "v.id = d.latest",
            Selector::Number(number) => {
                params.push(number.into());
                "v.number = $3"
            }
            Selector::Prefix(low, high) => {
                params.extend([(&low).into(), (&high).into()]);
                "v.id >= $3 and v.id <= $4"
            }
            Selector::Nonsense => return Ok(Vec::new()),
        };
        let sql = format!(
            "select {COLUMNS} from {FROM} where d.topic = $1 and d.name = $2 and {condition} order by v.id limit {AMBIGUOUS_SHOWN}"
        );
        collect(tx.all(&sql, &params).await?)
    }
}

impl Look for FindVersion {
    type Output = VersionRow;
    const ACTION: &'static str = "dataset.version";

    fn object(&self) -> String {
        if self.selector.is_empty() { self.dataset.to_string() } else { format!("{}@{}", self.dataset, self.selector) }
    }

    fn recall_key(&self) -> Option<String> {
        Some(self.object())
    }

    fn heap_bytes(&self, output: &VersionRow) -> usize {
        output.heap_bytes()
    }

    async fn read(&self, tx: &mut Tx) -> Result<VersionRow, GuardianError> {
        let selector = Selector::parse(&self.selector);
        let by_number = matches!(selector, Selector::Number(_));
        let mut found = self.matching(tx, selector).await?;
        if found.is_empty() && by_number && self.selector.len() >= PREFIX_MIN {
            found = self.matching(tx, Selector::prefix(&self.selector)).await?;
        }
        if found.len() > 1 {
            let matches = found.iter().map(|version| version.id).collect();
            let (dataset, selector) = (self.dataset.clone(), self.selector.clone());
            return Err(GuardianError::Ambiguous { dataset, selector, matches });
        }
        if let Some(version) = found.pop() {
            return Ok(version);
        }
        let known =
            tx.first("select 1 from datasets d where d.topic = $1 and d.name = $2", &names(&self.dataset)).await?;
        let (dataset, selector) = (self.dataset.clone(), self.selector.clone());
        Err(match known {
            Some(_) => GuardianError::VersionNotFound { dataset, selector },
            None => GuardianError::DatasetNotFound { name: dataset },
        })
    }
}

/// Versions of which chunks are missing, oldest first.
pub(crate) struct IncompleteVersions {
    pub(crate) limit: u32,
}

impl Look for IncompleteVersions {
    type Output = Vec<VersionId>;
    const ACTION: &'static str = "dataset.incomplete";

    fn object(&self) -> String {
        "versions".to_owned()
    }

    async fn read(&self, tx: &mut Tx) -> Result<Vec<VersionId>, GuardianError> {
        let sql = "select v.id from dataset_versions v where not v.complete order by v.stored_ms, v.id limit $1";
        let mut rows = tx.all(sql, &[self.limit.into()]).await?;
        Ok(rows.iter_mut().map(|row| row.bytes32().map(VersionId::from_bytes)).collect::<Result<_, _>>()?)
    }
}

/// Whether the catalogue names a manifest.
pub(crate) struct KnowsManifest {
    pub(crate) id: VersionId,
}

const NAMES_MANIFEST: &str = "select 1 from manifests where version = $1";

impl KnowsManifest {
    /// What a look that found it did, for one whose answer was in memory.
    pub(crate) fn footprint() -> &'static Footprint {
        static FOUND: LazyLock<Footprint> = LazyLock::new(|| {
            let fingerprint = fingerprint_of(&[Statement::new(NAMES_MANIFEST, Vec::new())]);
            Footprint { fingerprint, rows: 1 }
        });
        &FOUND
    }
}

impl Look for KnowsManifest {
    type Output = bool;
    const ACTION: &'static str = "dataset.manifest";

    fn object(&self) -> String {
        self.id.to_string()
    }

    async fn read(&self, tx: &mut Tx) -> Result<bool, GuardianError> {
        Ok(tx.first(NAMES_MANIFEST, &[(&self.id).into()]).await?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_numbers_prefixes_or_nothing() {
        assert_eq!(Selector::parse(""), Selector::Latest);
        assert_eq!(Selector::parse("12"), Selector::Number(12));
        let Selector::Prefix(low, high) = Selector::parse("sha256:abc") else { panic!("a prefix was not seen") };
        assert_eq!((low[..2].to_vec(), high[..2].to_vec()), (vec![0xab, 0xc0], vec![0xab, 0xcf]));
        assert_eq!((low[31], high[31]), (0, 0xff));
        for text in ["0", "a"] {
            assert!(matches!(Selector::parse(text), Selector::Prefix(..)), "{text}");
        }
        for text in ["sha256:", "xyz", "-1", "+1", " 1", &"a".repeat(65), "é"] {
            assert_eq!(Selector::parse(text), Selector::Nonsense, "{text:?}");
        }
    }
}
