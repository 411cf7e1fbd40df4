//! What is answered from memory is what the database says, and is recorded like what is read there. On both databases.

use crate::catalog::{on, on_both};
use crate::support::{Backend, Home, Node, manifest, new_topic, op, own_key, topic, until};
use bib_audit::AuditRecord;
use bib_domain::{DatasetRef, OpContext, Role, Who};
use bib_guardian::{GuardianError, VersionState};
use bib_kit::{clock, probe};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};

on_both!(
    a_change_is_seen_by_the_next_read,
    reads_from_memory_are_recorded_like_others,
    a_new_incarnation_remembers_nothing,
    many_readers_see_each_change
);

const WHOLE: VersionState = VersionState { complete: true };

fn dataset() -> DatasetRef {
    "t/d".parse().unwrap()
}

async fn a_change_is_seen_by_the_next_read(node: &mut Node) {
    let guardian = &node.guardian;
    assert_eq!(guardian.get_topic(&topic("t")).await.unwrap(), None);
    assert_eq!(guardian.counts().await.unwrap().topics, 0);
    guardian.create_topic(&op(), new_topic("t")).await.unwrap();
    let made = guardian.get_topic(&topic("t")).await.unwrap().unwrap();
    assert!(!made.subscribed);
    assert_eq!(guardian.list_topics(None, 0).await.unwrap(), [made]);
    assert_eq!(guardian.counts().await.unwrap().topics, 1);
    for subscribed in [true, false, true] {
        guardian.set_subscribed(&op(), &topic("t"), subscribed).await.unwrap();
        for _ in 0..2 {
            assert_eq!(guardian.get_topic(&topic("t")).await.unwrap().unwrap().subscribed, subscribed);
            assert_eq!(guardian.list_topics(None, 0).await.unwrap()[0].subscribed, subscribed);
        }
    }
    assert!(matches!(guardian.find_version(&dataset(), "").await, Err(GuardianError::DatasetNotFound { .. })));
    for number in 1..4 {
        let version = manifest("t/d", number, &[], &own_key());
        assert!(guardian.manifest(version.id()).await.unwrap().is_none());
        guardian.publish(&op(), version.clone(), WHOLE).await.unwrap();
        for _ in 0..2 {
            assert_eq!(guardian.find_version(&dataset(), "").await.unwrap().number, number);
            assert_eq!(guardian.get_dataset(&dataset()).await.unwrap().unwrap().versions, number);
            assert_eq!(guardian.versions(&dataset()).await.unwrap().len() as u64, number);
            assert_eq!(guardian.list_datasets(None, None, 0).await.unwrap()[0].highest_number, number);
            assert_eq!(guardian.list_datasets(Some(topic("t")), None, 0).await.unwrap().len(), 1);
            assert!(guardian.list_datasets(Some(topic("other")), None, 0).await.unwrap().is_empty());
            assert_eq!(guardian.manifest(version.id()).await.unwrap().unwrap().id(), version.id());
        }
    }
}

fn by(user: &str) -> OpContext {
    OpContext {
        request_id: clock::new_request_id(),
        who: Who::User(user.to_owned()),
        role: Role::Reader,
        session_hash: Some([4; 32]),
        component: "gateway",
    }
}

/// The records of one operation, without what two of them cannot share.
async fn recorded(node: &Node, cx: &OpContext, count: usize) -> Vec<AuditRecord> {
    let find = async || {
        let all = node.records().await;
        all.into_iter().filter(|record| record.op_id == cx.request_id).collect::<Vec<_>>()
    };
    until("the reads are in the log", async || find().await.len() == count).await;
    find().await
}

async fn reads_from_memory_are_recorded_like_others(node: &mut Node) {
    node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
    let version = manifest("t/d", 1, &[], &own_key());
    node.guardian.publish(&op(), version.clone(), WHOLE).await.unwrap();
    let mut looks = Vec::new();
    for user in ["mara", "liu"] {
        let cx = by(user);
        let reader = node.guardian.on_behalf_of(&cx);
        reader.get_topic(&topic("t")).await.unwrap().unwrap();
        reader.list_topics(None, 0).await.unwrap();
        reader.get_dataset(&dataset()).await.unwrap().unwrap();
        reader.list_datasets(None, None, 0).await.unwrap();
        reader.find_version(&dataset(), "1").await.unwrap();
        reader.versions(&dataset()).await.unwrap();
        reader.counts().await.unwrap();
        reader.manifest(version.id()).await.unwrap().unwrap();
        let records = recorded(node, &cx, 8).await;
        assert!(records.iter().all(|record| record.actor == format!("user:{user}")));
        assert!(records.iter().all(|record| record.session_hash == Some([4; 32])));
        let look = |record: &AuditRecord| {
            let role = record.metadata("db_role").map(str::to_owned);
            (
                record.action.clone(),
                record.object.clone(),
                record.rows,
                record.fingerprint.clone(),
                record.outcome,
                role,
            )
        };
        looks.push(records.iter().map(look).collect::<Vec<_>>());
    }
    let [cold, warm] = &looks[..] else { panic!("two readers") };
    assert_eq!(cold, warm);
    assert!(warm.iter().all(|look| look.2 == Some(1) && look.3.is_some()), "{warm:?}");
}

async fn a_new_incarnation_remembers_nothing(node: &mut Node) {
    node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
    assert!(node.guardian.get_topic(&topic("t")).await.unwrap().is_some());
    node.crash_and_restart().await;
    assert!(node.guardian.get_topic(&topic("t")).await.unwrap().is_some());
    node.guardian.set_subscribed(&op(), &topic("t"), true).await.unwrap();
    assert!(node.guardian.get_topic(&topic("t")).await.unwrap().unwrap().subscribed);
}

/// Readers that ask all the time never get an answer that is older than what was acknowledged before they asked.
async fn many_readers_see_each_change(node: &mut Node) {
    node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (guardian, acknowledged, done) = (node.guardian.clone(), acknowledged.clone(), done.clone());
            tokio::spawn(async move {
                let mut reads = 0_u64;
                while !done.load(SeqCst) {
                    let before = acknowledged.load(SeqCst);
                    let seen = guardian.get_dataset(&dataset()).await.unwrap().map_or(0, |row| row.highest_number);
                    assert!(seen >= before, "version {before} was acknowledged, and {seen} is the highest");
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    for number in 1..=10 {
        node.guardian.publish(&op(), manifest("t/d", number, &[], &own_key()), WHOLE).await.unwrap();
        acknowledged.store(number, SeqCst);
        assert_eq!(node.guardian.get_dataset(&dataset()).await.unwrap().unwrap().highest_number, number);
    }
    done.store(true, SeqCst);
    for reader in readers {
        assert!(reader.await.unwrap() > 10, "a reader was not at it all the time");
    }
}

/// With no memory given to it, each read asks the database, and all is the same.
#[test]
fn it_can_be_switched_off() {
    probe::run(async {
        let home = Home::new();
        let mut options = home.options(Backend::Sqlite);
        options.catalog_cache_bytes = 0;
        let mut node = Node::start(&home, options).await;
        a_change_is_seen_by_the_next_read(&mut node).await;
        node.stop().await;
    });
}
