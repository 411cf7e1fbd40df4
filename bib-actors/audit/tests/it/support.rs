//! A log under test: options with small bounds, drafts, and the actor on the current thread.

use crate::faulty::FaultyFs;
use bib_audit::{AuditAppended, AuditChain, AuditDraft, AuditFs, AuditHandle, AuditOptions, DiskFs, Receipt};
use bib_domain::{NodeId, OpContext, RequestId};
use bib_kit::probe::Guard;
use bib_kit::{Placement, Topic};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The node of all tests.
pub(crate) fn node() -> NodeId {
    "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp".parse().unwrap()
}

/// Options with segments so small that every test has several.
pub(crate) fn options(dir: &Path) -> AuditOptions {
    let mut options = AuditOptions::new(dir.join("audit"), node(), [7; 32]);
    options.segment_max_bytes = 4 << 10;
    options.mark_interval = Duration::from_secs(3_600);
    options.placement = Placement::Current;
    options.lock_wait = Duration::from_secs(5);
    options
}

/// A draft that says which one it is.
pub(crate) fn draft(number: u64) -> AuditDraft {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let op = OpContext::node(RequestId::from_bytes(id), "test");
    AuditDraft::from_op(&op, "test.append", format!("object-{number}"))
        .rows(number)
        .metadata("number", number.to_string())
}

/// A running audit chain.
pub(crate) struct Chain {
    pub(crate) audit: AuditHandle,
    pub(crate) guard: Guard,
    pub(crate) topic: Topic<AuditAppended>,
}

/// The chain, started.
pub(crate) async fn start(options: AuditOptions) -> Chain {
    let mut chain = build(options, Arc::new(DiskFs));
    if let Err(report) = chain.guard.start().await {
        panic!("the audit chain did not start: {}", report.exit);
    }
    chain
}

/// The chain on some file system, not started.
pub(crate) fn build(options: AuditOptions, fs: Arc<dyn AuditFs>) -> Chain {
    let topic = Topic::new(4_096);
    let chain = AuditChain::new(options, topic.clone()).with_fs(fs);
    let audit = chain.handle();
    Chain { audit, guard: Guard::new(chain.child()), topic }
}

impl Chain {
    /// Appends records with these numbers, one after the other.
    pub(crate) async fn append(&self, numbers: impl IntoIterator<Item = u64>) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for number in numbers {
            receipts.push(self.audit.append(draft(number)).await.unwrap());
        }
        receipts
    }
}

/// The same on a file system that does not wait for the disk, for tests that open a log very often.
pub(crate) async fn start_fast(options: AuditOptions) -> Chain {
    let mut chain = build(options, Arc::new(FaultyFs::default()));
    chain.guard.start().await.unwrap();
    chain
}

/// A directory with a log of `count` records, written and closed; its options.
pub(crate) fn written(count: u64) -> (tempfile::TempDir, AuditOptions, Vec<Receipt>) {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let receipts = bib_kit::probe::run(async {
        let mut chain = start_fast(options.clone()).await;
        let receipts = chain.append(1..=count).await;
        chain.guard.stop().await;
        receipts
    });
    (dir, options, receipts)
}

/// Starts the chain, which must not succeed, and says why not.
pub(crate) fn refusal(options: &AuditOptions) -> String {
    bib_kit::probe::run(async {
        let mut chain = build(options.clone(), Arc::new(DiskFs));
        match chain.guard.start().await {
            Ok(()) => panic!("the audit chain started"),
            Err(report) => report.exit.to_string(),
        }
    })
}
