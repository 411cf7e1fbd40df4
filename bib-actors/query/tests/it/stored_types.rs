//! Columns whose type in the data holds more or less than the language computes with: unsigned numbers of 64 bits, coarse
//! times, times of 96 bits.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray, TimestampSecondArray, UInt64Array};
use bib_query::View;
use parquet::data_type::{Int96, Int96Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use crate::parquet_files::parquet;
use crate::support::{Lab, column};

fn table(columns: Vec<(&str, ArrayRef)>, rows_per_group: usize) -> Lab {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    Lab::one("t.parquet", &parquet(&batch, rows_per_group))
}

#[tokio::test]
async fn whole_numbers_beyond_63_bits_are_null() {
    let lab = table(
        vec![
            ("n", Arc::new(Int64Array::from_iter_values(0..4))),
            ("u", Arc::new(UInt64Array::from(vec![Some(1), Some(u64::MAX), None, Some(7)]))),
        ],
        2,
    );
    let rows = lab.rows("dataset(\"data/t\").map(r, {\"x\": r.u + 1})").await;
    assert_eq!(column(&rows, "x"), [json!(2), json!(null), json!(null), json!(8)]);
    for (condition, expected) in [
        ("r.u > 5", vec![3]),
        ("5 < r.u", vec![3]),
        ("r.u < 5", vec![0]),
        ("r.u == 7", vec![3]),
        ("r.u != 7", vec![0]),
        ("!(r.u < 5)", vec![3]),
        ("!(r.u > 5)", vec![0]),
        ("r.u >= -1", vec![0, 3]),
        ("r.u > 5.0", vec![3]),
        ("r.u > 1.5", vec![3]),
        ("r.u in [1, 2]", vec![0]),
        ("r.u + 0 == null", vec![1, 2]),
        ("r.u == null", vec![2]),
    ] {
        let rows = lab.rows(&format!("dataset(\"data/t\").filter(r, {condition})")).await;
        assert_eq!(column(&rows, "n"), expected, "{condition}");
    }
    let rows = lab
        .rows("dataset(\"data/t\").aggregate(r, {}, {\"sum\": sum(r.u), \"most\": max(r.u), \"values\": count(r.u)})")
        .await;
    assert_eq!(rows, [json!({"sum": 8, "most": 7, "values": 3})]);
    let described = lab.engine.statistics(&View::of("dataset(\"data/t\")"), None, &lab).await.unwrap();
    assert_eq!((described.columns[1].nulls, described.columns[1].max.as_deref()), (1, Some("7")));
    let explained = lab.engine.explain("dataset(\"data/t\").filter(r, r.u == 7)", &lab).await.unwrap().plan;
    let skips = explained.split("pruning_predicate=").nth(1).unwrap_or_default();
    assert!(skips.contains("u_max@"), "scans skip by them\n{explained}");
}

#[tokio::test]
async fn a_time_between_two_of_the_column_is_not_cut() {
    // one second before and behind 1970, and half a second on
    let lab = table(
        vec![
            ("n", Arc::new(Int64Array::from_iter_values(0..4))),
            ("ms", Arc::new(TimestampMillisecondArray::from(vec![Some(-1_000), Some(1_000), Some(1_500), None]))),
            ("s", Arc::new(TimestampSecondArray::from(vec![Some(-1), Some(1), Some(2), None]).with_timezone("UTC"))),
        ],
        2,
    );
    let time = |text: &str| format!("timestamp(\"{text}\")");
    // half a millisecond behind the second row
    let (late, early) = (time("1970-01-01T00:00:01.0005Z"), time("1969-12-31T23:59:58.9995Z"));
    for (condition, expected) in [
        (format!("r.ms == {late}"), vec![]),
        (format!("r.ms != {late}"), vec![0, 1, 2]),
        (format!("!(r.ms == {late})"), vec![0, 1, 2]),
        (format!("r.ms >= {late}"), vec![2]),
        (format!("r.ms > {late}"), vec![2]),
        (format!("r.ms < {late}"), vec![0, 1]),
        (format!("r.ms <= {late}"), vec![0, 1]),
        (format!("{late} > r.ms"), vec![0, 1]),
        (format!("{late} <= r.ms"), vec![2]),
        (format!("r.ms in [{late}]"), vec![]),
        (format!("r.ms in [{late}, {}]", time("1970-01-01T00:00:01Z")), vec![1]),
        (format!("r.ms <= {early}"), vec![]),
        (format!("r.ms > {early}"), vec![0, 1, 2]),
        (format!("r.ms >= {} + duration(\"500us\")", time("1970-01-01T00:00:01Z")), vec![2]),
        (format!("r.ms == {} + duration(\"500us\")", time("1970-01-01T00:00:01Z")), vec![]),
        (format!("r.ms >= {}", time("1970-01-01T00:00:01Z")), vec![1, 2]),
        (format!("r.s < {late}"), vec![0, 1]),
        (format!("r.s >= {late}"), vec![2]),
        (format!("r.s == {late}"), vec![]),
        (format!("r.s > {early}"), vec![0, 1, 2]),
    ] {
        let rows = lab.rows(&format!("dataset(\"data/t\").filter(r, {condition})")).await;
        assert_eq!(column(&rows, "n"), expected, "{condition}");
    }
    let expression = format!("dataset(\"data/t\").filter(r, r.ms >= {late})");
    let plan = lab.engine.explain(&expression, &lab).await.unwrap().plan;
    let skips = plan.split("pruning_predicate=").nth(1).unwrap_or_default();
    assert!(skips.contains("ms_max@"), "scans skip by them\n{plan}");
}

/// Midnight of a day since 1970, as old programs write it.
fn midnight(day: i64) -> Int96 {
    let mut time = Int96::new();
    time.set_data(0, 0, u32::try_from(day + 2_440_588).unwrap());
    time
}

#[tokio::test]
async fn times_of_96_bits_reach_over_all_years() {
    let schema = Arc::new(parse_message_type("message t { REQUIRED INT96 at; }").unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::default())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut values = group.next_column().unwrap().unwrap();
    // the years 1600, 1970 and 2500
    values.typed::<Int96Type>().write_batch(&[midnight(-135_140), midnight(0), midnight(193_579)], None, None).unwrap();
    values.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let lab = Lab::one("t.parquet", &bytes);
    let rows =
        lab.rows("dataset(\"data/t\").map(r, {\"year\": r.at.getFullYear(), \"day\": string(date(r.at))})").await;
    assert_eq!(column(&rows, "day"), ["1600-01-01", "1970-01-01", "2500-01-01"]);
    assert_eq!(column(&rows, "year"), [1600, 1970, 2500]);
    let rows = lab.rows("dataset(\"data/t\").filter(r, r.at > timestamp(\"2300-01-01T00:00:00Z\")).count()").await;
    assert_eq!(rows, [json!({"count": 1})]);
}
