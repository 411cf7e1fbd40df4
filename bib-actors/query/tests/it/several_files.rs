//! Files that are read as one table: which fit together, and what is said of those that do not.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema};
use bib_query::View;
use serde_json::json;

use crate::binary_quirks::ipc;
use crate::parquet_files::parquet;
use crate::support::{Lab, column};

fn one(array: ArrayRef, nullable: bool) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("n", array.data_type().clone(), nullable)]);
    RecordBatch::try_new(Arc::new(schema), vec![array]).unwrap()
}

/// A file of a batch in each binary format.
fn formats(batch: &RecordBatch) -> [(&'static str, Vec<u8>); 3] {
    [("parquet", parquet(batch, 100)), ("arrow", ipc(batch, false, None)), ("arrows", ipc(batch, true, None))]
}

#[tokio::test]
async fn missing_values_in_one_of_them_make_no_difference() {
    let lab = Lab::new();
    lab.put("data/t", &[("a.csv", b"n,s\n1,x\n"), ("b.csv", b"n,s\nNA,y\n3,\n")]);
    let rows = lab.rows("dataset(\"data/t\")").await;
    assert_eq!(rows, [json!({"n": 1, "s": "x"}), json!({"n": null, "s": "y"}), json!({"n": 3, "s": null})]);
    let none = one(Arc::new(Int64Array::from(vec![1, 2])), false);
    let some = one(Arc::new(Int64Array::from(vec![Some(3), None])), true);
    for (first, second) in [(&none, &some), (&some, &none)] {
        for ((kind, first), (_, second)) in formats(first).iter().zip(&formats(second)) {
            lab.put("data/t", &[(&format!("a.{kind}"), first), (&format!("b.{kind}"), second)]);
            let rows = lab.rows("dataset(\"data/t\").sort(r, r.n)").await;
            assert_eq!(column(&rows, "n"), [json!(1), json!(2), json!(3), json!(null)], "{kind}");
            let rows = lab.rows("dataset(\"data/t\").filter(r, r.n == null).count()").await;
            assert_eq!(rows, [json!({"count": 1})], "{kind}");
        }
    }
}

#[tokio::test]
async fn other_types_are_named_with_both_files() {
    let narrow = one(Arc::new(Int32Array::from(vec![1])), true);
    let wide = one(Arc::new(Int64Array::from(vec![2])), true);
    for ((kind, narrow), (_, wide)) in formats(&narrow).iter().zip(&formats(&wide)) {
        let lab = Lab::new();
        lab.put("data/t", &[(&format!("a.{kind}"), narrow), (&format!("b.{kind}"), wide)]);
        let message = lab.refusal("dataset(\"data/t\")").await;
        let expected = format!(
            "\"a.{kind}\" and \"b.{kind}\" cannot be read as one table: column \"n\" is Int32 in the first and Int64 in \
             the second"
        );
        assert!(message.starts_with(&expected), "{message}");
        assert!(message.ends_with(&format!("= name one: dataset(\"data/t\", \"a.{kind}\")")), "{message}");
        let rows = lab.rows(&format!("dataset(\"data/t\", \"b.{kind}\")")).await;
        assert_eq!(column(&rows, "n"), [2], "{kind}");
    }
}

/// One row with a list in an object; `x` may be missing where `nullable` says so, and the list's items are called `item`.
fn nested(item: &str, nullable: bool, x: Option<i64>) -> RecordBatch {
    let values: ArrayRef = Arc::new(Int64Array::from(vec![x]));
    let described = std::iter::once(("made by".to_owned(), item.to_owned())).collect();
    let items = Arc::new(Field::new(item, DataType::Int64, nullable).with_metadata(described));
    let list: ArrayRef = Arc::new(ListArray::new(items, OffsetBuffer::from_lengths([1]), Arc::clone(&values), None));
    let fields = Fields::from(vec![
        Field::new("x", DataType::Int64, nullable),
        Field::new("l", list.data_type().clone(), false),
    ]);
    one(Arc::new(StructArray::new(fields, vec![values, list], None)), false)
}

#[tokio::test]
async fn what_is_said_of_fields_within_makes_no_difference() {
    let (one, other) = (nested("item", false, Some(1)), nested("element", true, None));
    for stream in [false, true] {
        for (first, second) in [(&one, &other), (&other, &one)] {
            let lab = Lab::new();
            let [a, b] = if stream { ["a.arrows", "b.arrows"] } else { ["a.arrow", "b.arrow"] };
            lab.put("data/t", &[(a, &ipc(first, stream, None)), (b, &ipc(second, stream, None))]);
            let rows = lab.rows("dataset(\"data/t\").map(r, {\"x\": r.n.x, \"l\": r.n.l}).sort(r, r.x)").await;
            assert_eq!(rows, [json!({"x": 1, "l": [1]}), json!({"x": null, "l": [null]})], "{stream}");
        }
    }
}

#[tokio::test]
async fn the_first_file_that_does_not_fit_to_those_before_it_is_named() {
    let with = |y: Option<ArrayRef>| {
        let x: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let columns = std::iter::once(("x", x)).chain(y.map(|y| ("y", y)));
        let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) =
            columns.map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array)).unzip();
        one(Arc::new(StructArray::new(Fields::from(fields), arrays, None)), true)
    };
    let files = [
        with(None),
        with(Some(Arc::new(Int64Array::from(vec![2])))),
        with(Some(Arc::new(StringArray::from(vec!["z"])))),
    ];
    let [a, b, c] = files.map(|batch| parquet(&batch, 100));
    let lab = Lab::new();
    lab.put("data/t", &[("a.parquet", &a), ("b.parquet", &b), ("c.parquet", &c)]);
    let message = lab.refusal("dataset(\"data/t\")").await;
    assert!(
        message.starts_with("\"b.parquet\" and \"c.parquet\" cannot be read as one table: column \"n\""),
        "{message}"
    );
}

