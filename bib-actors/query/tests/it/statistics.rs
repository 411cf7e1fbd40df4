//! Statistics of columns, compared with a plain loop over Arrow's arrays and with the queries that the bars offer.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, TimestampMicrosecondType};
use bib_query::{ColumnStatistics, QueryOptions, TableStatistics, View};

use crate::support::{Lab, flights, nyc};

async fn described(lab: &Lab, expression: &str) -> Arc<TableStatistics> {
    match lab.engine.statistics(&View::of(expression), None, lab).await {
        Ok(found) => found,
        Err(error) => panic!("{expression}: {error}"),
    }
}

fn near(told: u64, counted: u64) -> bool {
    told.abs_diff(counted) as f64 <= (counted as f64 * 0.03).max(1.0)
}

/// What a plain loop finds in a column of numbers or times.
#[derive(Default)]
struct Loop {
    nulls: u64,
    numbers: Vec<f64>,
    texts: BTreeMap<String, u64>,
}

fn looped(name: &str) -> Loop {
    let mut found = Loop::default();
    for batch in &flights(&[name]) {
        let column = batch.column(0);
        found.nulls += column.null_count() as u64;
        match column.data_type() {
            kind if kind.is_numeric() => {
                let numbers = arrow::compute::cast(column, &DataType::Float64).unwrap();
                found.numbers.extend(numbers.as_primitive::<Float64Type>().iter().flatten());
            }
            DataType::Timestamp(..) => {
                let micros = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
                let times = arrow::compute::cast(column, &micros).unwrap();
                let times = times.as_primitive::<TimestampMicrosecondType>().iter().flatten();
                found.numbers.extend(times.map(|time| time as f64));
            }
            _ => {
                let texts = arrow::compute::cast(column, &DataType::Utf8).unwrap();
                for text in texts.as_string::<i32>().iter().flatten() {
                    match found.texts.get_mut(text) {
                        Some(count) => *count += 1,
                        None => drop(found.texts.insert(text.to_owned(), 1)),
                    }
                }
            }
        }
    }
    found
}

fn compare(told: &ColumnStatistics, found: &Loop) {
    let name = &told.name;
    assert_eq!(told.nulls, found.nulls, "{name}");
    if found.texts.is_empty() {
        let values = found.numbers.len() as u64;
        let different: HashSet<u64> = found.numbers.iter().map(|number| number.to_bits()).collect();
        assert!(near(told.distinct.unwrap(), different.len() as u64), "{name}: {:?}", told.distinct);
        assert_eq!(told.bins.iter().map(|bar| bar.count).sum::<u64>(), values, "{name}");
        assert!((1..=24).contains(&told.bins.len()), "{name}");
        if told.kind == "timestamp" {
            return;
        }
        let (least, greatest) = (
            found.numbers.iter().copied().fold(f64::MAX, f64::min),
            found.numbers.iter().copied().fold(f64::MIN, f64::max),
        );
        assert_eq!(told.min.as_ref().unwrap().parse::<f64>().unwrap(), least, "{name}");
        assert_eq!(told.max.as_ref().unwrap().parse::<f64>().unwrap(), greatest, "{name}");
        let mut sorted = found.numbers.clone();
        sorted.sort_by(f64::total_cmp);
        for bar in &told.bins {
            let (from, to): (f64, f64) = (bar.from.parse().unwrap(), bar.to.parse().unwrap_or(f64::INFINITY));
            let below = |edge: f64| sorted.partition_point(|number| *number < edge);
            assert_eq!(bar.count, (below(to) - below(from)) as u64, "{name} {bar:?}");
        }
    } else {
        assert_eq!((told.distinct, told.distinct_exact), (Some(found.texts.len() as u64), true), "{name}");
        assert_eq!(told.min.as_ref(), found.texts.keys().next(), "{name}");
        assert_eq!(told.max.as_ref(), found.texts.keys().last(), "{name}");
        let mut frequent: Vec<(&String, &u64)> = found.texts.iter().collect();
        frequent.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let told: Vec<(&String, &u64)> = told.top_values.iter().map(|bar| (&bar.from, &bar.count)).collect();
        assert_eq!(told, frequent[..frequent.len().min(10)], "{name}");
    }
}

#[tokio::test]
async fn every_column_is_as_a_plain_loop_finds_it() {
    let lab = nyc();
    let told = described(&lab, "dataset(\"flights/2013\")").await;
    assert_eq!((told.rows, told.columns.len(), told.columns_left), (336_776, 19, 0));
    for column in &told.columns {
        compare(column, &looped(&column.name));
    }
    let kinds: HashSet<&str> = told.columns.iter().map(|column| column.kind.as_str()).collect();
    assert_eq!(kinds, HashSet::from(["int", "string", "timestamp"]), "the loop has seen each kind");
    // the copy as CSV says the same where its types are the same
    let csv = described(&lab, "dataset(\"flights/csv\")").await;
    for (a, b) in told.columns.iter().zip(&csv.columns) {
        assert_eq!((a.nulls, &a.top_values), (b.nulls, &b.top_values), "{}", a.name);
    }
}

