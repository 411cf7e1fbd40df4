//! Removal of manifests that the catalogue does not name, and of chunks that no version names, such as those of an upload
//! that was refused or broke off.
//!
//! When and how often is decided here; why nothing is removed that somebody needs stands in [`bib_chunks::sweep`]. This
//! side keeps two of its rules: a publication holds its chunks until it is committed (`ops/publish.rs`), and every
//! version of the catalogue, whole or not, is read after the candidates were collected. A manifest is removed while nobody
//! publishes, if the catalogue does not name it then. And nothing is removed where the catalogue may be another one than
//! that of the files, or an older one ([`crate::continuity`]).

use crate::continuity::is_believed;
use crate::core::Core;
use crate::database::{Access, DbRole, Tx};
use crate::error::GuardianError;
use crate::process::on;
use bib_audit::{AuditDraft, Outcome};
use bib_chunks::{Sweep, SweepReport};
use bib_domain::{OpContext, SpaceState, VersionId};
use bib_kit::clock;
use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;

/// Versions that are asked for at once.
const PAGE: u32 = 500;
const CHUNKS: Removal = Removal { action: "chunk.sweep", object: "chunks that no version names" };
const MANIFESTS: Removal = Removal { action: "manifest.sweep", object: "manifests that the catalogue does not name" };

/// How a removal is recorded.
struct Removal {
    action: &'static str,
    object: &'static str,
}

/// Sweeps at the start, then once a period, and when the disk runs full.
pub(crate) async fn sweep_orphans(core: Arc<Core>) {
    loop {
        match sweep(&core).await {
            Ok(SweepReport { chunks: 0, .. }) => {}
            Ok(SweepReport { chunks, bytes }) => tracing::info!(chunks, bytes, "removed chunks that no version names"),
            Err(error) => {
                tracing::warn!(%error, "chunks that no version names were not removed; it is tried again later")
            }
        }
        let full = async {
            core.space.wait(|state| state == SpaceState::Open).await;
            core.space.wait(|state| state != SpaceState::Open).await;
        };
        // whichever comes first
        let _ = tokio::time::timeout(core.options.orphans.period, full).await;
    }
}

async fn sweep(core: &Core) -> Result<SweepReport, GuardianError> {
    let options = &core.options.orphans;
    let grace = i64::try_from(options.grace.as_millis()).unwrap_or(i64::MAX);
    let before = clock::unix_ms().saturating_sub(grace);
    let mut total = SweepReport::default();
    if !is_believed(core).await? {
        return Ok(total);
    }
    remove_manifests(core, before).await?;
    // one that an earlier incarnation began is about to end
    let Some(mut sweep) = core.chunks.sweep(before, options.candidates) else { return Ok(total) };
    // a call that is under way ends soon when nobody waits for it any more
    let _owner = sweep.owner();
    loop {
        let (back, count) = on(&core.pool, move || {
            let count = sweep.collect()?;
            Ok((sweep, count))
        })
        .await?;
        if count == 0 {
            return Ok(total);
        }
        sweep = keep_named(core, back).await?;
        if sweep.left() > 0 {
            let (back, report) = remove(core, sweep).await?;
            sweep = back;
            total.chunks += report.chunks;
            total.bytes += report.bytes;
        }
    }
}

/// Strikes what any version names. A manifest that cannot be read ends the sweep: what it names is not known.
async fn keep_named(core: &Core, sweep: Sweep) -> Result<Sweep, GuardianError> {
    let mut after = VersionId::from_bytes([0; 32]);
    loop {
        let page = versions_after(core, &after).await?;
        let Some(last) = page.last().copied() else { return Ok(sweep) };
        after = last;
        for id in page {
            let manifest = core.manifests.read(id).await?;
            sweep.keep(&manifest.manifest().chunks);
        }
    }
}

