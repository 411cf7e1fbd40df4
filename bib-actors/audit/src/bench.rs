//! How fast the log is, for the bench harness: durable appends from many callers, then a verification.
//!
//! Measures and judges nothing.

use crate::{AuditChain, AuditDraft, AuditError, AuditHandle, AuditOptions};
use bib_domain::{OpContext, RequestId};
use bib_kit::probe::Guard;
use bib_kit::{Placement, Topic, clock};
use futures::future::try_join_all;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

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

/// A log of its own, open, on the caller's thread. Dropping it ends it.
pub struct BenchLog {
    audit: AuditHandle,
    guard: Guard,
    local: LocalSet,
    runtime: Runtime,
}

impl BenchLog {
    /// Opens a log in the directory that `options` name.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(options: AuditOptions) -> Result<Self, AuditError> {
        let failed = |reason: String| AuditError::Reader { reason };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| failed(error.to_string()))?;
        let chain = AuditChain::new(AuditOptions { placement: Placement::Current, ..options }, Topic::new(64));
        let (audit, local) = (chain.handle(), LocalSet::new());
        let guard = local.block_on(&runtime, async {
            let mut guard = Guard::new(chain.child());
            guard.start().await.map_err(|report| failed(report.exit.to_string()))?;
            Ok::<_, AuditError>(guard)
        })?;
        Ok(Self { audit, guard, local, runtime })
    }

    /// Has the records of a plan appended; how long each of them took, the shortest first, and how long all of them.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn append(&self, plan: BenchPlan) -> Result<(Vec<Duration>, Duration), AuditError> {
        let each = plan.records / plan.callers.max(1);
        self.local.block_on(&self.runtime, async {
            let begun = clock::monotonic();
            let callers = (0..plan.callers).map(|caller| append(&self.audit, caller, each));
            let mut times = try_join_all(callers).await?.concat();
            let elapsed = clock::since(begun);
            times.sort_unstable();
            Ok((times, elapsed))
        })
    }

    /// Verifies all that it holds; records a second, on one core.
    ///
    /// # Errors
    /// If the log cannot be read or does not verify.
    pub fn verify(&self) -> Result<f64, AuditError> {
        let verdict = self.local.block_on(&self.runtime, self.audit.verify())?;
        match verdict.problem {
            Some(reason) => Err(AuditError::Reader { reason }),
            None => Ok(rate(usize::try_from(verdict.records).unwrap_or(usize::MAX), verdict.elapsed)),
        }
    }
}

impl Drop for BenchLog {
    fn drop(&mut self) {
        self.local.block_on(&self.runtime, self.guard.stop());
    }
}

/// Writes and verifies a log of its own in the directory that `options` name.
///
/// # Errors
/// If the log cannot be written or read, or does not verify.
pub fn run(options: AuditOptions, plan: BenchPlan) -> Result<BenchReport, AuditError> {
    let log = BenchLog::open(options)?;
    let (times, elapsed) = log.append(plan)?;
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    Ok(BenchReport {
        appends_per_s: rate(times.len(), elapsed),
        append_p50: at(50),
        append_p99: at(99),
        verified_per_s: log.verify()?,
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
