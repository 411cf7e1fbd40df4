//! Pages of views over the flights of New York: compared with a plain sort of the rows in memory.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use bib_query::{Page, QueryError, QueryOptions, SortBy, View};

use crate::parquet_files::parquet;
use crate::support::{Lab, column, flights, nyc, to_json};

const FLIGHTS: &str = "dataset(\"flights/2013\")";

fn view(filter: &str, sort: Option<(&str, bool)>) -> View {
    let sort = sort.map(|(column, descending)| SortBy { column: column.to_owned(), descending });
    View { filter: filter.to_owned(), sort, ..View::of(FLIGHTS) }
}

async fn page(lab: &Lab, view: &View, offset: u64, rows: u64) -> Page {
    match lab.engine.page(view, offset, rows, None, lab).await {
        Ok(page) => page,
        Err(error) => panic!("{view:?}: {error}"),
    }
}

/// What the plain loop looks at in a row.
struct Flight {
    month: i64,
    dep_delay: Option<f64>,
    origin: String,
    carrier: String,
    tailnum: Option<String>,
}

/// All rows in the order of the file.
fn all_flights() -> &'static [Flight] {
    static ALL: OnceLock<Vec<Flight>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = Vec::new();
        for batch in flights(&["month", "dep_delay", "origin", "carrier", "tailnum"]) {
            let number = |name: &str| cast(batch.column_by_name(name).unwrap(), &DataType::Float64).unwrap();
            let text = |name: &str| cast(batch.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
            let (month, delay) = (number("month"), number("dep_delay"));
            let (month, delay) = (month.as_primitive::<Float64Type>(), delay.as_primitive::<Float64Type>());
            let (origin, carrier, tailnum) = (text("origin"), text("carrier"), text("tailnum"));
            let text = |column: &ArrayRef, row| {
                let column = column.as_string::<i32>();
                column.is_valid(row).then(|| column.value(row).to_owned())
            };
            all.extend((0..batch.num_rows()).map(|row| Flight {
                month: month.value(row) as i64,
                dep_delay: delay.is_valid(row).then(|| delay.value(row)),
                origin: text(&origin, row).unwrap(),
                carrier: text(&carrier, row).unwrap(),
                tailnum: text(&tailnum, row),
            }));
        }
        all
    })
}

/// The plain loop: positions of the rows that match, sorted by one column, nulls last, ties by position.
fn expected(matches: impl Fn(&Flight) -> bool, sort: &str, descending: bool) -> Vec<u64> {
    fn order<T: PartialOrd>(a: Option<&T>, b: Option<&T>, descending: bool) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) if descending => b.partial_cmp(a).unwrap(),
            (Some(a), Some(b)) => a.partial_cmp(b).unwrap(),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
    let mut found: Vec<(u64, &Flight)> = (0..).zip(all_flights()).filter(|(_, flight)| matches(flight)).collect();
    found.sort_by(|(_, a), (_, b)| match sort {
        "dep_delay" => order(a.dep_delay.as_ref(), b.dep_delay.as_ref(), descending),
        "carrier" => order(Some(&a.carrier), Some(&b.carrier), descending),
        "tailnum" => order(a.tailnum.as_ref(), b.tailnum.as_ref(), descending),
        _ => Ordering::Equal,
    });
    found.into_iter().map(|(position, _)| position).collect()
}

#[tokio::test]
async fn pages_in_the_order_of_the_file() {
    let lab = nyc();
    let all = page(&lab, &view("", None), 336_700, 100).await;
    assert_eq!((all.matches, all.total), (336_776, 336_776));
    assert_eq!(all.positions, (336_700..336_776).collect::<Vec<_>>());
    let late = |flight: &Flight| flight.dep_delay.is_some_and(|delay| delay > 60.0) && flight.origin == "JFK";
    let positions = expected(late, "", false);
    let third = page(&lab, &view("r.dep_delay > 60 && r.origin == \"JFK\"", None), 200, 100).await;
    assert_eq!((third.matches, third.total), (8_401, 336_776));
    assert_eq!(third.positions, positions[200..300]);
    let rows = to_json(&third.batches);
    assert!(rows.len() == 100 && column(&rows, "origin").iter().all(|origin| origin == "JFK"));
    assert!(column(&rows, "dep_delay").iter().all(|delay| delay.as_f64().unwrap() > 60.0));
    let beyond = page(&lab, &view("", None), 400_000, 100).await;
    assert!(beyond.positions.is_empty() && beyond.matches == 336_776);
}

