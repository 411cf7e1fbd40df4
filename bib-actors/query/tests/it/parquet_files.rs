//! Parquet and Arrow files: types of the data, damaged files, reading little.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, DictionaryArray, Float32Array, Int16Array, Int64Array, ListArray, RecordBatch,
    StringArray, Time64MicrosecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::json;

use crate::support::{Lab, column};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

pub(crate) fn parquet(batch: &RecordBatch, rows_per_group: usize) -> Vec<u8> {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows_per_group)).build();
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    out
}

fn odd() -> RecordBatch {
    batch(vec![
        ("small", Arc::new(Int16Array::from(vec![Some(30_000), None, Some(-5)]))),
        ("big", Arc::new(UInt64Array::from(vec![1, 2, 3]))),
        ("single", Arc::new(Float32Array::from(vec![0.5, 1.5, 2.5]))),
        ("money", Arc::new(Decimal128Array::from(vec![150, 250, 350]).with_precision_and_scale(10, 2).unwrap())),
        ("word", Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("a"), Some("b"), None]))),
        ("at", Arc::new(TimestampNanosecondArray::from(vec![0, 1_000_000_000, 2_000_000_000]))),
        ("clock", Arc::new(Time64MicrosecondArray::from(vec![1, 2, 3]))),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([
                Some(vec![Some(1), Some(2)]),
                None,
                Some(vec![None]),
            ])),
        ),
    ])
}

#[tokio::test]
async fn narrow_and_odd_types() {
    for (name, bytes) in
        [("t.parquet", parquet(&odd(), 100)), ("t.arrow", arrow_file(&odd())), ("t.arrows", stream(&odd()))]
    {
        let lab = Lab::one(name, &bytes);
        let rows = lab
            .rows(
                "dataset(\"data/t\").map(r, {\"x\": r.small * 2, \"b\": r.big + 1, \"s\": r.single + 0.25, \"m\": r.money * 2.0, \
                 \"w\": r.word == \"a\", \"up\": r.word.upperAscii(), \"y\": r.at.getSeconds(), \"clock\": r.clock, \
                 \"n\": size(r.list), \"small\": r.small})",
            )
            .await;
        assert_eq!(column(&rows, "x"), [json!(60_000), json!(null), json!(-10)], "{name}");
        assert_eq!(column(&rows, "b"), [2, 3, 4], "{name}");
        assert_eq!(column(&rows, "s"), [0.75, 1.75, 2.75], "{name}");
        assert_eq!(column(&rows, "m"), [3.0, 5.0, 7.0], "{name}");
        assert_eq!(column(&rows, "w"), [json!(true), json!(false), json!(null)], "{name}");
        assert_eq!(column(&rows, "up"), [json!("A"), json!("B"), json!(null)], "{name}");
        assert_eq!(column(&rows, "y"), [0, 1, 2], "{name}");
        assert_eq!(column(&rows, "n"), [json!(2), json!(null), json!(1)], "{name}");
        let filters = [
            "r.small > 100",
            "r.money == 1.5",
            "r.word in [\"a\"]",
            "r.at < timestamp(\"1970-01-01T00:00:01Z\")",
            "2 in r.list",
        ];
        for filter in filters {
            let rows = lab.rows(&format!("dataset(\"data/t\").filter(r, {filter}).select(\"big\")")).await;
            assert_eq!(column(&rows, "big"), [1], "{name} {filter}");
        }
        let groups =
            lab.rows("dataset(\"data/t\").aggregate(r, {\"w\": r.word}, {\"n\": max(r.small)}).sort(g, g.w)").await;
        assert_eq!(groups.len(), 3, "{name}");
        let message = lab.refusal("dataset(\"data/t\").filter(r, r.clock == 5)").await;
        assert!(message.contains("cannot be compared"), "{message}");
    }
}

fn arrow_file(batch: &RecordBatch) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = FileWriter::try_new(&mut out, &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    out
}

fn stream(batch: &RecordBatch) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = StreamWriter::try_new(&mut out, &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    out
}

