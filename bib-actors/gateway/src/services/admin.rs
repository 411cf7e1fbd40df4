//! The audit log and the end of the node.

use super::{answer, pages};
use crate::access::Caller;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_audit::{AuditError, AuditRecord, ListFilter};
use bib_proto::v1::admin_service_server::AdminService;
use bib_proto::v1::{
    self, ListAuditRequest, ListAuditResponse, ShutdownRequest, ShutdownResponse, VerifyAuditRequest,
    VerifyAuditResponse,
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The position of the log's first record.
const FIRST: u64 = 1;

/// The admin service.
pub(crate) struct Admin(pub(crate) Arc<Shared>);

#[tonic::async_trait]
impl AdminService for Admin {
    async fn verify_audit(
        &self,
        request: Request<VerifyAuditRequest>,
    ) -> Result<Response<VerifyAuditResponse>, Status> {
        answer(request, |caller, _| async move { self.verify(&caller).await }).await
    }

    async fn list_audit(&self, request: Request<ListAuditRequest>) -> Result<Response<ListAuditResponse>, Status> {
        answer(request, |caller, asked| async move { self.list(&caller, asked).await }).await
    }

    async fn shutdown(&self, request: Request<ShutdownRequest>) -> Result<Response<ShutdownResponse>, Status> {
        answer(request, |caller, _| async move { self.stop(&caller).await }).await
    }
}

impl Admin {
    async fn verify(&self, caller: &Caller) -> Result<VerifyAuditResponse, Problem> {
        let record = self.0.journal.reads(&caller.op(), "audit.verify", "audit log").await;
        let outcome = async {
            let verdict = self.0.deps.audit.verify().await?;
            // the log is what is verified; the table is an index of it, and may be away
            let index = self.0.deps.guardian.audit_index_status().await;
            Ok(VerifyAuditResponse {
                ok: verdict.ok,
                records: verdict.records,
                head: hex::encode(verdict.head.hash),
                problem: verdict.problem.unwrap_or_default(),
                first_bad_seq: verdict.first_bad_seq.unwrap_or_default(),
                elapsed_us: u64::try_from(verdict.elapsed.as_micros()).unwrap_or(u64::MAX),
                witnesses: verdict.witnesses,
                index_ok: index.as_ref().is_ok_and(|index| index.ok),
                index_problem: index.err().map(|error| error.to_string()).unwrap_or_default(),
            })
        };
        match outcome.await {
            Ok(verdict) => {
                record.done(Some(verdict.records)).await;
                Ok(verdict)
            }
            Err(problem) => {
                record.ended(&problem).await;
                Err(problem)
            }
        }
    }

    async fn list(&self, caller: &Caller, asked: ListAuditRequest) -> Result<ListAuditResponse, Problem> {
        let limit = pages::size(&self.0.options.calls, asked.page_size);
        let record = self.0.journal.reads(&caller.op(), "audit.list", "audit log").await;
        let filter = ListFilter {
            before_seq: (asked.before_seq > 0).then_some(asked.before_seq),
            limit: limit as usize,
            action_prefix: (!asked.action.is_empty()).then_some(asked.action),
            actor: (!asked.actor.is_empty()).then_some(asked.actor),
        };
        match self.page(filter).await {
            Ok((records, next_before)) => {
                record.done(Some(records.len() as u64)).await;
                Ok(ListAuditResponse { records: records.iter().map(record_of).collect(), next_before })
            }
            Err(error) => {
                let problem = Problem::from(error);
                record.ended(&problem).await;
                Err(problem)
            }
        }
    }

    /// A page of records, and the position before which the next one begins; 0 at the end.
    async fn page(&self, filter: ListFilter) -> Result<(Vec<AuditRecord>, u64), AuditError> {
        let mut records = self.0.deps.audit.list(filter.clone()).await?;
        let Some(last) = records.last().map(|record| record.seq) else { return Ok((records, 0)) };
        let missing = filter.limit.saturating_sub(records.len());
        let all = filter.action_prefix.is_none() && filter.actor.is_none();
        if missing == 0 || all || last <= FIRST {
            let next = if missing == 0 && last > FIRST { last } else { 0 };
            return Ok((records, next));
        }
        // either the log ends here or the search did: who looks on knows
        match self.0.deps.audit.list(ListFilter { before_seq: Some(last), limit: missing, ..filter }).await {
            Ok(more) => {
                let next = more.last().map_or(0, |record| record.seq);
                records.extend(more);
                Ok((records, if next > FIRST { next } else { 0 }))
            }
            Err(AuditError::NothingFound { next, .. }) => Ok((records, next)),
            Err(error) => Err(error),
        }
    }

    /// Answers first: the stop waits for calls under way, this one among them.
    async fn stop(&self, caller: &Caller) -> Result<ShutdownResponse, Problem> {
        let record = self.0.journal.changes(&caller.op(), "node.shutdown", self.0.options.node_id.as_str()).await?;
        record.done_durably().await?;
        tracing::info!(who = %caller.op().who, "the node is asked to stop");
        (self.0.deps.shutdown)();
        Ok(ShutdownResponse {})
    }
}

fn record_of(record: &AuditRecord) -> v1::AuditRecord {
    v1::AuditRecord {
        seq: record.seq,
        time_ns: i64::try_from(record.unix_ns).unwrap_or(i64::MAX),
        actor: record.actor.clone(),
        role: record.role.clone(),
        action: record.action.clone(),
        object: record.object.clone(),
        rows: record.rows.map_or(-1, |rows| i64::try_from(rows).unwrap_or(i64::MAX)),
        duration_us: record.duration_us,
        component: record.component.clone(),
        outcome: record.outcome.as_str().to_owned(),
        operation_id: record.op_id.to_string(),
        entry_hash: hex::encode(record.leaf_hash),
        prev_hash: hex::encode(record.prev_hash),
        fingerprint: record.fingerprint.clone().unwrap_or_default(),
        metadata: record.metadata.iter().cloned().collect(),
    }
}