#[tokio::test]
async fn sorted_pages_fit_together_whatever_their_size() {
    let lab = nyc();
    for (column, descending) in [("dep_delay", true), ("dep_delay", false), ("carrier", false), ("tailnum", true)] {
        let positions = expected(|flight| flight.month == 7, column, descending);
        let sorted = view("r.month == 7", Some((column, descending)));
        let mut seen = Vec::new();
        for (offset, rows) in [(0, 100), (100, 7), (107, 900), (1_007, 3), (1_010, 90)] {
            let page = page(&lab, &sorted, offset, rows).await;
            assert_eq!(page.positions.len() as u64, rows);
            seen.extend(page.positions);
        }
        assert_eq!(seen, positions[..1_100], "{column} {descending}");
        let last = page(&lab, &sorted, positions.len() as u64 - 5, 100).await;
        assert_eq!(last.positions, positions[positions.len() - 5..]);
        assert_eq!(last.matches, positions.len() as u64);
    }
}

#[tokio::test]
async fn the_same_row_is_found_by_its_position() {
    let lab = nyc();
    let worst = page(&lab, &view("", Some(("dep_delay", true))), 0, 1).await;
    let found = page(&lab, &view("", None), worst.positions[0], 1).await;
    assert_eq!(to_json(&found.batches), to_json(&worst.batches));
    assert_eq!(column(&to_json(&found.batches), "dep_delay"), [1_301]);
    // the CSV file says the same
    let csv = View { expression: "dataset(\"flights/csv\")".to_owned(), ..view("", None) };
    let csv = page(&lab, &csv, worst.positions[0], 1).await;
    assert_eq!(column(&to_json(&csv.batches), "tailnum"), column(&to_json(&worst.batches), "tailnum"));
}

#[tokio::test]
async fn any_query_has_pages_that_fit_together() {
    let lab = nyc();
    for (steps, total) in [
        (".aggregate(r, {\"plane\": r.tailnum}, {\"n\": count()})", 4_044),
        (".aggregate(r, {\"plane\": r.tailnum}, {\"n\": count()}).map(r, {\"n\": r.n})", 4_044),
        (".select(\"origin\", \"dest\").distinct()", 224),
        (".map(r, {\"origin\": r.origin, \"day\": r.day}).sort(r, r.origin).limit(500)", 500),
        (".aggregate(r, {\"plane\": r.tailnum}, {\"n\": count()}).limit(700)", 700),
        (".filter(r, r.month == 2).select(\"carrier\", \"dest\")", 24_951),
        (".count()", 1),
    ] {
        let view = View::of(format!("{FLIGHTS}{steps}"));
        let whole = page(&lab, &view, 0, 1_000).await;
        assert_eq!((whole.matches, whole.total), (total, total), "{steps}");
        let rows = to_json(&whole.batches);
        assert_eq!(rows.len() as u64, total.min(1_000));
        let mut parts = Vec::new();
        for offset in (0..rows.len() as u64).step_by(190) {
            parts.extend(to_json(&page(&lab, &view, offset, 190).await.batches));
        }
        parts.truncate(rows.len());
        assert_eq!(parts, rows, "{steps}");
        let keeps_rows = !steps.contains("aggregate") && !steps.contains("distinct") && !steps.contains("count");
        assert_eq!(whole.positions.is_empty(), !keeps_rows, "{steps}");
    }
}

#[tokio::test]
async fn columns_and_their_order_are_chosen() {
    let lab = nyc();
    let view = View {
        columns: vec!["dest".to_owned(), "flight".to_owned()],
        ..view("r.origin == \"LGA\"", Some(("distance", true)))
    };
    let page = page(&lab, &view, 0, 3).await;
    let names: Vec<&str> = page.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["dest", "flight"]);
    assert_eq!(page.positions.len(), 3);
}

