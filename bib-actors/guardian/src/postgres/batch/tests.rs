//! Batches on a real server: what goes together, and what becomes of a change that cannot go.

use super::*;
use crate::audited::{Stamp, batch};
use crate::database::{Access, Database, Value};
use crate::ops::topics::CreateTopic;
use crate::postgres::PgDatabase;
use crate::postgres::scratch::on_a_server;
use crate::rows::NewTopic;
use bib_domain::OpContext;
use bib_kit::clock;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::task::JoinHandle;

const MOST: usize = 4;
const PATIENCE: Duration = Duration::from_secs(30);

fn statement(sql: &'static str, params: Vec<Value>) -> Statement {
    Statement::new(sql, params)
}

fn add(name: &str) -> Vec<Statement> {
    let sql = "insert into requests (request_id, action, object, result, created_ms) values ($1, $2, '', '', 1) \
               on conflict do nothing";
    let next = "update counters set value = value + 1 where name = 'catalog'";
    vec![statement(sql, vec![[7_u8; 16].as_slice().into(), name.into()]), statement(next, Vec::new())]
}

async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = clock::monotonic();
    while !so() {
        assert!(clock::since(begun) < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Whoever holds the turn keeps all batches from theirs.
async fn queue(database: &Arc<PgDatabase>, changes: Vec<Vec<Statement>>) -> Vec<JoinHandle<Answer>> {
    let mut answers = Vec::new();
    for statements in changes {
        let (own, before) = (Arc::clone(database), database.batches.queue.lock().waiting.len());
        answers.push(tokio::spawn(async move { own.batch(DbRole::Node, statements).await }));
        until("it waits", || database.batches.queue.lock().waiting.len() > before).await;
    }
    answers
}

async fn together(database: &Arc<PgDatabase>, changes: Vec<Vec<Statement>>) -> Vec<Answer> {
    let turn = database.line.turn(PATIENCE, "test").await.unwrap();
    let waiting = queue(database, changes).await;
    drop(turn);
    let mut answers = Vec::new();
    for one in waiting {
        answers.push(tokio::time::timeout(PATIENCE, one).await.unwrap().unwrap());
    }
    answers
}

/// The actions of all requests, and how many transactions made those whose names begin so.
async fn found(database: &PgDatabase, prefix: &str) -> (BTreeSet<String>, usize) {
    let mut session = database.begin(DbRole::Node, Access::Read).await.unwrap();
    let sql = "select action, cast(xmin as text) from requests where starts_with(action, $1)";
    let rows = session.query(&[], sql, &[prefix.into()]).await.1.unwrap();
    session.commit().await.unwrap();
    let (mut actions, mut transactions) = (BTreeSet::new(), BTreeSet::new());
    for mut row in rows {
        actions.insert(row.text().unwrap());
        transactions.insert(row.text().unwrap());
    }
    (actions, transactions.len())
}

fn done(answers: &[Answer]) -> bool {
    answers.iter().all(|answer| matches!(answer, Ok(Some(2))))
}

async fn what_waits_goes_together(database: &Arc<PgDatabase>) {
    assert!(matches!(database.batch(DbRole::Node, add("alone")).await, Ok(Some(2))));
    let answers = together(database, (0..MOST + 2).map(|number| add(&format!("many {number}"))).collect()).await;
    assert!(done(&answers), "{answers:?}");
    let (actions, transactions) = found(database, "many").await;
    assert_eq!((actions.len(), transactions), (MOST + 2, 2), "no more than {MOST} of them in one");
    assert!(database.flushes.unsettled().is_none() && !database.flushes.is_busy());
    let other = database.batch(DbRole::Transform, add("another role")).await;
    assert!(matches!(other, Ok(None)), "{other:?}");
}

fn topic(name: &str) -> Vec<Statement> {
    let new = NewTopic {
        name: name.parse().unwrap(),
        description: format!("all about {name}"),
        owner: "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp".parse().unwrap(),
        created_ms: i64::try_from(name.len()).unwrap(),
        if_not_exists: false,
    };
    let cx = OpContext::node(clock::new_request_id(), "test");
    let stamp = Stamp { now_ms: 9, passed_ms: 9, audit_seq: None };
    batch(&CreateTopic::new(cx, new), stamp).unwrap().statements
}

/// Topics as the guardian makes them: of those that go together each has what is its own, in the order in which they came.
async fn topics_become_one_statement(database: &Arc<PgDatabase>) {
    let names = ["t-one", "t-second", "t-3", "t-the-fourth"];
    let mut changes: Vec<Vec<Statement>> = names.iter().map(|name| topic(name)).collect();
    assert_eq!(fold(&changes.iter().map(Vec::as_slice).collect::<Vec<_>>()).len(), 3);
    changes.insert(0, topic("t-alone"));
    let answers = together(database, vec![changes.remove(0)]).await;
    assert!(matches!(answers[..], [Ok(Some(3))]), "{answers:?}");
    let answers = together(database, changes).await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Some(3)))), "{answers:?}");
    for twice in [vec![topic("t-new"), topic("t-3")], vec![topic("t-new"), topic("t-new")]] {
        let answers = together(database, twice).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(None))), "{answers:?}");
    }

    let mut session = database.begin(DbRole::Node, Access::Read).await.unwrap();
    let sql = "select name, description, created_ms, updated_ms, position - (select min(position) from topics) \
               from topics where starts_with(name, 't-') order by position";
    let rows = session.query(&[], sql, &[]).await.1.unwrap();
    let sql = "select count(*), count(distinct request_id), min(created_ms) from requests where action = 'topic.create' \
               and object in (select name from topics)";
    let mut claims = session.query(&[], sql, &[]).await.1.unwrap();
    session.commit().await.unwrap();
    assert_eq!(rows.len(), 5);
    for (at, (mut row, name)) in rows.into_iter().zip(["t-alone"].into_iter().chain(names)).enumerate() {
        assert_eq!(row.text().unwrap(), name);
        assert_eq!(row.text().unwrap(), format!("all about {name}"));
        let at = i64::try_from(at).unwrap();
        let expected = (i64::try_from(name.len()).unwrap(), 9, at);
        assert_eq!((row.int().unwrap(), row.int().unwrap(), row.int().unwrap()), expected, "{name}");
    }
    let claims = (claims[0].int().unwrap(), claims[0].int().unwrap(), claims[0].int().unwrap());
    assert_eq!(claims, (5, 5, 9), "each request has a row of its own");
}

