//! The frame without a node around it.

use super::*;
use crate::core::Events;
use crate::files::DirLock;
use crate::index::AuditIndex;
use crate::manifests::ManifestStore;
use crate::ops::topics::CreateTopic;
use crate::options::{GuardianOptions, SealKey, SpaceOptions};
use crate::recall::{Answers, Recall};
use crate::rows::NewTopic;
use crate::space::Space;
use crate::sqlite::SqliteDatabase;
use async_trait::async_trait;
use bib_audit::{AuditError, AuditRecord, Head, Pending, Receipt, Unsettled};
use bib_chunks::{ChunkStore, StoreOptions};
use bib_domain::NodeMode;
use bib_kit::{BlockingPool, Router, Tasks};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

#[test]
fn a_clock_that_jumps_makes_nothing_older() {
    let year = 365 * 24 * 3_600_000;
    let stamp = |now_ms, passed_ms| Stamp { now_ms, passed_ms, audit_seq: None };
    let week = Duration::from_secs(7 * 24 * 3600);
    let week_ms = 7 * 24 * 3_600_000;
    assert_eq!(stamp(50 * year, 50 * year).before(week), 50 * year - week_ms);
    assert_eq!(stamp(60 * year, 50 * year).before(week), 50 * year - week_ms, "ten years ahead");
    assert_eq!(stamp(40 * year, 50 * year).before(week), 40 * year - week_ms, "ten years back");
    assert!(stamp(0, 0).before(Duration::MAX) < -50 * year, "a time without end is no time at all");
}

/// Nothing is recorded here.
pub(crate) struct NoLog;

#[async_trait]
impl Ledger for NoLog {
    async fn append(&self, _draft: AuditDraft) -> Result<Receipt, AuditError> {
        unreachable!("nothing is recorded")
    }

    async fn append_soon(&self, _draft: AuditDraft) -> Result<Pending, AuditError> {
        unreachable!("nothing is recorded")
    }

    async fn append_buffered(&self, _draft: AuditDraft) -> Result<(), AuditError> {
        unreachable!("nothing is recorded")
    }

    async fn export_since(&self, _seq: u64, _limit: u32) -> Result<Vec<AuditRecord>, AuditError> {
        unreachable!("nothing is read")
    }

    async fn unsettled(&self) -> Result<Vec<Unsettled>, AuditError> {
        unreachable!("nothing is read")
    }

    async fn head(&self) -> Result<Head, AuditError> {
        unreachable!("nothing is read")
    }
}

/// Keeps what it is told, but for as many records as it is to refuse.
#[derive(Default)]
pub(crate) struct Notebook {
    pub(crate) records: Mutex<Vec<AuditDraft>>,
    pub(crate) refuses: Mutex<u32>,
}

impl Notebook {
    fn keep(&self, draft: AuditDraft) -> Result<Receipt, AuditError> {
        let mut refuses = self.refuses.lock();
        if *refuses > 0 {
            *refuses -= 1;
            return Err(AuditError::NotWritable { reason: "no space left on device".to_owned() });
        }
        self.records.lock().push(draft);
        Ok(Receipt { epoch: 1, seq: 1, leaf_hash: [0; 32] })
    }
}

#[async_trait]
impl Ledger for Notebook {
    async fn append(&self, draft: AuditDraft) -> Result<Receipt, AuditError> {
        self.keep(draft)
    }

    async fn append_soon(&self, draft: AuditDraft) -> Result<Pending, AuditError> {
        Ok(Pending::answered(Ok(self.keep(draft)?)))
    }

    async fn append_buffered(&self, draft: AuditDraft) -> Result<(), AuditError> {
        self.keep(draft).map(|_| ())
    }

    async fn export_since(&self, seq: u64, limit: u32) -> Result<Vec<AuditRecord>, AuditError> {
        NoLog.export_since(seq, limit).await
    }

    async fn unsettled(&self) -> Result<Vec<Unsettled>, AuditError> {
        NoLog.unsettled().await
    }

    async fn head(&self) -> Result<Head, AuditError> {
        NoLog.head().await
    }
}

/// All that the frame needs, on SQLite.
pub(crate) async fn core(dir: &Path) -> Core {
    let options = GuardianOptions::new(dir.to_owned(), NodeMode::Selective, SealKey::new([1; 32]), [0; 32]);
    let pool = BlockingPool::new(tokio::runtime::Handle::current(), 4);
    let router = Router::new();
    Core {
        database: Box::new(SqliteDatabase::open(&options, pool.clone(), "a test").await.unwrap()),
        ledger: Arc::new(NoLog),
        manifests: ManifestStore::open(dir.join("manifests"), 0, pool.clone()).unwrap(),
        chunks: ChunkStore::open(&dir.join("blobs"), StoreOptions::default()).unwrap(),
        events: Events { versions: router.topic(), peers: router.topic(), subscriptions: router.topic() },
        index: AuditIndex::default(),
        space: Space::new(dir, SpaceOptions::default()),
        serving: Recall::default().serve(Arc::new(Answers::new(options.catalog_cache_bytes))),
        pool,
        owed: Tasks::new(tokio::runtime::Handle::current(), 1),
        doubts: tokio::sync::mpsc::channel(1).0,
        noting: Arc::default(),
        _lock: DirLock::acquire(dir.join("guardian.lock"), Duration::ZERO).await.unwrap(),
        options,
    }
}

pub(crate) fn topic() -> NewTopic {
    NewTopic {
        name: "t".parse().unwrap(),
        description: String::new(),
        owner: "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp".parse().unwrap(),
        created_ms: 1,
        if_not_exists: false,
    }
}

/// Also those of a retry: the first try may be in the same transaction, and whoever hears of it through the retry must not
/// get an older answer afterwards.
#[tokio::test]
async fn answers_become_old_when_the_outcome_is_in_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let core = core(dir.path()).await;
    let cx = OpContext::node(clock::new_request_id(), "test");
    for what in ["the first try", "a retry"] {
        let session = core.database.begin(DbRole::Node, Access::Write).await.unwrap();
        let before = core.serving.answers.generation();
        let change = CreateTopic::new(cx.clone(), topic());
        let ready = core.apply(&change, Stamp::now(None), session).await.unwrap();
        assert_eq!(core.serving.answers.generation(), before, "{what}: it is not committed");
        ready.commit().await.unwrap();
        assert_eq!(core.serving.answers.generation(), before + 1, "{what}");
    }
}

/// One that is refused leaves the database to the next one, as if it had never come.
#[tokio::test]
async fn a_refusal_leaves_nothing_open() {
    let dir = tempfile::tempdir().unwrap();
    let core = core(dir.path()).await;
    for round in 0..3 {
        let session = core.database.begin(DbRole::Node, Access::Write).await.unwrap();
        let change = CreateTopic::new(OpContext::node(clock::new_request_id(), "test"), topic());
        match core.apply(&change, Stamp::now(None), session).await {
            Ok(ready) => assert_eq!(ready.commit().await.unwrap().0.name.as_str(), "t"),
            Err(error) => assert!(round > 0 && matches!(error, GuardianError::TopicExists { .. }), "{round}: {error}"),
        }
    }
}