#[tokio::test]
async fn nested_keys_of_all_files_are_there() {
    let lab = Lab::new();
    lab.put(
        "data/t",
        &[
            ("a.jsonl", br#"{"id":1,"place":{"name":"Berlin","lat":null,"floor":1}}"#),
            ("b.jsonl", br#"{"id":2,"place":{"lat":52.5,"lon":13.4,"floor":0.5}}"#),
            ("c.jsonl", br#"{"id":3,"place":{"name":7}}"#),
        ],
    );
    for _ in 0..2 {
        let rows = lab
            .rows("dataset(\"data/t\").map(r, {\"id\": r.id, \"lon\": r.place.lon, \"lat\": r.place.lat, \"floor\": r.place.floor, \"name\": r.place.name})")
            .await;
        assert_eq!(
            rows,
            [
                json!({"id": 1, "lon": null, "lat": null, "floor": 1.0, "name": "Berlin"}),
                json!({"id": 2, "lon": 13.4, "lat": 52.5, "floor": 0.5, "name": null}),
                json!({"id": 3, "lon": null, "lat": null, "floor": null, "name": "7"}),
            ]
        );
    }
    lab.put("data/u", &[("a.jsonl", br#"{"x":{"y":[1]}}"#), ("b.jsonl", br#"{"x":{"y":{"z":1}}}"#)]);
    let message = lab.refusal("dataset(\"data/u\")").await;
    assert!(message.starts_with("\"b.jsonl\" does not fit together with \"a.jsonl\": it has an object"), "{message}");
}

/// Files of many row groups, so that several cores have something to read.
fn many() -> Lab {
    let rows = 200_000;
    let noise: Vec<String> =
        (0..rows).map(|n: i64| format!("{:016x}", n.wrapping_mul(0x5851_f42d_4c95_7f2d))).collect();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("n", Arc::new(Int64Array::from_iter_values(0..rows))), ("s", Arc::new(StringArray::from(noise)))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    assert_eq!(batch.column(1).data_type(), &DataType::Utf8);
    Lab::one("t.parquet", &parquet(&batch, 5_000))
}

#[tokio::test]
async fn a_limit_takes_the_first_rows_whatever_comes_behind_it() {
    let lab = many();
    for (steps, expected) in [
        (".limit(6000).aggregate(r, {}, {\"x\": max(r.n)})", 5_999),
        (".offset(190000).aggregate(r, {}, {\"x\": min(r.n)})", 190_000),
        (".offset(7).limit(20).sort(r, r.n, \"desc\").limit(1).map(r, {\"x\": r.n})", 26),
        (".select(\"n\").limit(6000).distinct().aggregate(r, {}, {\"x\": max(r.n)})", 5_999),
        (".filter(r, size(r.s) > 3).limit(6000).aggregate(r, {}, {\"x\": max(r.n)})", 5_999),
    ] {
        let rows = lab.rows(&format!("dataset(\"data/t\"){steps}")).await;
        assert_eq!(column(&rows, "x"), [expected], "{steps}");
    }
    // what is counted and described is what the pages show
    let view = View { filter: "r.n < 100".to_owned(), ..View::of("dataset(\"data/t\").limit(6000)") };
    let page = lab.engine.page(&view, 0, 10, None, &lab).await.unwrap();
    assert_eq!((page.matches, page.total), (100, 6_000));
    let described = lab.engine.statistics(&View::of("dataset(\"data/t\").limit(6000)"), None, &lab).await.unwrap();
    assert_eq!((described.rows, described.columns[0].max.as_deref()), (6_000, Some("5999")));
    let of_ties = View::of("dataset(\"data/t\").sort(r, r.n / 1000000).limit(6000)");
    let described = lab.engine.statistics(&of_ties, None, &lab).await.unwrap();
    assert_eq!(described.columns[0].max.as_deref(), Some("5999"));
}
