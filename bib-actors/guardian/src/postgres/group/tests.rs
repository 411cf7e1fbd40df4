//! Shared transactions on a real server: who is in one, and what becomes of those who fail, are given up or lost.

use super::*;
use crate::database::{Access, Database, DbRole};
use crate::postgres::PgDatabase;
use crate::postgres::scratch::on_a_server;
use bib_kit::clock;
use std::collections::BTreeSet;
use tokio::task::JoinHandle;

/// Few, so that a group is full soon.
const MEMBERS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);

type Begun = Result<Box<dyn Session>, DbError>;

/// Stands in line for a turn; comes back when it is in line.
async fn queue(database: &Arc<PgDatabase>) -> JoinHandle<Begun> {
    let before = database.line.waiting.load(SeqCst);
    let own = Arc::clone(database);
    let begun = tokio::spawn(async move { own.begin_shared(DbRole::Node).await });
    until("it is in line", || database.line.waiting.load(SeqCst) > before).await;
    begun
}

async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = clock::monotonic();
    while !so() {
        assert!(clock::since(begun) < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn turn(begun: JoinHandle<Begun>) -> Box<dyn Session> {
    tokio::time::timeout(PATIENCE, begun).await.unwrap().unwrap().unwrap()
}

async fn add(session: &mut Box<dyn Session>, name: &str) {
    let sql = "insert into requests (request_id, action, object, result, created_ms) values ($2, $1, '', '', 1)";
    assert_eq!(session.execute(&[], sql, &[name.into(), [7_u8; 16].as_slice().into()]).await.1.unwrap(), 1);
}

async fn transaction(session: &mut Box<dyn Session>) -> i64 {
    let rows = session.query(&[], "select cast(txid_current() as bigint)", &[]).await.1.unwrap();
    rows.into_iter().next().unwrap().int().unwrap()
}

async fn all(database: &PgDatabase) -> BTreeSet<String> {
    let mut session = database.begin(DbRole::Node, Access::Read).await.unwrap();
    let rows = session.query(&[], "select action from requests", &[]).await.1.unwrap();
    session.commit().await.unwrap();
    rows.into_iter().map(|mut row| row.text().unwrap()).collect()
}

fn names(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

/// One that fails, one that is given up in the middle of a statement, and two that go on.
async fn each_stands_for_itself(database: &Arc<PgDatabase>) {
    let mut first = database.begin_shared(DbRole::Node).await.unwrap();
    let (failing, given_up, last) = (queue(database).await, queue(database).await, queue(database).await);
    let shared = transaction(&mut first).await;
    add(&mut first, "first").await;
    let first = tokio::spawn(first.commit());
    let mut failing = turn(failing).await;
    add(&mut failing, "failing").await;
    failing.execute(&[], "insert into requests (request_id) values (null)", &[]).await.1.unwrap_err();
    failing.query(&[], "select 1", &[]).await.1.unwrap_err();
    failing.commit().await.unwrap_err();
    let mut given_up = turn(given_up).await;
    add(&mut given_up, "given up").await;
    let sleeps = given_up.query(&[], "select pg_sleep(0.2)", &[]);
    assert!(tokio::time::timeout(Duration::from_millis(20), sleeps).await.is_err());
    drop(given_up);
    let mut last = turn(last).await;
    assert_eq!(transaction(&mut last).await, shared);
    add(&mut last, "last").await;
    assert!(all(database).await.is_empty() && !first.is_finished(), "nobody is answered before the commit");
    last.commit().await.unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(all(database).await, names(&["first", "last"]));
}

/// Nobody is told that something stays when the transaction was lost, and whoever comes next is served.
async fn what_is_lost_is_lost_for_all(database: &Arc<PgDatabase>) {
    let mut first = database.begin_shared(DbRole::Node).await.unwrap();
    let (second, third) = (queue(database).await, queue(database).await);
    add(&mut first, "lost with it").await;
    let first = tokio::spawn(first.commit());
    let mut second = turn(second).await;
    let killed = second.query(&[], "select pg_terminate_backend(pg_backend_pid())", &[]).await.1;
    assert!(matches!(killed, Err(DbError::Lost(_))), "{killed:?}");
    drop(second);
    let mut third = turn(third).await;
    let third = (third.query(&[], "select 1", &[]).await.1.unwrap_err(), third.commit().await.unwrap_err());
    assert!(matches!(third.0, DbError::Lost(_)), "{third:?}");
    let first = first.await.unwrap().unwrap_err();
    assert!(matches!(first, DbError::Lost(_)), "{first:?}");
    let mut next = database.begin_shared(DbRole::Node).await.unwrap();
    add(&mut next, "after it").await;
    next.commit().await.unwrap();
    assert_eq!(all(database).await, names(&["first", "last", "after it"]));
}

async fn one_who_waits_takes_no_early_turn(database: &Arc<PgDatabase>) {
    let early = database.begin_early(DbRole::Node, true).await.unwrap();
    assert!(early.is_alone() && database.begin_early(DbRole::Node, true).await.is_none());
    drop(early);
    let other = database.begin(DbRole::Transform, Access::Write).await.unwrap();
    assert!(database.begin_early(DbRole::Node, true).await.is_none(), "it could wait for that one's locks");
    drop(other);
    let mut one = database.begin_early(DbRole::Node, true).await.unwrap();
    add(&mut one, "alone").await;
    one.commit().await.unwrap();
    assert!(all(database).await.contains("alone"));
    // a refusal takes nothing with it, however many wait
    let refused = database.begin_shared(DbRole::Node).await.unwrap();
    let waits = queue(database).await;
    drop(refused);
    let mut waits = turn(waits).await;
    add(&mut waits, "waited").await;
    waits.commit().await.unwrap();
    assert!(all(database).await.contains("waited"));
}

/// A refusal may rest on what others of its transaction did, and is given when that is durable.
async fn a_refusal_waits_for_the_others(database: &Arc<PgDatabase>) {
    let mut first = database.begin_shared(DbRole::Node).await.unwrap();
    let (refused, last) = (queue(database).await, queue(database).await);
    add(&mut first, "refused for this").await;
    let first = tokio::spawn(first.commit());
    let mut refused = turn(refused).await;
    add(&mut refused, "of the refused one").await;
    let refused = tokio::spawn(refused.roll_back());
    let mut last = turn(last).await;
    add(&mut last, "beside it").await;
    assert!(!first.is_finished() && !refused.is_finished(), "nobody is answered before the commit");
    last.commit().await.unwrap();
    refused.await.unwrap().unwrap();
    first.await.unwrap().unwrap();
    let found = all(database).await;
    assert!(found.contains("refused for this") && found.contains("beside it") && !found.contains("of the refused one"));

    // where that is lost, so is what the refusal rests on
    let mut first = database.begin_shared(DbRole::Node).await.unwrap();
    let (killed, refused) = (queue(database).await, queue(database).await);
    add(&mut first, "refused for nothing").await;
    let first = tokio::spawn(first.commit());
    let mut killed = turn(killed).await;
    killed.query(&[], "select pg_terminate_backend(pg_backend_pid())", &[]).await.1.unwrap_err();
    drop(killed);
    let refused = turn(refused).await.roll_back().await.unwrap_err();
    assert!(matches!(refused, DbError::Lost(_)), "{refused:?}");
    first.await.unwrap().unwrap_err();
}

async fn a_full_group_is_committed(database: &Arc<PgDatabase>) {
    let mut first = database.begin_shared(DbRole::Node).await.unwrap();
    let mut line = Vec::new();
    for _ in 0..MEMBERS + 4 {
        line.push(queue(database).await);
    }
    let mut transactions = vec![transaction(&mut first).await];
    let mut ends = vec![tokio::spawn(first.commit())];
    for (number, waits) in line.into_iter().enumerate() {
        let mut one = turn(waits).await;
        transactions.push(transaction(&mut one).await);
        add(&mut one, &format!("of many {number}")).await;
        ends.push(tokio::spawn(one.commit()));
    }
    for end in ends {
        end.await.unwrap().unwrap();
    }
    let (full, rest) = transactions.split_at(MEMBERS);
    assert!(full.iter().all(|one| *one == full[0]) && rest.iter().all(|one| *one != full[0]), "{transactions:?}");
    assert_eq!(rest.len(), 5);
    assert_eq!(all(database).await.iter().filter(|name| name.starts_with("of many")).count(), MEMBERS + 4);
}

#[tokio::test]
async fn changes_share_a_transaction_and_stand_for_themselves() {
    on_a_server(
        |options| options.shared_changes = MEMBERS,
        async |database: Arc<PgDatabase>, _| {
            each_stands_for_itself(&database).await;
            what_is_lost_is_lost_for_all(&database).await;
            one_who_waits_takes_no_early_turn(&database).await;
            a_refusal_waits_for_the_others(&database).await;
            a_full_group_is_committed(&database).await;
        },
    )
    .await;
}
