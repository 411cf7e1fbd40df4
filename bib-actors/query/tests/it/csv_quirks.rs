//! CSV files as programs and accidents make them: every one is taken as what it is, or refused with its place.

use bib_query::DetectError;
use serde_json::json;

use crate::support::{Lab, column};

fn told(bytes: &[u8]) -> Result<bool, DetectError> {
    Lab::new().put("data/t", &[("t.csv", bytes)]).remove(0).1
}

fn refusal(bytes: &[u8]) -> String {
    told(bytes).expect_err("was not refused").to_string()
}

async fn types(lab: &Lab) -> Vec<String> {
    let explained = lab.engine.explain("dataset(\"data/t\")", lab).await.unwrap();
    explained.schema.fields().iter().map(|field| field.data_type().to_string()).collect()
}

#[test]
fn nul_bytes_are_named_with_their_line() {
    let message = refusal(b"a,b\n1,2\n3,\0\n");
    assert!(message.starts_with("line 3 of t.csv has a NUL byte, so it is not text"), "{message}");
    // what a crash leaves behind a file that was being written
    let mut bytes = b"a,b\n1,2\n".to_vec();
    bytes.resize(300_000, 0);
    assert!(refusal(&bytes).starts_with("line 3 of t.csv has a NUL byte"));
}

#[test]
fn wide_encodings_are_named_with_and_without_a_mark() {
    let text = "name,value\nZürich,1\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert!(refusal(&little).contains("`iconv -f UTF-16LE -t UTF-8`"));
    assert!(refusal(&big).contains("`iconv -f UTF-16BE -t UTF-8`"));
    assert!(refusal(&[b"\xff\xfe".to_vec(), little].concat()).contains("`iconv -f UTF-16 -t UTF-8`"));
}

#[tokio::test]
async fn five_thousand_columns() {
    let names: Vec<String> = (0..5_000).map(|n| format!("c{n}")).collect();
    let mut text = names.join(",") + "\n";
    for row in 0..600 {
        let values: Vec<String> = (0..5_000).map(|n| (n * row).to_string()).collect();
        text.push_str(&(values.join(",") + "\n"));
    }
    let lab = Lab::one("t.csv", text.as_bytes());
    let rows = lab.rows("dataset(\"data/t\").filter(r, r.c4999 == 4999 * 599).select(\"c0\", \"c1\", \"c4998\")").await;
    assert_eq!(rows, [json!({"c0": 0, "c1": 599, "c4998": 4998 * 599})]);
    let rows = lab.rows("dataset(\"data/t\").limit(3)").await;
    assert_eq!(rows[2]["c4999"], 9_998);
    let wide = (0..10_001).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",");
    let message = refusal(wide.as_bytes());
    assert!(message.contains("10001 fields, a table has at most 10000 columns"), "{message}");
}

#[test]
fn a_line_of_a_hundred_megabytes() {
    let mut bytes = b"a,b\n1,2\n".to_vec();
    bytes.resize(100 << 20, b'x');
    let message = refusal(&bytes);
    assert!(message.contains("begins at line 3") && message.contains("line breaks are missing"), "{message}");
}

#[tokio::test]
async fn a_column_of_ints_that_becomes_text_after_many_rows() {
    let mut text = "id,code\n".to_owned();
    (0..110_000).for_each(|n| text.push_str(&format!("{n},{n}\n")));
    text.push_str("110000,A7\n");
    let lab = Lab::one("t.csv", text.as_bytes());
    assert_eq!(types(&lab).await, ["Int64", "Utf8"]);
    let rows = lab.rows("dataset(\"data/t\").filter(r, r.code == \"A7\" || r.code == \"109999\")").await;
    assert_eq!(column(&rows, "id"), [109_999, 110_000]);
}

#[tokio::test]
async fn words_for_missing_values() {
    let lab = Lab::one("t.csv", b"n,day,name\n1,2013-01-31,Null\nNULL,null,NA\nN/A,\\N,\n-4,None,None\n");
    assert_eq!(types(&lab).await, ["Int64", "Date32", "Utf8"]);
    let rows = lab.rows("dataset(\"data/t\")").await;
    assert_eq!(column(&rows, "n"), [json!(1), json!(null), json!(null), json!(-4)]);
    assert_eq!(column(&rows, "day"), [json!("2013-01-31"), json!(null), json!(null), json!(null)]);
    assert_eq!(column(&rows, "name"), [json!("Null"), json!(null), json!(null), json!("None")], "texts stay texts");
}

