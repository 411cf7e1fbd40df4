//! Parquet and Arrow files as programs, accidents and attackers make them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Date64Array, Decimal128Array, Decimal256Array, DictionaryArray,
    DurationSecondArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array, Int64Array, LargeStringArray,
    ListArray, NullArray, RecordBatch, StringArray, StringViewArray, Time32MillisecondArray, Time64NanosecondArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampSecondArray, UInt64Array,
};
use arrow::datatypes::{Int32Type, Int64Type, UInt8Type, i256};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use serde_json::json;

use crate::parquet_files::parquet;
use crate::support::{Lab, column};

fn refusal(name: &str, bytes: &[u8]) -> String {
    match Lab::new().put("data/t", &[(name, bytes)]).remove(0) {
        (_, Err(error)) => error.to_string(),
        other => panic!("was not refused: {other:?}"),
    }
}

pub(crate) fn ipc(batch: &RecordBatch, stream: bool, packing: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(packing).unwrap();
    let mut out = Vec::new();
    if stream {
        let mut writer = StreamWriter::try_new_with_options(&mut out, &batch.schema(), options).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap();
    } else {
        let mut writer = FileWriter::try_new_with_options(&mut out, &batch.schema(), options).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap();
    }
    out
}

fn every_type() -> RecordBatch {
    let words: DictionaryArray<Int32Type> = [Some("a"), None].into_iter().collect();
    let small: DictionaryArray<UInt8Type> = ["x", "y"].into_iter().collect();
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]);
    let fixed = FixedSizeBinaryArray::try_from_iter([b"abcd", b"efgh"].into_iter()).unwrap();
    let micros = || TimestampMicrosecondArray::from(vec![Some(1_700_000_000_000_000), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("bool", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("tiny", Arc::new(Int8Array::from(vec![-1, 2]))),
        ("unsigned", Arc::new(UInt64Array::from(vec![1, u64::MAX]))),
        ("single", Arc::new(Float32Array::from(vec![0.5, f32::NAN]))),
        ("double", Arc::new(Float64Array::from(vec![0.5, f64::INFINITY]))),
        ("money", Arc::new(Decimal128Array::from(vec![150, 250]).with_precision_and_scale(10, 2).unwrap())),
        (
            "huge",
            Arc::new(
                Decimal256Array::from(vec![i256::from_i128(5), i256::from_i128(-5)])
                    .with_precision_and_scale(60, 3)
                    .unwrap(),
            ),
        ),
        ("text", Arc::new(LargeStringArray::from(vec![Some("a"), None]))),
        ("view", Arc::new(StringViewArray::from(vec![Some("a longer text than fits inline"), None]))),
        ("bytes", Arc::new(BinaryArray::from(vec![&b"\xff\x00"[..], b""]))),
        ("fixed", Arc::new(fixed)),
        ("day", Arc::new(Date32Array::from(vec![0, -1]))),
        ("day64", Arc::new(Date64Array::from(vec![0, 86_400_000]))),
        ("plain", Arc::new(micros())),
        ("utc", Arc::new(micros().with_timezone("UTC"))),
        ("zone", Arc::new(micros().with_timezone("Europe/Zurich"))),
        ("offset", Arc::new(TimestampMillisecondArray::from(vec![Some(0), None]).with_timezone("+05:30"))),
        ("seconds", Arc::new(TimestampSecondArray::from(vec![Some(0), None]))),
        ("clock32", Arc::new(Time32MillisecondArray::from(vec![1, 2]))),
        ("clock64", Arc::new(Time64NanosecondArray::from(vec![1, 2]))),
        ("span", Arc::new(DurationSecondArray::from(vec![1, 2]))),
        ("nothing", Arc::new(NullArray::new(2))),
        ("word", Arc::new(words)),
        ("small", Arc::new(small)),
        ("list", Arc::new(list)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

#[tokio::test]
async fn every_type_can_be_read_and_used() {
    let batch = every_type();
    let packed = Some(CompressionType::ZSTD);
    for (name, bytes) in [
        ("t.parquet", parquet(&batch, 100)),
        ("t.arrow", ipc(&batch, false, None)),
        ("t.arrows", ipc(&batch, true, packed)),
        ("t.feather", ipc(&batch, false, Some(CompressionType::LZ4_FRAME))),
    ] {
        let lab = Lab::one(name, &bytes);
        let rows = lab.rows("dataset(\"data/t\")").await;
        assert_eq!(rows.len(), 2, "{name}");
        let rows = lab
            .rows(
                "dataset(\"data/t\").filter(r, r.zone == timestamp(\"2023-11-14T22:13:20Z\") && r.zone == r.utc && r.plain == r.utc)\
                 .map(r, {\"hour\": r.zone.getHours(), \"m\": r.money + double(r.huge), \"w\": r.word + r.small, \"zone\": r.zone, \
                 \"o\": r.offset, \"n\": r.nothing, \"l\": size(r.list)})",
            )
            .await;
        assert_eq!(rows.len(), 1, "{name}");
        assert_eq!(rows[0]["hour"], 22, "{name}: times are in UTC");
        assert_eq!((&rows[0]["m"], &rows[0]["w"], &rows[0]["l"]), (&json!(1.505), &json!("ax"), &json!(2)), "{name}");
        let sorted = lab.rows("dataset(\"data/t\").sort(r, r.zone, \"desc\", r.tiny).select(\"tiny\")").await;
        assert_eq!(column(&sorted, "tiny").len(), 2, "{name}");
        let groups = lab
            .rows("dataset(\"data/t\").aggregate(r, {\"z\": r.zone}, {\"last\": max(r.zone), \"n\": count()})")
            .await;
        assert_eq!(groups.len(), 2, "{name}");
    }
}

#[tokio::test]
async fn empty_tables() {
    let none = every_type().slice(0, 0);
    for (name, bytes) in
        [("t.parquet", parquet(&none, 100)), ("t.arrow", ipc(&none, false, None)), ("t.arrows", ipc(&none, true, None))]
    {
        let lab = Lab::one(name, &bytes);
        assert!(lab.rows("dataset(\"data/t\")").await.is_empty(), "{name}");
        assert_eq!(lab.rows("dataset(\"data/t\").count()").await, [json!({"count": 0})], "{name}");
    }
}

#[test]
fn names_that_are_there_twice() {
    let one: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter([("a", Arc::clone(&one)), ("b", Arc::clone(&one)), ("a", one)]).unwrap();
    for (name, bytes) in [("t.arrow", ipc(&batch, false, None)), ("t.parquet", parquet(&batch, 100))] {
        let message = refusal(name, &bytes);
        assert!(message.contains("two columns with the name \"a\", the second is column 3"), "{message}");
    }
}

#[test]
fn footers_that_lie_about_their_length() {
    let whole = parquet(&every_type(), 100);
    for length in [u32::MAX, i32::MAX as u32, whole.len() as u32 - 11] {
        let mut hurt = whole.clone();
        let at = hurt.len() - 8;
        hurt[at..at + 4].copy_from_slice(&length.to_le_bytes());
        let message = refusal("t.parquet", &hurt);
        assert!(message.contains(&format!("its footer says that it is {length} bytes long")), "{message}");
    }
    let mut short = whole;
    let at = short.len() - 8;
    short[at..at + 4].copy_from_slice(&0_u32.to_le_bytes());
    assert!(refusal("t.parquet", &short).contains("its footer is damaged"));
}

#[tokio::test]
async fn files_that_cannot_be_looked_into_say_why() {
    for (name, bytes, word) in [
        ("t.parquet", &b"PARE\x01\x02\x03\x04PARE"[..], "encrypted"),
        ("t.csv.gz", b"\x1f\x8b\x08\x00", "gunzip"),
        ("t.json", b"[{\"a\":1}]", "jq -c"),
        ("t.xlsx", b"PK\x03\x04", "save it as CSV"),
    ] {
        let lab = Lab::new();
        let told = lab.put("data/t", &[(name, bytes)]).remove(0);
        assert!(matches!(told.1, Ok(false)), "{told:?}");
        let message = lab.refusal("dataset(\"data/t\")").await;
        assert!(message.contains(word), "{message}");
        let message = lab.refusal(&format!("dataset(\"data/t\", \"{name}\")")).await;
        assert!(message.contains(word), "{message}");
    }
}

/// Puts `new` in the place of the last `old`; one before it is the end of a text, not the length of a buffer.
fn patch(bytes: &[u8], old: i64, new: i64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = bytes.windows(8).rposition(|window| window == old.to_le_bytes()).unwrap();
    bytes[at..at + 8].copy_from_slice(&new.to_le_bytes());
    bytes
}

#[test]
fn arrow_messages_that_claim_too_much() {
    let text = StringArray::from(vec!["0".repeat(1_234_567)]);
    let batch = RecordBatch::try_from_iter([("a", Arc::new(text) as ArrayRef)]).unwrap();
    for packing in [CompressionType::ZSTD, CompressionType::LZ4_FRAME] {
        for (name, stream) in [("t.arrows", true), ("t.arrow", false)] {
            let whole = ipc(&batch, stream, Some(packing));
            Lab::one(name, &whole);
            for (claim, word) in [(1 << 40, "unpacks to"), (i64::MAX, "unpacks to"), (1_234_568, "Arrow file")] {
                let message = refusal(name, &patch(&whole, 1_234_567, claim));
                assert!(message.contains(word), "{name} {claim}: {message}");
            }
        }
    }
    let many = RecordBatch::try_from_iter([("n", Arc::new(NullArray::new(1 << 40)) as ArrayRef)]).unwrap();
    for (name, stream) in [("t.arrows", true), ("t.arrow", false)] {
        let message = refusal(name, &ipc(&many, stream, None));
        assert!(message.contains("1099511627776 rows, and 67108864 are allowed"), "{message}");
    }
}

#[tokio::test]
async fn damage_anywhere_is_an_error_or_a_table() {
    let batch = every_type();
    for (name, whole) in [
        ("t.parquet", parquet(&batch, 1)),
        ("t.arrow", ipc(&batch, false, Some(CompressionType::LZ4_FRAME))),
        ("t.arrows", ipc(&batch, true, None)),
    ] {
        for step in 0..120 {
            let mut hurt = whole.clone();
            let at = step * whole.len() / 120;
            hurt[at] ^= [0xff, 0x80, 0x01][step % 3];
            if step % 5 == 0 {
                hurt.truncate(at);
            }
            let lab = Lab::new();
            if let Ok(true) = lab.put("data/t", &[(name, &hurt)]).remove(0).1 {
                let _ = lab.try_rows("dataset(\"data/t\")").await.map_err(|error| error.to_string());
            }
        }
    }
}
