//! Which rows a limit keeps: the first ones of the file, whatever the scan could leave out.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use bib_query::View;
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::parquet_files::parquet;
use crate::support::{Lab, column, to_json};

const ROWS: i64 = 40_000;

/// Row groups of 5000 rows, and enough columns that a filter is left to the scan.
fn lab() -> Lab {
    let of = |f: fn(i64) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values((0..ROWS).map(f))) };
    let columns = [("id", of(|n| n)), ("a", of(|n| n % 7)), ("b", of(|n| n / 7)), ("c", of(|n| -n)), ("d", of(|n| n))];
    Lab::one("t.parquet", &parquet(&RecordBatch::try_from_iter(columns).unwrap(), 5_000))
}

fn ids(from: i64, count: i64) -> Vec<Value> {
    (from..from + count).map(|n| json!(n)).collect()
}

async fn first(lab: &Lab, view: &View, limit: u64) -> Vec<Value> {
    let result = lab.engine.rows(view, Some(limit), None, lab).await.unwrap();
    let batches: Vec<RecordBatch> = result.stream.try_collect().await.unwrap();
    column(&to_json(&batches), "id")
}

#[tokio::test]
async fn a_filter_that_later_row_groups_fulfil_wholly_keeps_earlier_ones() {
    let lab = lab();
    for (steps, from) in [
        (".filter(r, r.id >= 4500).limit(10)", 4_500),
        (".filter(r, r.id >= 4500).offset(3).limit(10)", 4_503),
        (".filter(r, r.id >= 100).filter(r, r.id >= 4500).limit(10)", 4_500),
        (".filter(r, r.id >= 4500).limit(600).filter(r, r.id >= 4700).limit(10)", 4_700),
        (".map(r, {\"id\": r.id, \"x\": r.a + 1, \"y\": r.b, \"z\": r.c}).filter(r, r.id >= 4500).limit(10)", 4_500),
    ] {
        let rows = lab.rows(&format!("dataset(\"data/t\"){steps}")).await;
        assert_eq!(column(&rows, "id"), ids(from, 10), "{steps}");
    }
}

#[tokio::test]
async fn the_callers_limit_keeps_the_first_rows() {
    let lab = lab();
    let expression = "dataset(\"data/t\").filter(r, r.id >= 4500)";
    let result = lab.engine.query(expression, Some(10), None, &lab).await.unwrap();
    let batches: Vec<RecordBatch> = result.stream.try_collect().await.unwrap();
    assert_eq!(column(&to_json(&batches), "id"), ids(4_500, 10));
    let view = View { filter: "r.id >= 4500".to_owned(), ..View::of("dataset(\"data/t\")") };
    assert_eq!(first(&lab, &view, 10).await, ids(4_500, 10));
}

#[tokio::test]
async fn what_is_described_are_the_first_rows() {
    let lab = lab();
    let view = View::of("dataset(\"data/t\").filter(r, r.id >= 4500).limit(10)");
    let described = lab.engine.statistics(&view, None, &lab).await.unwrap();
    let id = &described.columns[0];
    assert_eq!((described.rows, id.min.as_deref(), id.max.as_deref()), (10, Some("4500"), Some("4509")));
    let view = View { filter: "r.id < 4505".to_owned(), ..view };
    let page = lab.engine.page(&view, 0, 10, None, &lab).await.unwrap();
    assert_eq!((page.matches, page.total), (5, 10));
}

#[tokio::test]
async fn the_scan_still_skips_by_the_filter() {
    let lab = lab();
    let expression = "dataset(\"data/t\").filter(r, r.id >= 4500).limit(10)";
    let plan = lab.engine.explain(expression, &lab).await.unwrap().plan;
    let scan = plan.lines().find(|line| line.contains("DataSourceExec")).unwrap();
    assert!(scan.contains("pruning_predicate=") && scan.contains("id_max@"), "{plan}");
    assert!(!scan.contains("limit="), "the limit must not reach the scan\n{plan}");
    assert!(plan.contains("FilterExec: every_row(), fetch=10"), "{plan}");
}

/// More rows than one batch has, so that a sort has seen some before the limit is reached.
#[tokio::test]
async fn what_a_sort_finds_does_not_move_a_limit_before_it() {
    let lab = lab();
    for (steps, expected) in [
        (".limit(20000).sort(r, r.id, \"desc\").limit(3)", [19_999, 19_998, 19_997]),
        (".filter(r, r.id >= 4500).limit(20000).sort(r, r.id, \"desc\").limit(3)", [24_499, 24_498, 24_497]),
    ] {
        let rows = lab.rows(&format!("dataset(\"data/t\"){steps}")).await;
        assert_eq!(column(&rows, "id"), expected, "{steps}");
    }
    let largest = "dataset(\"data/t\").filter(r, r.id >= 4500).limit(20000).aggregate(r, {}, {\"x\": max(r.id)})";
    assert_eq!(column(&lab.rows(largest).await, "x"), [24_499]);
}

#[tokio::test]
async fn rows_that_a_step_has_made_are_cut_as_the_pages_show() {
    let lab = lab();
    let made = "dataset(\"data/t\").aggregate(r, {\"a\": r.a}, {\"n\": count(), \"least\": min(r.id)})";
    for (cut, rows, most) in
        [(".limit(3)", 3, "2"), (".sort(r, r.n, \"desc\").limit(4)", 4, "3"), (".offset(2)", 5, "6")]
    {
        let view = View::of(format!("{made}{cut}"));
        let described = lab.engine.statistics(&view, None, &lab).await.unwrap();
        let page = lab.engine.page(&view, 0, 10, None, &lab).await.unwrap();
        let last = to_json(&page.batches).iter().filter_map(|row| row["a"].as_i64()).max();
        assert_eq!((described.rows, page.matches, page.total), (rows, rows, rows), "{cut}");
        assert_eq!((described.columns[0].max.as_deref(), last), (Some(most), most.parse().ok()), "{cut}");
        let view = View { filter: "r.a < 2".to_owned(), ..view };
        let page = lab.engine.page(&view, 0, 10, None, &lab).await.unwrap();
        assert_eq!(page.matches, to_json(&page.batches).len() as u64, "{cut}");
    }
    for (steps, rows) in [
        (".filter(r, r.id >= 4500).sort(r, r.c).limit(10)", 10),
        (".filter(r, r.id >= 4500).offset(500).map(r, {\"x\": r.a})", 35_000),
        (".limit(10).filter(r, r.id < 4)", 4),
    ] {
        let view = View::of(format!("dataset(\"data/t\"){steps}"));
        let page = lab.engine.page(&view, 0, 5, None, &lab).await.unwrap();
        assert_eq!((page.matches, page.total), (rows, rows), "{steps}");
    }
}
