//! The pace at which rows are added, on a real server.

use super::*;
use crate::database::{Database, DbRole};
use crate::postgres::PgDatabase;
use crate::postgres::scratch::on_a_server;
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