#[tokio::test]
async fn numbers_of_other_countries_are_texts_that_can_be_converted() {
    let lab = Lab::one("t.csv", b"a;b\n1.234,5;1,5\n-2,25;0\n");
    assert_eq!(types(&lab).await, ["Utf8", "Utf8"]);
    let rows =
        lab.rows("dataset(\"data/t\").map(r, {\"a\": double(r.a.replace(\".\", \"\").replace(\",\", \".\"))})").await;
    assert_eq!(column(&rows, "a"), [1234.5, -2.25]);
    let lab = Lab::one("t.csv", b"a,b\n\"1,234\",x\n");
    assert_eq!(
        lab.rows("dataset(\"data/t\").map(r, {\"a\": int(r.a.replace(\",\", \"\"))})").await,
        [json!({"a": 1234})]
    );
}

#[tokio::test]
async fn names_that_are_missing_or_there_twice_are_numbered() {
    let lab = Lab::one("t.csv", b"a,,a,A,,\"x\ny\"\n1,2,3,4,5,6\n");
    let rows = lab.rows("dataset(\"data/t\")").await;
    assert_eq!(rows, [json!({"a": 1, "column_2": 2, "a_2": 3, "A": 4, "column_5": 5, "x\ny": 6})]);
    let rows = lab.rows("dataset(\"data/t\").filter(r, r.A == 4 && r.a == 1).select(\"a_2\", \"A\")").await;
    assert_eq!(rows, [json!({"a_2": 3, "A": 4})]);
    let message = refusal(format!("{},b\n1,2\n", "long ".repeat(500)).as_bytes());
    assert!(message.contains("the name of its column 1 has 2500 bytes and at most 1024 fit"), "{message}");
}

#[tokio::test]
async fn line_ends_of_every_system() {
    for ends in ["\n", "\r\n", "\r"] {
        let text = format!("a,b{ends}1,x{ends}2,y{ends}");
        let lab = Lab::one("t.csv", text.as_bytes());
        assert_eq!(lab.rows("dataset(\"data/t\")").await, [json!({"a": 1, "b": "x"}), json!({"a": 2, "b": "y"})]);
        // and without one at the end
        let lab = Lab::one("t.csv", text.trim_end().as_bytes());
        assert_eq!(lab.rows("dataset(\"data/t\").count()").await, [json!({"count": 2})]);
    }
}

#[tokio::test]
async fn empty_lines_before_the_first_row() {
    for mark in ["", "\u{feff}"] {
        for end in ["\n", "\r\n"] {
            let lab = |text: &str| Lab::one("t.csv", format!("{mark}{text}").replace('\n', end).as_bytes());
            let rows = lab("\n1,2\n3,4\n").rows("dataset(\"data/t\")").await;
            assert_eq!(rows, [json!({"column_1": 1, "column_2": 2}), json!({"column_1": 3, "column_2": 4})]);
            let rows = lab("\na;b\n1;2\n").rows("dataset(\"data/t\")").await;
            assert_eq!(rows, [json!({"a": 1, "b": 2})], "{mark:?} {end:?}");
            let rows = lab("\n\na;b\n1,5;2\n").rows("dataset(\"data/t\")").await;
            assert_eq!(rows, [json!({"a": "1,5", "b": 2})], "{mark:?} {end:?}");
        }
    }
}

#[tokio::test]
async fn long_whole_numbers_with_a_plus_sign_keep_their_digits() {
    let lab = Lab::one("t.csv", b"phone,change,score\n+9007199254740993,+1,+1\n+4412345678,-0.5,-2\n");
    assert_eq!(types(&lab).await, ["Utf8", "Float64", "Float64"]);
    let rows = lab.rows("dataset(\"data/t\")").await;
    assert_eq!(column(&rows, "phone"), ["+9007199254740993", "+4412345678"]);
    assert_eq!(column(&rows, "score"), [1.0, -2.0]);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(200))]

    /// Any bytes at all: a table whose rows can be read, or a refusal. Never a panic.
    #[test]
    fn any_bytes_are_taken_or_refused(
        bytes in proptest::collection::vec(proptest::sample::select(b"a1,;\t\"\r\n\0\xff\xc3-.:NULx ".to_vec()), 0..80)
    ) {
        let lab = Lab::new();
        if let Ok(true) = lab.put("data/t", &[("t.csv", &bytes)]).remove(0).1 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let rows = runtime.block_on(lab.rows("dataset(\"data/t\")"));
            proptest::prop_assert_eq!(Some(rows.len() as u64), lab.rows_told("data/t"));
        }
    }
}
