//! Publication of a version, and the moment at which its last chunk is here.

use super::to_i64;
use super::topics::{POSITION, next_position};
use super::versions::by_id;
use crate::audited::{Change, Look, Stamp};
use crate::core::Core;
use crate::database::{DbRole, Tx};
use crate::error::GuardianError;
use crate::events::VersionPublished;
use crate::process::on;
use crate::rows::{Published, VersionRow, VersionState};
use bib_chunks::{EntryKind, Hold, Manifest, SignedManifest};
use bib_domain::{DatasetRef, Need, OpContext, RequestId, VersionId};
use std::sync::{Arc, OnceLock};
use tokio::sync::OwnedRwLockReadGuard;

/// How far beyond the highest number of its dataset the number of another node's version may be.
const NUMBER_STEP: u64 = 1_000_000_000;

/// The totals of a manifest, as the catalogue keeps them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    files: u64,
    bytes: u64,
    rows: u64,
}

impl Totals {
    fn of(manifest: &Manifest) -> Self {
        let mut totals = Self::default();
        for entry in &manifest.entries {
            if let EntryKind::File { size, schema, .. } = &entry.kind {
                totals.files += 1;
                totals.bytes = totals.bytes.saturating_add(*size);
                let rows = schema.as_ref().and_then(|schema| schema.rows).unwrap_or(0);
                totals.rows = totals.rows.saturating_add(rows);
            }
        }
        totals
    }
}

/// Stores a signed version.
pub(crate) struct Publish {
    pub(crate) cx: OpContext,
    pub(crate) manifest: Arc<SignedManifest>,
    pub(crate) dataset: DatasetRef,
    pub(crate) state: VersionState,
    pub(crate) local: bool,
    /// Keeps the manifest and the chunks from a sweep until this is committed.
    hold: OnceLock<(OwnedRwLockReadGuard<()>, Hold)>,
}

impl Publish {
    /// Reads the dataset's name out of the manifest.
    pub(crate) fn new(
        cx: OpContext,
        manifest: Arc<SignedManifest>,
        state: VersionState,
        own_key: &[u8; 32],
    ) -> Result<Self, GuardianError> {
        let dataset = manifest
            .manifest()
            .dataset
            .parse()
            .map_err(|error: bib_domain::NameError| GuardianError::BadManifest { reason: error.to_string() })?;
        manifest.manifest().check_new().map_err(|error| GuardianError::BadManifest { reason: error.to_string() })?;
        let local = manifest.publisher() == own_key;
        Ok(Self { cx, manifest, dataset, state, local, hold: OnceLock::new() })
    }

    /// Finds or makes the dataset's row and locks it until the transaction ends. Its id, and the highest number of a version.
    async fn dataset(&self, tx: &mut Tx, stamp: Stamp) -> Result<(i64, u64), GuardianError> {
        let topic = self.dataset.topic.as_str();
        if tx.first("select 1 from topics where name = $1", &[topic.into()]).await?.is_none() {
            return Err(GuardianError::TopicNotFound { name: self.dataset.topic.clone() });
        }
        let mut row = tx
            .one(
                "insert into datasets (topic, name, latest_bytes, versions, highest_number, created_ms, updated_ms) \
                 values ($1, $2, 0, 0, 0, $3, $3) \
                 on conflict (topic, name) do update set updated_ms = excluded.updated_ms returning id, highest_number",
                &[topic.into(), self.dataset.name.as_str().into(), stamp.now_ms.into()],
            )
            .await?;
        Ok((row.int()?, row.count()?))
    }

    /// Numbers of later versions go on from the highest one: a peer that names one far beyond would use them up.
    fn refuse_far_number(&self, highest: u64) -> Result<(), GuardianError> {
        let number = self.manifest.manifest().number;
        if self.local || number <= highest.saturating_add(NUMBER_STEP) {
            return Ok(());
        }
        Err(GuardianError::NumberFar { dataset: self.dataset.clone(), number, highest })
    }