#[tokio::test]
async fn mistakes_say_in_which_part_they_are() {
    let lab = nyc();
    let refused = |view: View| {
        let lab = lab.clone();
        async move { lab.engine.page(&view, 0, 10, None, &*lab).await.unwrap_err() }
    };
    match refused(view("r.dep_dely > 60", None)).await {
        QueryError::InvalidFilter(place) => {
            assert_eq!((place.line, place.column, place.width), (1, 3, 8), "{place:?}");
            assert_eq!(place.suggestion.as_deref(), Some("did you mean r.dep_delay?"));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(refused(view("dep_delay > 60 and", None)).await, QueryError::InvalidFilter(_)));
    assert!(matches!(refused(view("r.dep_delay + 1", None)).await, QueryError::InvalidFilter(_)));
    match refused(view("", Some(("orgin", false)))).await {
        QueryError::Column { name, suggestion, .. } => {
            assert_eq!((name.as_str(), suggestion.as_str()), ("orgin", "did you mean \"origin\"?"));
        }
        other => panic!("{other:?}"),
    }
    let wrong = View { columns: vec!["nothing like it".to_owned()], ..view("", None) };
    assert!(matches!(refused(wrong).await, QueryError::Column { .. }));
}

#[tokio::test]
async fn a_page_is_bounded() {
    let lab = nyc();
    let small = QueryOptions { page_rows: 50, page_bytes: 20 << 10, ..QueryOptions::default() };
    let engine = lab.engine_with(small);
    let page = engine.page(&view("", None), 0, 1_000_000, None, &*lab).await.unwrap();
    assert_eq!(page.positions.len(), 50);
    let engine = lab.engine_with(QueryOptions { page_bytes: 1 << 10, ..QueryOptions::default() });
    let error = engine.page(&view("", None), 0, 100, None, &*lab).await.unwrap_err();
    assert!(error.to_string().contains("ask for fewer rows or fewer columns"), "{error}");
    let moment = std::time::Duration::from_nanos(1);
    let error = lab.engine.page(&view("r.day == 3", None), 0, 9, Some(moment), &*lab).await.unwrap_err();
    assert!(matches!(error, QueryError::Timeout { .. }));
}

#[tokio::test]
async fn a_column_of_the_positions_name_is_kept() {
    let lab = Lab::one("a.csv", b"row position,b\n7,x\n8,y\n");
    let view = View::of("dataset(\"data/t\").map(r, {\"row position'\": r.b, \"row position\": r[\"row position\"]})");
    let page = page(&lab, &view, 0, 10).await;
    assert_eq!(page.positions, [0, 1]);
    assert_eq!(column(&to_json(&page.batches), "row position"), [7, 8]);
}

#[tokio::test]
async fn all_rows_come_in_the_order_of_the_pages() {
    use futures::TryStreamExt;
    let lab = nyc();
    let sorted = view("r.month == 7 && r.dep_delay > 100", Some(("dep_delay", true)));
    let stream = lab.engine.rows(&sorted, None, None, &*lab).await.unwrap();
    let rows: Vec<RecordBatch> = stream.stream.try_collect().await.unwrap();
    let rows = to_json(&rows);
    let first = to_json(&page(&lab, &sorted, 0, 1_000).await.batches);
    assert!(rows.len() > 1_000 && rows[..1_000] == first);
}

#[tokio::test]
async fn a_page_of_parquet_begins_anywhere_in_any_file() {
    let numbers = |range: std::ops::Range<i64>| {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(range));
        RecordBatch::try_from_iter([("n", values)]).unwrap()
    };
    let files = [0..230, 230..231, 231..500].map(|range| parquet(&numbers(range), 100));
    let lab = Lab::new();
    let named: Vec<(&str, &[u8])> =
        ["a.parquet", "b.parquet", "c.parquet"].into_iter().zip(files.iter().map(Vec::as_slice)).collect();
    lab.put("data/t", &named);
    let view = View::of("dataset(\"data/t\")");
    for (offset, rows) in [(0, 100), (99, 2), (199, 40), (229, 3), (230, 1), (231, 100), (450, 100), (499, 1), (500, 1)]
    {
        let page = page(&lab, &view, offset, rows).await;
        let wanted: Vec<u64> = (offset..(offset + rows).min(500)).collect();
        assert_eq!(page.positions, wanted, "from {offset} on");
        assert_eq!((page.matches, page.total), (500, 500));
        let found = column(&to_json(&page.batches), "n");
        assert_eq!(found, wanted, "from {offset} on");
    }
    // what is left out is not read: one row of a file of 230 in groups of 100
    let one = page(&lab, &View { columns: vec!["n".to_owned()], ..view }, 150, 1).await;
    assert_eq!(column(&to_json(&one.batches), "n"), [150]);
    assert!(one.stats.bytes_read() < files[0].len() as u64, "{} bytes", one.stats.bytes_read());
}