async fn versions_after(core: &Core, after: &VersionId) -> Result<Vec<VersionId>, GuardianError> {
    let mut tx = Tx::new(core.database.begin(DbRole::Query, Access::Read).await?);
    let rows = tx
        .all("select v.id from dataset_versions v where v.id > $1 order by v.id limit $2", &[after.into(), PAGE.into()])
        .await?;
    tx.commit().await?;
    Ok(rows
        .into_iter()
        .map(|mut row| row.bytes32().map(VersionId::from_bytes))
        .collect::<Result<_, crate::database::DbError>>()?)
}

/// Removes manifests that the catalogue does not name.
async fn remove_manifests(core: &Core, before_ms: i64) -> Result<(), GuardianError> {
    for first in 0..=u8::MAX {
        let old = core.manifests.older(first, before_ms).await?;
        let unnamed = unnamed(core, first, old).await?;
        if unnamed.is_empty() {
            continue;
        }
        // whoever published one meanwhile has ended
        let Some(_alone) = core.manifests.alone().await else { continue };
        let unnamed = self::unnamed(core, first, unnamed).await?;
        if unnamed.is_empty() {
            continue;
        }
        let removed = recorded(core, &MANIFESTS, async {
            for id in &unnamed {
                core.manifests.remove(*id).await?;
            }
            Ok(((), SweepReport { chunks: unnamed.len() as u64, bytes: 0 }))
        });
        let (_, report) = removed.await?;
        tracing::info!(manifests = report.chunks, "removed manifests that the catalogue does not name");
    }
    Ok(())
}

/// Removes a manifest, if nobody publishes and the catalogue does not name it. One that stays is looked at again by the next
/// sweep.
pub(crate) async fn remove_unnamed(core: &Core, id: VersionId) -> Result<(), GuardianError> {
    let Some(_alone) = core.manifests.alone().await else { return Ok(()) };
    for id in unnamed(core, id.as_bytes()[0], vec![id]).await? {
        core.manifests.remove(id).await?;
    }
    Ok(())
}

/// Those that the catalogue does not name, of ids that begin with `first`.
async fn unnamed(core: &Core, first: u8, mut ids: Vec<VersionId>) -> Result<Vec<VersionId>, GuardianError> {
    let mut after = VersionId::from_bytes(first.checked_sub(1).map_or([0; 32], |before| {
        let mut last = [0xff; 32];
        last[0] = before;
        last
    }));
    while !ids.is_empty() {
        let page = versions_after(core, &after).await?;
        let named: HashSet<VersionId> = page.iter().copied().collect();
        ids.retain(|id| !named.contains(id));
        match page.last() {
            Some(last) if last.as_bytes()[0] == first => after = *last,
            _ => break,
        }
    }
    Ok(ids)
}

/// Removes what is left of the candidates.
async fn remove(core: &Core, mut sweep: Sweep) -> Result<(Sweep, SweepReport), GuardianError> {
    let work = on(&core.pool, move || {
        let report = sweep.remove()?;
        Ok((sweep, report))
    });
    recorded(core, &CHUNKS, work).await
}

/// Does it as every change: recorded before and after.
async fn recorded<T>(
    core: &Core,
    removal: &Removal,
    work: impl Future<Output = Result<(T, SweepReport), GuardianError>>,
) -> Result<(T, SweepReport), GuardianError> {
    let begun = clock::monotonic();
    let cx = OpContext::node(clock::new_request_id(), crate::NAME);
    let draft = |outcome| AuditDraft::from_op(&cx, removal.action, removal.object).outcome(outcome);
    let unavailable = |error: bib_audit::AuditError| GuardianError::AuditUnavailable { reason: error.to_string() };
    core.ledger.append(draft(Outcome::Intent)).await.map_err(unavailable)?;
    let done = work.await;
    let record = match &done {
        Ok((_, report)) => draft(Outcome::Ok).rows(report.chunks).metadata("bytes", report.bytes.to_string()),
        Err(error) => draft(Outcome::Failed).metadata("reason", error.to_string()),
    };
    core.ledger.append(record.duration(clock::since(begun))).await.map_err(unavailable)?;
    done
}
