//! The hot parts of the audit log: durable appends under load, and the hash of a record.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use bib_audit::AuditOptions;
use bib_audit::bench::{BenchPlan, run};
use bib_audit::format::leaf_hash;
use divan::Bencher;
use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

/// Records of many callers at once, durable, and verified at the end.
#[divan::bench(args = [1, 100, 2_000], sample_count = 10, sample_size = 1)]
fn append_and_verify(bencher: Bencher, callers: u64) {
    let records = callers.clamp(10, 100) * 200;
    bencher.counter(ItemsCount::new(records)).with_inputs(|| tempfile::tempdir().unwrap()).bench_local_refs(|dir| {
        let node = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp".parse().unwrap();
        run(AuditOptions::new(dir.path().join("audit"), node, [7; 32]), BenchPlan { records, callers }).unwrap()
    });
}

/// What binds a record to the log.
#[divan::bench]
fn leaf(bencher: Bencher) {
    let record = vec![0x5a; 400];
    bencher.counter(ItemsCount::new(1_u32)).bench(|| leaf_hash(divan::black_box(&record)));
}
