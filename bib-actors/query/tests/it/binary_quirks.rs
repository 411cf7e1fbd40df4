//! Parquet and Arrow files as programs, accidents and attackers make them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Date64Array, Decimal128Array, Decimal256Array,
    DictionaryArray, DurationSecondArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array, Int64Array,
    Int64Builder, LargeStringArray, ListArray, ListBuilder, MapBuilder, NullArray, RecordBatch, StringArray,
    StringBuilder, StringViewArray, StructArray, StructBuilder, Time32MillisecondArray, Time64NanosecondArray,
    Time64NanosecondBuilder, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampSecondArray, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Int64Type, TimeUnit, UInt8Type, i256};
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
async fn fields_of_a_missing_struct_are_missing() {
    // Arrow leaves open what stands there
    let field = |name: &str, ty: DataType| Arc::new(Field::new(name, ty, true));
    let gaps = |valid: [bool; 3]| Some(NullBuffer::from(valid.to_vec()));
    let lat: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let inner_fields = Fields::from(vec![field("lat", DataType::Int64)]);
    let inner: ArrayRef = Arc::new(StructArray::new(inner_fields, vec![lat], gaps([true, true, false])));
    let fields = Fields::from(vec![field("spot", inner.data_type().clone())]);
    let place: ArrayRef = Arc::new(StructArray::new(fields, vec![inner], gaps([true, false, true])));
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let batch = RecordBatch::try_from_iter_with_nullable([("id", ids, false), ("place", place, true)]).unwrap();
    for (name, bytes) in [
        ("t.arrow", ipc(&batch, false, None)),
        ("t.arrows", ipc(&batch, true, None)),
        ("t.parquet", parquet(&batch, 9)),
    ] {
        let lab = Lab::one(name, &bytes);
        let rows =
            lab.rows("dataset(\"data/t\").map(r, {\"lat\": r.place.spot.lat, \"no\": r.place.spot == null})").await;
        assert_eq!(column(&rows, "lat"), [json!(1), json!(null), json!(null)], "{name}");
        assert_eq!(column(&rows, "no"), [false, true, true], "{name}");
        let rows = lab.rows("dataset(\"data/t\").filter(r, r.place.spot.lat > 1)").await;
        assert!(rows.is_empty(), "{name}: {rows:?}");
    }
}

#[tokio::test]
async fn maps_and_times_of_day_within_lists() {
    let mut maps = ListBuilder::new(MapBuilder::new(None, StringBuilder::new(), Int64Builder::new()));
    for (key, value) in [("b", Some(2)), ("a", None)] {
        maps.values().keys().append_value(key);
        maps.values().values().append_option(value);
    }
    maps.values().append(true).unwrap();
    maps.append(true);
    let mut clocks = ListBuilder::new(Time64NanosecondBuilder::new());
    clocks.append_value([Some(1)]);
    let columns: [(&str, ArrayRef); 2] = [("maps", Arc::new(maps.finish())), ("clocks", Arc::new(clocks.finish()))];
    let lab = Lab::one("t.arrow", &ipc(&RecordBatch::try_from_iter(columns).unwrap(), false, None));
    let rows = lab
        .rows(
            "dataset(\"data/t\").map(r, {\"first\": r.maps[0], \"all\": r.maps.filter(m, \"a\" in m), \
             \"b\": r.maps.map(m, m[\"b\"]), \"size\": size(r.clocks), \"clocks\": r.clocks})",
        )
        .await;
    assert_eq!(rows[0]["first"], json!({"a": null, "b": 2}));
    assert_eq!((&rows[0]["all"], &rows[0]["b"]), (&json!([{"a": null, "b": 2}]), &json!([2])));
    assert_eq!((&rows[0]["size"], rows[0]["clocks"].is_array()), (&json!(1), true));
    for (expression, what) in [
        ("r.clocks[0]", "looked up"),
        ("r.clocks.filter(c, true)", "made into a list"),
        ("r.clocks.exists(c, c == null)", "looked up"),
        ("has(r.clocks[0])", "looked up"),
        ("[1].map(x, r.clocks)", "made into a list"),
        ("r.clocks + r.clocks", "joined"),
        ("r.clocks == r.clocks", "compared"),
    ] {
        let message = lab.refusal(&format!("dataset(\"data/t\").map(r, {{\"x\": {expression}}})")).await;
        assert!(message.contains("can be selected, but not") && message.contains(what), "{expression}: {message}");
    }
}

#[tokio::test]
async fn fields_beside_a_time_of_day_within_lists() {
    let fields = Fields::from(vec![
        Field::new("at", DataType::Time64(TimeUnit::Nanosecond), true),
        Field::new("hr", DataType::Int64, true),
    ]);
    let mut readings = ListBuilder::new(StructBuilder::from_fields(fields, 2));
    for rate in [90, 120] {
        let reading = readings.values();
        reading.field_builder::<Time64NanosecondBuilder>(0).unwrap().append_value(1);
        reading.field_builder::<Int64Builder>(1).unwrap().append_value(rate);
        reading.append(true);
    }
    readings.append(true);
    let columns: [(&str, ArrayRef); 1] = [("readings", Arc::new(readings.finish()))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    for (name, bytes) in [("t.arrow", ipc(&batch, false, None)), ("t.parquet", parquet(&batch, 9))] {
        let lab = Lab::one(name, &bytes);
        let rows = lab
            .rows(
                "dataset(\"data/t\").map(r, {\"fast\": r.readings.exists(x, x != null && x.hr > 100), \
                 \"first\": r.readings[0].hr, \"all\": r.readings.map(x, x.hr), \"none\": r.readings[2] == null, \
                 \"here\": has(r.readings[1]), \"second\": r.readings[1][\"hr\"]})",
            )
            .await;
        let expected = json!({"fast": true, "first": 90, "all": [90, 120], "none": true, "here": true, "second": 120});
        assert_eq!(rows, [expected], "{name}");
        for (expression, what) in [
            ("r.readings[0]", "looked up"),
            ("r.readings[0].at", "looked up"),
            ("r.readings[0].at == null", "looked up"),
            ("coalesce(r.readings[0], r.readings[1])", "looked up"),
            ("true ? r.readings[0] : r.readings[1]", "looked up"),
            ("r.readings.exists(x, x.at == null)", "looked up"),
            ("r.readings.map(x, x.at)", "looked up"),
            ("r.readings.map(x, x)", "looked up"),
            ("r.readings.map(x, r.readings)", "made into a list"),
            ("r.readings.filter(x, x.hr > 100)", "made into a list"),
            ("[r.readings]", "made into a list"),
            ("r.readings[0] == r.readings[1]", "compared"),
        ] {
            let message = lab.refusal(&format!("dataset(\"data/t\").map(r, {{\"x\": {expression}}})")).await;
            assert!(message.contains("can be selected, but not") && message.contains(what), "{expression}: {message}");
        }
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