/// Nothing of any of them stays, and each is to be tried by itself.
async fn one_that_cannot_go_stops_all(database: &Arc<PgDatabase>) {
    let fails = statement("insert into requests (request_id) values (null)", Vec::new());
    let ends = statement("select pg_terminate_backend(pg_backend_pid())", Vec::new());
    for (what, wrong) in [("known", add("alone")), ("fails", vec![fails]), ("lost", vec![ends])] {
        let answers = together(database, vec![add(what), wrong, add(&format!("{what} too"))]).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(None))), "{what}: {answers:?}");
        assert_eq!(found(database, what).await.1, 0, "{what}");
        assert!(!database.flushes.is_busy(), "{what}");
        // whoever comes next finds a connection that is good
        assert!(done(&together(database, vec![add(&format!("after {what}"))]).await), "{what}");
    }
    assert_eq!(found(database, "after").await.0.len(), 3);
}

/// A transaction that changes share in another way is committed before a batch runs its statements.
async fn it_waits_for_its_turn(database: &Arc<PgDatabase>) {
    let mut first = database.begin_shared(DbRole::Node).await.unwrap();
    let next = "update counters set value = value + 1 where name = 'catalog'";
    assert_eq!(first.execute(&[], next, &[]).await.1.unwrap(), 1);
    let waiting = queue(database, vec![add("turn")]).await.pop().unwrap();
    until("its turn is waited for", || database.line.has_company()).await;
    let first = tokio::spawn(first.commit());
    assert!(matches!(tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap(), Ok(Some(2))));
    first.await.unwrap().unwrap();
    assert_eq!(found(database, "turn").await.0.len(), 1);
}

/// A change that was given up goes on with the others, and a task that ends early leaves nobody without an answer.
async fn nobody_waits_for_ever(database: &Arc<PgDatabase>) {
    let turn = database.line.turn(PATIENCE, "test").await.unwrap();
    let mut waiting = queue(database, vec![add("given up"), add("goes on")]).await;
    waiting.remove(0).abort();
    drop(turn);
    let answer = tokio::time::timeout(PATIENCE, waiting.remove(0)).await.unwrap().unwrap();
    assert!(matches!(answer, Ok(Some(2))), "{answer:?}");
    assert_eq!(found(database, "g").await.0.len(), 2);
    let turn = database.line.turn(PATIENCE, "test").await.unwrap();
    let waiting = queue(database, vec![add("left")]).await.pop().unwrap();
    drop(Server(Some(Arc::clone(&database.batches))));
    assert!(matches!(tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap(), Ok(None)));
    drop(turn);
}

#[tokio::test]
async fn changes_that_are_statements_alone_go_together() {
    on_a_server(
        |options| options.shared_changes = MOST,
        async |database: Arc<PgDatabase>, _| {
            what_waits_goes_together(&database).await;
            topics_become_one_statement(&database).await;
            one_that_cannot_go_stops_all(&database).await;
            it_waits_for_its_turn(&database).await;
            nobody_waits_for_ever(&database).await;
        },
    )
    .await;
}
