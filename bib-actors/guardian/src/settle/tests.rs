//! What is recorded of changes whose end nobody heard of, over a database that loses its answers.

use super::*;
use crate::audited::tests::{Notebook, core, topic};
use crate::database::{Answered, Column, Database, DbError, PingError, Row, Rows, Session, Statement};
use crate::ledger::Ledger;
use crate::ops::topics::CreateTopic;
use crate::rows::StorageInfo;
use async_trait::async_trait;
use bib_domain::{OpContext, RequestId};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Where the connection is lost in a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    Nowhere,
    Before,
    After,
}

/// Loses connections.
struct Loses {
    inner: Box<dyn Database>,
    lost: Arc<Mutex<Lost>>,
}

struct Losing {
    inner: Box<dyn Session>,
    lost: Arc<Mutex<Lost>>,
}

#[async_trait]
impl Database for Loses {
    fn info(&self) -> &StorageInfo {
        self.inner.info()
    }

    async fn begin(&self, role: DbRole, access: Access) -> Result<Box<dyn Session>, DbError> {
        let inner = self.inner.begin(role, access).await?;
        Ok(Box::new(Losing { inner, lost: Arc::clone(&self.lost) }))
    }

    async fn ping(&self) -> Result<(), PingError> {
        self.inner.ping().await
    }

    async fn clear_audit_index(&self) -> Result<(), GuardianError> {
        self.inner.clear_audit_index().await
    }

    fn close(&self) {
        self.inner.close();
    }

    async fn shut_down(&self, deadline: Duration) -> Result<(), GuardianError> {
        self.inner.shut_down(deadline).await
    }
}

#[async_trait]
impl Session for Losing {
    async fn query(&mut self, ahead: &[Statement], sql: &str, params: &[Value]) -> Answered<Vec<Row>> {
        self.inner.query(ahead, sql, params).await
    }

    async fn execute(&mut self, ahead: &[Statement], sql: &str, params: &[Value]) -> Answered<u64> {
        self.inner.execute(ahead, sql, params).await
    }

    async fn add(
        &mut self,
        table: &'static str,
        columns: &'static [(&'static str, Column)],
        rows: Rows<'_>,
        pace: crate::database::Pace,
    ) -> Result<(), DbError> {
        self.inner.add(table, columns, rows, pace).await
    }

    async fn roll_back(self: Box<Self>) -> Result<(), DbError> {
        self.inner.roll_back().await
    }

    async fn commit(self: Box<Self>) -> Result<(), DbError> {
        let lost = *self.lost.lock();
        if lost != Lost::Before {
            self.inner.commit().await?;
        }
        if lost == Lost::Nowhere { Ok(()) } else { Err(DbError::Lost("the connection closed".to_owned())) }
    }
}

/// Outcome, reason, and when it was found out, of the last record.
fn last(log: &Notebook) -> (Outcome, String, String) {
    let records = log.records.lock();
    let last = records.last().unwrap();
    let named = |name: &str| last.metadata.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    (last.outcome, named("reason").unwrap_or_default(), named(SETTLED).unwrap_or_default())
}

struct Setting {
    core: Core,
    log: Arc<Notebook>,
    lost: Arc<Mutex<Lost>>,
    doubts: Receiver<Doubtful>,
    _dir: tempfile::TempDir,
}

async fn setting() -> Setting {
    let dir = tempfile::tempdir().unwrap();
    let mut core = core(dir.path()).await;
    let (log, lost) = (Arc::new(Notebook::default()), Arc::new(Mutex::new(Lost::Nowhere)));
    let (sender, doubts) = mpsc::channel(4);
    core.ledger = Arc::clone(&log) as Arc<dyn Ledger>;
    core.doubts = sender;
    let nothing = Box::new(Loses { inner: Box::new(Nothing), lost: Arc::clone(&lost) });
    let inner = std::mem::replace(&mut core.database, nothing);
    core.database = Box::new(Loses { inner, lost: Arc::clone(&lost) });
    Setting { core, log, lost, doubts, _dir: dir }
}

/// Stands where the database was until it is back.
struct Nothing;

#[async_trait]
impl Database for Nothing {
    fn info(&self) -> &StorageInfo {
        unreachable!("nobody asks")
    }

    async fn begin(&self, _role: DbRole, _access: Access) -> Result<Box<dyn Session>, DbError> {
        unreachable!("nobody asks")
    }

    async fn ping(&self) -> Result<(), PingError> {
        unreachable!("nobody asks")
    }