#[tokio::test]
async fn a_bars_condition_chooses_its_rows() {
    let lab = nyc();
    let count = |dataset: &str, filter: String| {
        let (lab, view) = (lab.clone(), View { filter, ..View::of(dataset) });
        async move { lab.engine.page(&view, 0, 1, None, &*lab).await.unwrap().matches }
    };
    for (dataset, columns) in [
        ("dataset(\"flights/2013\")", &["dep_delay", "time_hour", "carrier", "tailnum"][..]),
        ("dataset(\"weather/all\")", &["temp", "visib", "time_hour"]),
    ] {
        let told = described(&lab, dataset).await;
        for column in told.columns.iter().filter(|column| columns.contains(&column.name.as_str())) {
            let bars = column.bins.iter().chain(&column.top_values);
            let some = bars.clone().step_by(3).chain(bars.last());
            for bar in some {
                assert_eq!(count(dataset, bar.filter.clone()).await, bar.count, "{bar:?}");
            }
            assert_eq!(count(dataset, column.nulls_filter.clone()).await, column.nulls, "{}", column.name);
        }
        assert!(told.columns.iter().any(|column| column.name == columns[0]));
    }
}

#[tokio::test]
async fn months_follow_the_calendar() {
    let told = described(&nyc(), "dataset(\"flights/2013\")").await;
    let hours = told.columns.iter().find(|column| column.name == "time_hour").unwrap();
    assert_eq!(hours.bins.len(), 13, "the last hours of the year in UTC are the next one's");
    assert_eq!(
        (hours.bins[1].from.as_str(), hours.bins[1].to.as_str()),
        ("2013-02-01T00:00:00Z", "2013-03-01T00:00:00Z")
    );
}

#[tokio::test]
async fn odd_columns_are_described_too() {
    let rows = concat!(
        "{\"flag\":true,\"list\":[1],\"only\":null,\"same\":4,\"text\":\"\"}\n",
        "{\"flag\":false,\"list\":null,\"only\":null,\"same\":4,\"text\":\"\u{201c}a\u{201d}\"}\n",
        "{\"flag\":true,\"list\":[],\"only\":null,\"same\":4}\n"
    );
    let lab = Lab::one("a.jsonl", rows.as_bytes());
    let told = described(&lab, "dataset(\"data/t\")").await;
    let column = |name: &str| told.columns.iter().find(|column| column.name == name).unwrap();
    let bars: Vec<_> = column("flag").top_values.iter().map(|bar| (bar.filter.as_str(), bar.count)).collect();
    assert_eq!(bars, [("r.flag == true", 2), ("r.flag == false", 1)]);
    assert_eq!((column("list").nulls, column("list").bins.len(), &column("list").min), (1, 0, &None));
    assert_eq!((column("only").nulls, column("only").top_values.len()), (3, 0));
    assert_eq!(column("same").bins.iter().map(|bar| bar.count).collect::<Vec<_>>(), [3]);
    assert_eq!((column("text").nulls, column("text").distinct), (1, Some(2)));
    // nothing at all
    let lab = Lab::one("a.csv", b"a,b\n");
    let told = described(&lab, "dataset(\"data/t\")").await;
    assert_eq!((told.rows, told.columns.len()), (0, 2));
}

#[tokio::test]
async fn doubles_that_are_no_numbers_stand_apart() {
    let lab = nyc();
    let told = described(
        &lab,
        "dataset(\"weather/all\").map(w, {\"x\": w.temp / (w.temp - w.temp), \"y\": w.temp / w.wind_speed})",
    )
    .await;
    let (x, y) = (&told.columns[0], &told.columns[1]);
    assert!(x.not_finite > 26_000 && x.bins.is_empty() && x.min.is_none(), "{x:?}");
    assert!(y.not_finite > 0, "calm hours divide by zero");
    let values = told.rows - y.nulls - y.not_finite;
    assert_eq!(y.bins.iter().map(|bar| bar.count).sum::<u64>(), values);
}

#[tokio::test]
async fn they_are_remembered_and_bounded() {
    let lab = nyc();
    let engine = lab.engine_with(QueryOptions { statistics_columns: 3, ..QueryOptions::default() });
    let view = View::of("dataset(\"weather/all\")");
    let first = engine.statistics(&view, None, &*lab).await.unwrap();
    assert_eq!((first.columns.len(), first.columns_left), (3, 12));
    let again = engine.statistics(&view, None, &*lab).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again), "the second request computes nothing");
    let named = View { columns: vec!["pressure".to_owned()], ..view };
    let named = engine.statistics(&named, None, &*lab).await.unwrap();
    assert_eq!((named.columns[0].name.as_str(), named.columns_left), ("pressure", 0));
    let many = lab.engine_with(QueryOptions { tallied_values: 100, ..QueryOptions::default() });
    let planes = View { columns: vec!["tailnum".to_owned()], ..View::of("dataset(\"flights/2013\")") };
    let planes = many.statistics(&planes, None, &*lab).await.unwrap();
    let column = &planes.columns[0];
    assert!(column.top_values.is_empty() && !column.distinct_exact && near(column.distinct.unwrap(), 4_043));
}
