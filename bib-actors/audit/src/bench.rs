//! How fast the log is, for the bench harness: durable appends from many callers, then a verification.
//!
//! Measures and judges nothing.

use crate::{AuditChain, AuditDraft, AuditError, AuditHandle, AuditOptions};
use bib_domain::{OpContext, RequestId};
use bib_kit::probe::Guard;
use bib_kit::{Placement, Topic, clock};
use futures::future::try_join_all;
use std::time::Duration;

/// What is to be measured.
#[derive(Debug, Clone, Copy)]
pub struct BenchPlan {
    /// Records in all.
    pub records: u64,
    /// Callers at the same time, each waiting for its answer.
    pub callers: u64,
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct BenchReport {
    /// Durable records a second.
    pub appends_per_s: f64,
    /// The time from request to answer, of half of the records at most.
    pub append_p50: Duration,
    /// The same, of 99 in 100.
    pub append_p99: Duration,
    /// Records verified a second, on one core.
    pub verified_per_s: f64,
}

/// Writes and verifies a log of its own in the directory that `options` name.
///
/// # Errors
/// If the log cannot be written or read, or does not verify.
pub fn run(options: AuditOptions, plan: BenchPlan) -> Result<BenchReport, AuditError> {
    let options = AuditOptions { placement: Placement::Current, ..options };
    bib_kit::probe::run(async move {
        let chain = AuditChain::new(options, Topic::new(64));
        let audit = chain.handle();
        let mut guard = Guard::new(chain.child());
        if let Err(report) = guard.start().await {
            return Err(AuditError::Reader { reason: report.exit.to_string() });
        }
        let begun = clock::monotonic();
        let each = plan.records / plan.callers.max(1);
        let mut times = try_join_all((0..plan.callers).map(|caller| append(&audit, caller, each))).await?.concat();
        let elapsed = clock::since(begun);
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
        let verdict = audit.verify().await?;
        guard.stop().await;
        if let Some(problem) = verdict.problem {
            return Err(AuditError::Reader { reason: problem });
        }
        Ok(BenchReport {
            appends_per_s: rate(times.len(), elapsed),
            append_p50: at(50),
            append_p99: at(99),
            verified_per_s: rate(usize::try_from(verdict.records).unwrap_or(usize::MAX), verdict.elapsed),
        })
    })
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(f64::EPSILON)
}

async fn append(audit: &AuditHandle, caller: u64, records: u64) -> Result<Vec<Duration>, AuditError> {
    let op = OpContext::node(RequestId::from_bytes([caller.to_be_bytes()[7]; 16]), "bench");
    let mut times = Vec::new();
    for number in 0..records {
        let draft = AuditDraft::from_op(&op, "dataset.get", format!("flights/{caller}-{number}"))
            .role("bibd_query")
            .rows(number)
            .duration(Duration::from_micros(180))
            .fingerprint("select * from dataset_versions where dataset = $1 order by number desc limit $2")
            .param("dataset", "flights/2013");
        let begun = clock::monotonic();
        audit.append(draft).await?;
        times.push(clock::since(begun));
    }
    Ok(times)
}
