//! Takes messages and hands the work to the shared runtime: nothing here waits for a database.

use crate::actor::Guardian;
use crate::audited::{Change, Look, draft, record_read};
use crate::core::Core;
use crate::database::{DbRole, Footprint};
use crate::error::GuardianError;
use crate::ledger::Ledger;
use crate::messages::{AskIndexStatus, AskManifest, AskStorage, Do, RebuildIndex, See};
use crate::ops::versions::KnowsManifest;
use crate::rows::{AuditIndexStatus, StorageInfo};
use bib_audit::Outcome;
use bib_chunks::SignedManifest;
use bib_domain::{Need, OpContext, VersionId};
use bib_kit::{Cx, Handles, Reply, clock};
use std::future::Future;
use std::sync::Arc;

impl Guardian {
    /// Runs work as a task of this incarnation. It goes on when the asker has given up, and ends with the incarnation.
    fn work<T, F>(&self, name: &'static str, work: impl FnOnce(Arc<Core>) -> F) -> Reply<Result<T, GuardianError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, GuardianError>> + Send + 'static,
    {
        let (promise, reply) = Reply::promise();
        let future = work(Arc::clone(&self.core));
        let started = self.work.spawn(name, async move {
            // false: the asker has given up; what was done is found by a retry
            let _ = promise.keep(future.await);
        });
        match started {
            Ok(()) => reply,
            Err(full) => Reply::now(Err(GuardianError::Unavailable { reason: full.to_string() })),
        }
    }
}

impl<C: Change> Handles<Do<C>> for Guardian {
    fn handle(&mut self, Do(change): Do<C>, _cx: &mut Cx<'_, Self>) -> Reply<Result<C::Output, GuardianError>> {
        self.work(C::ACTION, |core| async move { core.change(change).await })
    }
}

impl<L: Look> Handles<See<L>> for Guardian {
    fn handle(&mut self, see: See<L>, _cx: &mut Cx<'_, Self>) -> Reply<Result<L::Output, GuardianError>> {
        self.work(L::ACTION, |core| async move { core.look(&see.cx, see.look).await })
    }
}

impl Handles<AskStorage> for Guardian {
    fn handle(&mut self, _ask: AskStorage, _cx: &mut Cx<'_, Self>) -> Reply<StorageInfo> {
        Reply::now(self.core.database.info().clone())
    }
}

impl Handles<AskManifest> for Guardian {
    fn handle(
        &mut self,
        AskManifest { cx, id }: AskManifest,
        _cx: &mut Cx<'_, Self>,
    ) -> Reply<Result<Option<Arc<SignedManifest>>, GuardianError>> {
        self.work(KnowsManifest::ACTION, move |core| async move {
            let generation = core.serving.answers.generation();
            // what is in memory or on the disk need not be in the catalogue, or not any more
            if !core.look(&cx, KnowsManifest { id }).await? {
                return Ok(None);
            }
            let manifest = core.manifests.get(id).await?;
            core.serving.answers.put_manifest(generation, &manifest);
            Ok(Some(manifest))
        })
    }
}

/// Records that a manifest was given out of memory.
pub(crate) async fn record_manifest(ledger: &dyn Ledger, cx: &OpContext, id: VersionId) {
    let Footprint { fingerprint, rows } = KnowsManifest::footprint();
    let read = draft(cx, KnowsManifest::ACTION, id.to_string(), KnowsManifest::ROLE, Outcome::Ok);
    record_read(ledger, read.rows(*rows).fingerprint(fingerprint.clone())).await;
}

impl Handles<AskIndexStatus> for Guardian {
    fn handle(
        &mut self,
        AskIndexStatus { cx }: AskIndexStatus,
        _cx: &mut Cx<'_, Self>,
    ) -> Reply<Result<AuditIndexStatus, GuardianError>> {
        self.work("audit.index.status", move |core| async move {
            let status = core.index.status(&core).await?;
            let read = draft(&cx, "audit.index.status", "audit_log".to_owned(), DbRole::Audit, Outcome::Ok);
            record_read(&*core.ledger, read.rows(1)).await;
            Ok(status)
        })
    }
}

impl Handles<RebuildIndex> for Guardian {
    fn handle(
        &mut self,
        RebuildIndex { cx }: RebuildIndex,
        _cx: &mut Cx<'_, Self>,
    ) -> Reply<Result<u64, GuardianError>> {
        self.work("audit.index.rebuild", move |core| async move { rebuild(&core, &cx).await })
    }
}

/// The table cannot be emptied and filled in one transaction with anything else; its records are the same as of any
/// change.
async fn rebuild(core: &Core, cx: &OpContext) -> Result<u64, GuardianError> {
    let begun = clock::monotonic();
    let draft = |outcome| draft(cx, "audit.index.rebuild", "audit_log".to_owned(), DbRole::Audit, outcome);
    let unavailable = |error: bib_audit::AuditError| GuardianError::AuditUnavailable { reason: error.to_string() };
    core.space.admit(Need::Room)?;
    core.ledger.append(draft(Outcome::Intent)).await.map_err(unavailable)?;
    let done = core.index.rebuild(core).await;
    let record = match &done {
        Ok(rows) => draft(Outcome::Ok).rows(*rows),
        Err(error) => draft(Outcome::Failed).metadata("reason", error.to_string()),
    };
    core.ledger.append(record.duration(clock::since(begun))).await.map_err(unavailable)?;
    done
}