    async fn insert(&self, tx: &mut Tx, dataset: i64, stamp: Stamp) -> Result<(), GuardianError> {
        let manifest = self.manifest.manifest();
        let totals = Totals::of(manifest);
        let parents: Vec<u8> = manifest.parents.iter().flat_map(|id| *id.as_bytes()).collect();
        let position = if self.state.complete {
            next_position(tx).await?;
            POSITION
        } else {
            "null"
        };
        let intent = stamp.audit_seq.ok_or(GuardianError::OutOfRange { what: "the audit record's position" })?;
        let sql = format!(
            "insert into dataset_versions (id, dataset, number, message, publisher, created_ms, parents, files, bytes, \
             chunks, row_count, complete, completed_ms, position, audit_seq, stored_ms) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, {position}, $14, $15)"
        );
        tx.later(
            sql,
            vec![
                (&self.manifest.id()).into(),
                dataset.into(),
                to_i64(manifest.number, "the version's number")?.into(),
                manifest.message.as_str().into(),
                (&manifest.publisher).into(),
                manifest.created_ms.into(),
                parents.as_slice().into(),
                to_i64(totals.files, "the number of files")?.into(),
                to_i64(totals.bytes, "the number of bytes")?.into(),
                to_i64(manifest.chunks.len() as u64, "the number of chunks")?.into(),
                to_i64(totals.rows, "the number of rows")?.into(),
                self.state.complete.into(),
                (if self.state.complete { stamp.now_ms } else { 0 }).into(),
                to_i64(intent, "the audit record's position")?.into(),
                stamp.now_ms.into(),
            ],
        )
        .await?;
        tx.later(
            "insert into manifests (version, signature, bytes) values ($1, $2, $3)",
            vec![
                (&self.manifest.id()).into(),
                self.manifest.signature().into(),
                to_i64(self.manifest.bytes().len() as u64, "the size of the manifest")?.into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// Two versions of one number by this node: an upload was overtaken by another one.
    async fn refuse_taken_number(&self, tx: &mut Tx, dataset: i64) -> Result<(), GuardianError> {
        let manifest = self.manifest.manifest();
        let number = manifest.number;
        let taken = tx
            .first(
                // what may be asked of `complete` lets the index find the number
                "select 1 from dataset_versions where dataset = $1 and complete in (true, false) and number = $2 \
                 and publisher = $3",
                &[dataset.into(), to_i64(number, "the version's number")?.into(), (&manifest.publisher).into()],
            )
            .await?;
        match taken {
            Some(_) if self.local => Err(GuardianError::NumberTaken { dataset: self.dataset.clone(), number }),
            _ => Ok(()),
        }
    }
}

/// The highest number of a dataset's versions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Highest {
    /// At least this one.
    AtLeast(i64),
    /// That of the versions which are left.
    Recounted,
}

/// Chooses a dataset's latest version anew, after one came, became whole or went.
pub(crate) async fn refresh_latest(
    tx: &mut Tx,
    dataset: i64,
    added: i64,
    highest: Highest,
    now_ms: i64,
) -> Result<(), GuardianError> {
    // to look through all numbers would take the longer the more versions there are
    let (expression, number) = match highest {
        Highest::AtLeast(number) => ("case when highest_number < $4 then $4 else highest_number end", number),
        Highest::Recounted => ("(select coalesce(max(v.number), $4) from dataset_versions v where v.dataset = $1)", 0),
    };
    let sql = format!(
        "update datasets set updated_ms = $3, versions = versions + $2, highest_number = {expression}, \
         latest = (select v.id from dataset_versions v where v.dataset = $1 \
             order by v.complete desc, v.number desc, v.created_ms desc, v.id desc limit 1), \
         latest_bytes = (select v.bytes from dataset_versions v where v.dataset = $1 \
             order by v.complete desc, v.number desc, v.created_ms desc, v.id desc limit 1) \
         where id = $1"
    );
    tx.later(sql, vec![dataset.into(), added.into(), now_ms.into(), number.into()]).await?;
    Ok(())
}

/// Marks a version whole, unless it is. Locks the dataset before it draws a position, as a publication does.
async fn complete(tx: &mut Tx, id: &VersionId, now_ms: i64) -> Result<(), GuardianError> {
    let dataset = tx
        .first(
            "update datasets set updated_ms = $2 where id = (select v.dataset from dataset_versions v where v.id = $1) \
             returning id",
            &[id.into(), now_ms.into()],
        )
        .await?;
    let Some(mut dataset) = dataset else { return Ok(()) };
    let dataset = dataset.int()?;
    let missing = tx.first("select 1 from dataset_versions where id = $1 and not complete", &[id.into()]).await?;
    if missing.is_none() {
        return Ok(());
    }
    next_position(tx).await?;
    let sql =
        format!("update dataset_versions set complete = $3, completed_ms = $2, position = {POSITION} where id = $1");
    tx.later(sql, vec![id.into(), now_ms.into(), true.into()]).await?;
    refresh_latest(tx, dataset, 0, Highest::AtLeast(0), now_ms).await
}

const CREATED: &str = "created";
const KNOWN: &str = "known";

impl Change for Publish {
    type Output = Published;
    const ACTION: &'static str = "dataset.publish";
    const ROLE: DbRole = DbRole::Transform;
    const REMEMBER: bool = true;
    const PREPARES: bool = true;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        format!("{}@{}", self.dataset, self.manifest.id())
    }

    /// A retry may have signed the same content at another time: it is recognized by the dataset.
    fn subject(&self) -> String {
        self.dataset.to_string()
    }

    async fn prepare(&self, core: &Core) -> Result<(), GuardianError> {
        let publishing = core.manifests.publishing().await;
        // held first, looked for after: whoever sent this may have let go of the chunks
        let (store, manifest) = (core.chunks.clone(), Arc::clone(&self.manifest));
        let whole = self.state.complete;
        let (hold, missing) = on(&core.pool, move || {
            let hold = store.hold(&manifest.manifest().chunks);
            let missing = if whole { store.missing(&manifest)?.len() } else { 0 };
            Ok((hold, missing))
        })
        .await?;
        // it is prepared once
        let _ = self.hold.set((publishing, hold));
        if missing > 0 {
            return Err(GuardianError::ChunksGone { missing });
        }
        core.manifests.put(Arc::clone(&self.manifest)).await
    }

    async fn apply(&self, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        let id = self.manifest.id();
        let (dataset, highest) = self.dataset(tx, stamp).await?;
        let note = if by_id(tx, &id).await?.is_some() {
            if self.state.complete {
                complete(tx, &id, stamp.now_ms).await?;
            }
            KNOWN
        } else {
            self.refuse_far_number(highest)?;
            self.refuse_taken_number(tx, dataset).await?;
            self.insert(tx, dataset, stamp).await?;
            let number = to_i64(self.manifest.manifest().number, "the version's number")?;
            refresh_latest(tx, dataset, 1, Highest::AtLeast(number), stamp.now_ms).await?;
            CREATED
        };
        Ok(format!("{note} {}", id.to_hex()))
    }

    async fn answer(&self, tx: &mut Tx, note: &str) -> Result<Published, GuardianError> {
        let (word, id) = note.split_once(' ').unwrap_or((KNOWN, note));
        let id = id.parse().unwrap_or_else(|_| self.manifest.id());
        let version = by_id(tx, &id).await?.ok_or(GuardianError::NoSuchVersion { id })?;
        Ok(Published { audit_seq: version.audit_seq, created: word == CREATED, version })
    }

    fn done_before(&self, output: &Published) -> Option<String> {
        let id = output.version.id;
        (id != self.manifest.id()).then(|| format!("{}@{id}", self.dataset))
    }

    fn announce(&self, core: &Core, output: &Published) {
        announce(core, &output.version);
    }
}

/// Whether a request has published a version of a dataset, whatever was heard of it.
pub(crate) struct HasPublished {
    pub(crate) request: RequestId,
    pub(crate) dataset: DatasetRef,
}

impl Look for HasPublished {
    type Output = bool;
    const ACTION: &'static str = "dataset.published";
    const ROLE: DbRole = Publish::ROLE;