    async fn clear_audit_index(&self) -> Result<(), GuardianError> {
        unreachable!("nobody asks")
    }

    fn close(&self) {}

    async fn shut_down(&self, _deadline: Duration) -> Result<(), GuardianError> {
        unreachable!("nobody asks")
    }
}

fn op() -> OpContext {
    OpContext::node(clock::new_request_id(), "test")
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_out_from_its_row() {
    for lost in [Lost::After, Lost::Before] {
        let mut setting = setting().await;
        let cx = op();
        *setting.lost.lock() = lost;
        let error = setting.core.change(CreateTopic::new(cx.clone(), topic())).await.unwrap_err();
        assert!(matches!(error, GuardianError::Unavailable { .. }), "{error}");
        assert_eq!(last(&setting.log).0, Outcome::Intent, "nothing is said that nobody knows");
        let doubtful = setting.doubts.try_recv().unwrap();

        *setting.lost.lock() = Lost::Nowhere;
        assert!(settle(&setting.core, vec![doubtful], AFTERWARDS).await.is_empty());
        let expected = match lost {
            Lost::After => (Outcome::Ok, String::new(), AFTERWARDS.to_owned()),
            _ => (Outcome::Failed, NOT_COMMITTED.to_owned(), AFTERWARDS.to_owned()),
        };
        assert_eq!(last(&setting.log), expected);
        // a retry is told what was done, or does it
        let topic = setting.core.change(CreateTopic::new(cx, topic())).await.unwrap();
        assert_eq!(topic.name.as_str(), "t");
    }
}

#[tokio::test]
async fn what_cannot_be_settled_now_is_left_and_the_others_are_settled() {
    let setting = setting().await;
    let doubtful = || Doubtful::now(AuditDraft::from_op(&op(), "topic.create", "t").metadata(REQUEST, ""));
    *setting.log.refuses.lock() = 1;
    let left = settle(&setting.core, vec![doubtful(), doubtful(), doubtful()], AT_START).await;
    assert_eq!((left.len(), setting.log.records.lock().len()), (1, 2));
    assert!(settle(&setting.core, left, AFTERWARDS).await.is_empty());
    assert_eq!(setting.log.records.lock().len(), 3);
}

#[tokio::test]
async fn nothing_is_said_of_a_row_that_may_have_been_swept() {
    let setting = setting().await;
    let intent = AuditDraft::from_op(&op(), "topic.create", "t").metadata(REQUEST, "");
    let retention = i64::try_from(setting.core.options.request_retention.as_millis()).unwrap();
    for (age, expected) in [(0, NOT_COMMITTED), (retention / 2, NOT_COMMITTED), (retention, NOT_KNOWN)] {
        let doubtful = Doubtful { intent: intent.clone(), begun_ms: clock::unix_ms() - age };
        assert!(settle(&setting.core, vec![doubtful], AT_START).await.is_empty());
        assert_eq!(last(&setting.log), (Outcome::Failed, expected.to_owned(), AT_START.to_owned()), "{age}");
    }
}

/// Puts in the row of a publication.
async fn published(core: &Core, request: RequestId, version: &str) {
    let mut tx = Tx::new(core.database.begin(DbRole::Node, Access::Write).await.unwrap());
    let key: [Value; 3] = [request.as_bytes().into(), "dataset.publish".into(), "t/d".into()];
    let claim = [&key[..], &[0_i64.into()]].concat();
    assert_eq!(tx.run(CLAIM, &claim).await.unwrap(), 1);
    let sql = "update requests set result = $4 where request_id = $1 and action = $2 and object = $3";
    tx.run(sql, &[&key[..], &[format!("created {version}").as_str().into()]].concat()).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn of_two_tries_the_row_says_which_was_done() {
    let setting = setting().await;
    let cx = op();
    published(&setting.core, cx.request_id, "c0ffee").await;
    let tried = |version: &str| {
        let intent = AuditDraft::from_op(&cx, "dataset.publish", format!("t/d@sha256:{version}"));
        Doubtful::now(intent.metadata(REQUEST, "t/d"))
    };
    assert!(settle(&setting.core, vec![tried("c0ffee")], AT_START).await.is_empty());
    assert_eq!(last(&setting.log).0, Outcome::Ok);
    assert!(settle(&setting.core, vec![tried("5afe")], AT_START).await.is_empty());
    let (outcome, reason, _) = last(&setting.log);
    assert_eq!(outcome, Outcome::Failed);
    assert!(reason.contains("another try") && reason.contains("c0ffee"), "{reason}");
}
