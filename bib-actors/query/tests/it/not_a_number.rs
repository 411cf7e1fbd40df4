//! NaN in Parquet files, whose writers leave it out of the least and greatest value of a row group.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch};
use serde_json::Value;

use crate::parquet_files::parquet;
use crate::support::{Lab, column};

/// Row groups of three rows: numbers and a NaN, twice the same number and a NaN, numbers only.
const VALUES: [f64; 9] = [61.0, 70.0, f64::NAN, 5.0, 5.0, f64::NAN, 1.0, 2.0, 3.0];

fn lab() -> Lab {
    let mut values = VALUES;
    // with the sign that Arrow orders below all numbers
    values[5] = f64::NAN.copysign(-1.0);
    let singles = values.map(|value| value as f32);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Int64Array::from_iter_values(0..9))),
        ("x", Arc::new(Float64Array::from(values.to_vec()))),
        ("s", Arc::new(Float32Array::from(singles.to_vec()))),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    Lab::one("t.parquet", &parquet(&batch, 3))
}

#[tokio::test]
async fn no_row_group_with_it_is_skipped() {
    let lab = lab();
    for (condition, expected) in [
        ("x > 60.0", vec![0, 1]),
        ("!(x > 60.0)", vec![2, 3, 4, 5, 6, 7, 8]),
        ("x <= 60.0", vec![3, 4, 6, 7, 8]),
        ("!(x <= 60.0)", vec![0, 1, 2, 5]),
        ("!(x < 100.0)", vec![2, 5]),
        ("!(x >= 0.0)", vec![2, 5]),
        ("x != 5.0", vec![0, 1, 2, 5, 6, 7, 8]),
        ("x == 5.0", vec![3, 4]),
        ("!(x == 5.0)", vec![0, 1, 2, 5, 6, 7, 8]),
        ("!(x != 5.0)", vec![3, 4]),
        ("x in [5.0, 61.0]", vec![0, 3, 4]),
        ("!(x in [5.0])", vec![0, 1, 2, 5, 6, 7, 8]),
        ("!(x in [5.0, 7.0, 8.0, 9.0, 10.0])", vec![0, 1, 2, 5, 6, 7, 8]),
        ("(x == 5.0) == false", vec![0, 1, 2, 5, 6, 7, 8]),
        ("x > 60.0 ? false : true", vec![2, 3, 4, 5, 6, 7, 8]),
    ] {
        for name in ["x", "s"] {
            let condition = condition.replace('x', &format!("r.{name}"));
            let rows = lab.rows(&format!("dataset(\"data/t\").filter(r, {condition})")).await;
            assert_eq!(column(&rows, "n"), expected, "{condition}");
        }
    }
}

#[tokio::test]
async fn a_zero_is_no_other_zero() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Int64Array::from(vec![0, 1, 2]))),
        ("x", Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let lab = Lab::one("t.parquet", &parquet(&batch, 100));
    for (condition, expected) in
        [("r.x != 0.0", vec![2]), ("!(r.x == 0.0)", vec![2]), ("r.x == 0.0", vec![0, 1]), ("!(r.x in [0.0])", vec![2])]
    {
        let rows = lab.rows(&format!("dataset(\"data/t\").filter(r, {condition})")).await;
        assert_eq!(column(&rows, "n"), expected, "{condition}");
    }
}

#[tokio::test]
async fn what_it_does_not_fulfil_still_skips() {
    let lab = lab();
    for (condition, column) in [("r.x > 60.0", "x_max@"), ("r.x < 2.0", "x_min@"), ("r.x == 5.5", "x_max@")] {
        let expression = format!("dataset(\"data/t\").filter(r, {condition})");
        let plan = lab.engine.explain(&expression, &lab).await.unwrap().plan;
        let skips = plan.split("pruning_predicate=").nth(1).unwrap_or_default();
        assert!(skips.contains(column), "{condition}\n{plan}");
    }
    let none: Vec<Value> = Vec::new();
    assert_eq!(lab.rows("dataset(\"data/t\").filter(r, r.x > 500.0)").await, none);
}
