//! Every write, sync and rename of the log made to fail, one after the other, with and without loss of what was not
//! synced. No answer is ever given for a record that is not there afterwards.

use crate::faulty::{FaultyFs, Loss};
use crate::support::{Chain, build, draft, options};
use bib_audit::{AuditError, Receipt};
use bib_kit::Exit;
use bib_kit::probe::run;
use futures::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// What a client has: receipts, and how many records it asked for without an answer.
#[derive(Default)]
struct Client {
    receipts: Vec<(u64, Receipt)>,
    unanswered: u64,
}

impl Client {
    /// Asks for four times three records. False if an answer was missing; none may come after that.
    async fn write(&mut self, chain: &Chain, from: u64) -> bool {
        let mut refused = false;
        for round in 0..4 {
            let numbers = [0, 1, 2].map(|number| from + round * 10 + number);
            let answers = join_all(numbers.map(|number| chain.audit.append(draft(number)))).await;
            for (number, answer) in numbers.into_iter().zip(answers) {
                match answer {
                    Ok(receipt) => {
                        assert!(!refused, "an answer after a failure");
                        self.receipts.push((number, receipt));
                    }
                    Err(AuditError::NotWritable { .. } | AuditError::Ask(_)) => {
                        refused = true;
                        self.unanswered += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
        !refused
    }

    /// Everything that was answered is there, and nothing that was not asked for.
    async fn check(&self, chain: &Chain, case: &str) {
        let verdict = chain.audit.verify().await.unwrap();
        assert!(verdict.ok, "{case}: {verdict:?}");
        let records = chain.audit.export_since(0, 1_000).await.unwrap();
        for (number, receipt) in &self.receipts {
            let found = records.iter().find(|record| record.seq == receipt.seq);
            let found = found.unwrap_or_else(|| panic!("{case}: record {} is lost", receipt.seq));
            assert_eq!((found.leaf_hash, found.rows), (receipt.leaf_hash, Some(*number)), "{case}");
        }
        let written = records.iter().filter(|record| record.action == "test.append").count() as u64;
        assert!(written <= self.receipts.len() as u64 + self.unanswered, "{case}: records out of nothing");
    }
}

async fn reopen(chain: &mut Chain, case: &str) {
    if let Err(report) = chain.guard.start().await {
        panic!("{case}: the log was not opened again: {}", report.exit);
    }
}

/// Writes with the `n`-th operation failing; then the process or the machine dies, and comes up; more is written; the
/// machine dies once more. False when no operation failed any more.
async fn scenario(n: usize, loss: Loss) -> bool {
    let case = format!("operation {n}, loss {loss:?}");
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultyFs::failing_at(n);
    let mut options = options(dir.path());
    options.segment_max_bytes = 1_500;
    options.mark_interval = Duration::ZERO;
    let mut chain = build(options, Arc::new(fs.clone()));
    let mut client = Client::default();
    if chain.guard.start().await.is_ok() {
        if client.write(&chain, 0).await {
            chain.guard.stop().await;
        } else {
            let report = chain.guard.exited().await;
            assert!(matches!(report.exit, Exit::Failed(_)), "{case}: {:?}", report.exit);
        }
    }
    let failed = fs.has_failed();
    fs.restart(loss);
    reopen(&mut chain, &case).await;
    client.check(&chain, &case).await;
    assert!(client.write(&chain, 100).await, "{case}: still failing");
    chain.guard.abort().await;
    fs.restart(Loss::All);
    reopen(&mut chain, &format!("{case}, second death")).await;
    client.check(&chain, &format!("{case}, second death")).await;
    failed
}

fn sweep(loss: Loss) {
    run(async {
        let mut n = 1;
        while scenario(n, loss).await {
            n += 1;
        }
        assert!(n > 40, "only {n} operations were made to fail");
    });
}

#[test]
fn the_process_dies_at_any_operation() {
    sweep(Loss::Nothing);
}

#[test]
fn the_machine_dies_at_any_operation_and_all_is_lost_that_was_not_synced() {
    sweep(Loss::All);
}

#[test]
fn the_machine_dies_at_any_operation_and_the_tail_is_torn() {
    sweep(Loss::Half);
}

#[test]
fn the_machine_dies_at_any_operation_and_pages_are_missing() {
    sweep(Loss::Holes);
}