fn refusal(name: &str, bytes: &[u8]) -> String {
    match Lab::new().put("data/t", &[(name, bytes)]).remove(0) {
        (_, Err(error)) => error.to_string(),
        other => panic!("was not refused: {other:?}"),
    }
}

#[test]
fn files_that_were_cut_off() {
    let whole = parquet(&odd(), 100);
    for length in [4, 11, 100, whole.len() / 2, whole.len() - 1] {
        assert_eq!(
            refusal("t.parquet", &whole[..length]),
            "t.parquet cannot be queried as a table: it does not end as a Parquet file does, so it was cut off; copy or \
             write it again"
        );
    }
    let whole = arrow_file(&odd());
    for length in [10, 200, whole.len() - 5] {
        let message = refusal("t.arrow", &whole[..length]);
        assert!(message.starts_with("t.arrow cannot be queried as a table: it"), "{message}");
    }
    let message = refusal("t.arrow", &stream(&odd())[..150]);
    assert!(message.starts_with("t.arrow cannot be queried as a table: it"), "{message}");
}

#[test]
fn footers_that_lie() {
    let whole = parquet(&odd(), 100);
    let footer = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    // the data is gone, the footer still points at it
    let mut hollow = b"PAR1".to_vec();
    hollow.extend_from_slice(&whole[whole.len() - 8 - footer..]);
    let message = refusal("t.parquet", &hollow);
    assert!(message.contains("outside of the file"), "{message}");
    // every single damaged byte of the footer: an error or a table, never a panic
    for at in (whole.len() - 8 - footer..whole.len()).step_by(3) {
        let mut hurt = whole.clone();
        hurt[at] ^= 0xff;
        let _ = Lab::new().put("data/t", &[("t.parquet", &hurt)]);
    }
}

#[tokio::test]
async fn damaged_pages_are_an_error_of_the_file() {
    let batch = batch(vec![("n", Arc::new(Int64Array::from_iter_values(0..50_000)) as ArrayRef)]);
    let mut bytes = parquet(&batch, 100_000);
    let middle = bytes.len() / 3;
    bytes[4..middle].fill(0xaa);
    let lab = Lab::one("t.parquet", &bytes);
    let error = lab.try_rows("dataset(\"data/t\").filter(r, r.n % 2 == 0)").await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, bib_query::QueryError::Data { .. }), "{error:?}");
    assert!(text.contains("cannot be read") && text.contains("damaged"), "{text}");
}

#[tokio::test]
async fn a_selective_query_reads_little() {
    // noise does not compress, so bytes read are rows read
    let noise: Vec<String> = (0..40_000_u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let batch = batch(vec![
        ("n", Arc::new(Int64Array::from_iter_values(0..40_000))),
        ("noise", Arc::new(StringArray::from(noise))),
        (
            "more",
            Arc::new(Int64Array::from_iter_values((0..40_000_i64).map(|n| n.wrapping_mul(0x5851_f42d_4c95_7f2d)))),
        ),
    ]);
    let bytes = parquet(&batch, 2_000);
    let lab = Lab::one("t.parquet", &bytes);
    let read = |expression: &'static str| {
        let lab = &lab;
        async move {
            let result = lab.engine.query(expression, None, None, lab).await.unwrap();
            let stats = result.stats.clone();
            let batches: Vec<RecordBatch> = futures::TryStreamExt::try_collect(result.stream).await.unwrap();
            assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>() as u64, stats.rows());
            (stats.bytes_read(), stats.rows())
        }
    };
    let (all, rows) = read("dataset(\"data/t\")").await;
    assert_eq!(rows, 40_000);
    assert!(all as usize > bytes.len() / 2);
    let (few, rows) = read("dataset(\"data/t\").filter(r, r.n > 20000 && r.n <= 20100.0)").await;
    assert_eq!(rows, 100);
    assert!(few * 10 < all, "{few} of {all} bytes for one row group");
    let (one, _) = read("dataset(\"data/t\").select(\"n\")").await;
    assert!(one * 2 < all, "{one} of {all} bytes for one column");
}
