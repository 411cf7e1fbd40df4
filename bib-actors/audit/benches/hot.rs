//! The hot parts of the audit log: durable appends under load, reading and checking them, and the hash of a record.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use bib_audit::AuditOptions;
use bib_audit::bench::{BenchLog, BenchPlan};
use bib_audit::format::leaf_hash;
use divan::Bencher;
use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

/// A new log in a folder of its own, open.
fn log() -> (BenchLog, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let node = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp".parse().unwrap();
    (BenchLog::open(AuditOptions::new(dir.path().join("audit"), node, [7; 32])).unwrap(), dir)
}

/// Records of many callers at once, each durable before its caller goes on, in a new log.
#[divan::bench(args = [1, 100, 2_000], sample_count = 10, sample_size = 1)]
fn append(bencher: Bencher, callers: u64) {
    let records = callers.clamp(10, 100) * 200;
    let plan = BenchPlan { records, callers };
    bencher
        .counter(ItemsCount::new(records))
        .with_inputs(log)
        .bench_local_refs(|(log, _dir)| log.append(plan).unwrap());
}

/// Every record of a log read and checked, on one core.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn verify(bencher: Bencher) {
    const RECORDS: u64 = 20_000;
    let (log, _dir) = log();
    log.append(BenchPlan { records: RECORDS, callers: 100 }).unwrap();
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| log.verify().unwrap());
}

/// What binds a record to the log.
#[divan::bench]
fn leaf(bencher: Bencher) {
    let record = vec![0x5a; 400];
    bencher.counter(ItemsCount::new(1_u32)).bench(|| leaf_hash(divan::black_box(&record)));
}
