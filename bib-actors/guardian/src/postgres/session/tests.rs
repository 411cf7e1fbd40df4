//! Transactions on a real server: the pace at which rows are added, refusals, and waits that are too long.

use super::*;
use crate::database::{Database, DbRole};
use crate::error::GuardianError;
use crate::postgres::PgDatabase;
use crate::postgres::scratch::on_a_server;
use futures::future::join;
use std::sync::Arc;
use std::time::Duration;

/// No test waits for this.
const NEVER: Duration = Duration::from_secs(24 * 3600);

const COLUMNS: [(&str, Column); 5] = [
    ("request_id", Column::Bytes),
    ("action", Column::Text),
    ("object", Column::Text),
    ("result", Column::Text),
    ("created_ms", Column::Int),
];

fn rows(action: &str, count: u8) -> Rows<'_> {
    let row = |number| vec![[number; 16].as_slice().into(), action.into(), "".into(), "".into(), 1_i64.into()];
    Box::new((0..count).map(row).collect::<Vec<_>>().into_iter())
}

async fn add(database: &PgDatabase, action: &str, count: u8, pace: Pace) {
    let mut session = database.begin(DbRole::Node, Access::Write).await.unwrap();
    session.add("requests", &COLUMNS, rows(action, count), pace).await.unwrap();
    session.commit().await.unwrap();
}

async fn count(database: &PgDatabase) -> i64 {
    let mut session = database.begin(DbRole::Node, Access::Read).await.unwrap();
    let rows = session.query(&[], "select count(*) from requests", &[]).await.1.unwrap();
    session.commit().await.unwrap();
    rows.into_iter().next().unwrap().int().unwrap()
}

#[tokio::test]
async fn rows_that_nobody_waits_for_come_a_few_at_a_time() {
    let pace = IndexPace { rows: 2, pause: NEVER };
    let test = async |database: Arc<PgDatabase>, _| {
        add(&database, "no pause between so few", 2, Pace::Calm).await;
        add(&database, "no pause where somebody waits", 7, Pace::Full).await;
        assert_eq!(count(&database).await, 9);
        let calm = add(&database, "a pause before the third", 3, Pace::Calm);
        assert!(tokio::time::timeout(Duration::from_millis(300), calm).await.is_err());
        assert_eq!(count(&database).await, 9, "what was given up leaves nothing behind");
        add(&database, "after it", 1, Pace::Calm).await;
        assert_eq!(count(&database).await, 10);
    };
    on_a_server(|options| options.index_pace = pace, test).await;
}

async fn backend(session: &mut Box<dyn Session>) -> i64 {
    let rows = session.query(&[], "select cast(pg_backend_pid() as bigint)", &[]).await.1.unwrap();
    rows.into_iter().next().unwrap().int().unwrap()
}

/// A commit of which nobody knows how it ended: others may see what is not durable.
fn lose_a_commit(database: &PgDatabase) {
    let (other, mut lost) = (database.flushes.writing(), database.flushes.writing());
    lost.commit(false);
    drop((lost, other));
    assert!(database.flushes.unsettled().is_some());
}

#[tokio::test]
async fn a_refusal_waits_for_what_it_saw_and_keeps_its_connection() {
    let test = async |database: Arc<PgDatabase>, _| {
        for kind in ["reads", "writes", "shares"] {
            let begin = async || {
                let begun = match kind {
                    "reads" => database.begin(DbRole::Query, Access::Read).await,
                    "writes" => database.begin(DbRole::Transform, Access::Write).await,
                    _ => database.begin_shared(DbRole::Node).await,
                };
                begun.unwrap()
            };
            let mut refused = begin().await;
            let before = backend(&mut refused).await;
            lose_a_commit(&database);
            refused.roll_back().await.unwrap();
            assert!(database.flushes.unsettled().is_none(), "{kind}: what it saw may not be durable");
            // also where its first statement failed, or a later one, or nothing was asked
            let mut failed = begin().await;
            failed.query(&[], "select 1 / 0", &[]).await.1.unwrap_err();
            failed.roll_back().await.unwrap();
            let mut failed = begin().await;
            assert_eq!(backend(&mut failed).await, before, "{kind}");
            failed.query(&[], "select 1 / 0", &[]).await.1.unwrap_err();
            failed.roll_back().await.unwrap();
            begin().await.roll_back().await.unwrap();
            let mut next = begin().await;
            assert_eq!(backend(&mut next).await, before, "{kind}");
            next.commit().await.unwrap();
        }
        assert!(!database.flushes.is_busy(), "somebody would wait for one that has ended");
    };
    on_a_server(|options| (options.pools.query, options.pools.transform, options.pools.node) = (1, 1, 1), test).await;
}

fn is_busy(error: &DbError, code: &str) -> bool {
    let text = GuardianError::from(error.clone()).to_string();
    matches!(error, DbError::Busy(reason) if reason.starts_with(code))
        && text.contains("send the same request again")
        && !text.contains("fault")
}

#[tokio::test]
async fn whoever_waits_too_long_may_try_again() {
    let test = async |database: Arc<PgDatabase>, _| {
        let begin = async || database.begin(DbRole::Transform, Access::Write).await.unwrap();
        let counter = "select value from counters where name = 'catalog' for update";
        let mut holder = begin().await;
        holder.query(&[], counter, &[]).await.1.unwrap();
        for (limit, code) in [("lock_timeout", "55P03"), ("statement_timeout", "57014")] {
            let mut waits = begin().await;
            waits.execute(&[], &format!("set local {limit} = '50ms'"), &[]).await.1.unwrap();
            let error = waits.query(&[], counter, &[]).await.1.unwrap_err();
            assert!(is_busy(&error, code), "{error:?}");
        }
        holder.commit().await.unwrap();

        let lock = |number: i64| format!("select 1 from pg_advisory_xact_lock({number})");
        let (mut one, mut other) = (begin().await, begin().await);
        one.query(&[], &lock(1), &[]).await.1.unwrap();
        other.query(&[], &lock(2), &[]).await.1.unwrap();
        let (to_other, to_one) = (lock(2), lock(1));
        let (one, other) = join(one.query(&[], &to_other, &[]), other.query(&[], &to_one, &[])).await;
        let ended: Vec<DbError> = [one.1, other.1].into_iter().filter_map(Result::err).collect();
        assert!(matches!(&ended[..], [error] if is_busy(error, "40P01")), "{ended:?}");
    };
    on_a_server(|_| {}, test).await;
}