    fn object(&self) -> String {
        self.dataset.to_string()
    }

    async fn read(&self, tx: &mut Tx) -> Result<bool, GuardianError> {
        let sql = "select 1 from requests where request_id = $1 and action = $2 and object = $3";
        let request = [self.request.as_bytes().into(), Publish::ACTION.into(), self.dataset.to_string().into()];
        Ok(tx.first(sql, &request).await?.is_some())
    }
}

fn announce(core: &Core, version: &VersionRow) {
    core.events.versions.publish(VersionPublished {
        dataset: version.dataset.clone(),
        version: version.id,
        local: version.publisher == core.options.publisher_key,
        complete: version.complete,
    });
}

/// Says that every chunk of a version is durable here.
pub(crate) struct MarkComplete {
    pub(crate) cx: OpContext,
    pub(crate) id: VersionId,
}

impl Change for MarkComplete {
    type Output = VersionRow;
    const ACTION: &'static str = "dataset.complete";
    const ROLE: DbRole = DbRole::Transform;
    const NEED: Need = Need::Housekeeping;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        self.id.to_string()
    }

    async fn apply(&self, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        complete(tx, &self.id, stamp.now_ms).await?;
        Ok(String::new())
    }

    async fn answer(&self, tx: &mut Tx, _note: &str) -> Result<VersionRow, GuardianError> {
        by_id(tx, &self.id).await?.ok_or(GuardianError::NoSuchVersion { id: self.id })
    }

    fn announce(&self, core: &Core, output: &VersionRow) {
        announce(core, output);
    }
}
