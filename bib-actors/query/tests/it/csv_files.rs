//! CSV files as people write them: what is understood, what is refused and why.

use bib_query::DetectError;
use serde_json::json;

use crate::support::{Lab, column};

fn told(name: &str, bytes: &[u8]) -> (String, Result<bool, DetectError>) {
    Lab::new().put("data/t", &[(name, bytes)]).remove(0)
}

fn refusal(name: &str, bytes: &[u8]) -> String {
    match told(name, bytes) {
        (_, Err(error)) => error.to_string(),
        other => panic!("was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn quotes_line_ends_and_marks() {
    let bytes = "\u{feff}\"na,me\",note\r\n\"a \"\"b\"\"\",\"two\nlines\"\r\n\r\nç,x\r\n".as_bytes();
    let lab = Lab::new();
    let described = lab.put("data/t", &[("t.csv", bytes)]);
    assert_eq!(described[0].0, "text/csv", "records that span lines are not read in parts");
    let rows = lab.rows("dataset(\"data/t\")").await;
    assert_eq!(rows, [json!({"na,me": "a \"b\"", "note": "two\nlines"}), json!({"na,me": "ç", "note": "x"})]);
}

#[tokio::test]
async fn delimiters_and_missing_headers() {
    for (name, bytes, media) in [
        ("t.csv", &b"a;b\n1;2,5\n"[..], "text/csv; delimiter=semicolon; records=lines"),
        ("t.tsv", b"a\tb\n1\t2,5\n", "text/tab-separated-values; records=lines"),
        ("t.csv", b"a|b\n1|2,5\n", "text/csv; delimiter=pipe; records=lines"),
    ] {
        let lab = Lab::new();
        assert_eq!(lab.put("data/t", &[(name, bytes)])[0].0, media);
        assert_eq!(lab.rows("dataset(\"data/t\")").await, [json!({"a": 1, "b": "2,5"})], "{media}");
    }
    let lab = Lab::new();
    assert_eq!(lab.put("data/t", &[("t.csv", b"1,2.5\n3,4\n")])[0].0, "text/csv; header=absent; records=lines");
    let rows = lab.rows("dataset(\"data/t\")").await;
    assert_eq!(rows, [json!({"column_1": 1, "column_2": 2.5}), json!({"column_1": 3, "column_2": 4.0})]);
}

#[tokio::test]
async fn types_hold_for_the_last_row_too() {
    let mut text = "id,zip,when,day,ok,mixed,none\n".to_owned();
    for i in 0..30_000 {
        text.push_str(&format!("{i},01234,2013-01-01 00:00:00,2013-01-01,TRUE,{i},\n"));
    }
    text.push_str("1.5,99999,2013-01-02T00:00:00+01:00,NA,false,x,NA\n");
    let lab = Lab::one("t.csv", text.as_bytes());
    let explained = lab.engine.explain("dataset(\"data/t\")", &lab).await.unwrap();
    let types: Vec<String> = explained.schema.fields().iter().map(|field| field.data_type().to_string()).collect();
    assert_eq!(types, ["Float64", "Utf8", "Timestamp(µs, \"UTC\")", "Date32", "Boolean", "Utf8", "Utf8"]);
    let rows = lab.rows("dataset(\"data/t\").filter(r, r.id == 1.5 && r.day == null)").await;
    assert_eq!(rows[0]["zip"], "99999");
    assert_eq!(rows[0]["when"], "2013-01-01T23:00:00Z");
    assert_eq!(rows[0]["ok"], false);
    let rows = lab.rows("dataset(\"data/t\").filter(r, r.mixed == \"29999\").select(\"id\")").await;
    assert_eq!(column(&rows, "id"), [29_999.0]);
}

#[tokio::test]
async fn parts_that_are_read_beside_each_other_lose_no_line() {
    let mut text = "n,pad\r\n".to_owned();
    for n in 0..60_000_u64 {
        text.push_str(&format!("{n},{}\r\n", "x".repeat((n % 97) as usize)));
    }
    assert!(text.len() > 2 << 20, "large enough to be read in parts");
    let lab = Lab::one("t.csv", text.as_bytes());
    let explained = lab.engine.explain("dataset(\"data/t\").aggregate(r, {}, {\"n\": count()})", &lab).await.unwrap();
    assert!(explained.plan.contains("file_groups={") && !explained.plan.contains("{1 group"), "{}", explained.plan);
    let rows = lab
        .rows("dataset(\"data/t\").aggregate(r, {}, {\"rows\": count(), \"sum\": sum(r.n), \"kinds\": count_distinct(r.n)})")
        .await;
    assert_eq!(rows, [json!({"rows": 60_000, "sum": 1_799_970_000_u64, "kinds": 60_000})]);
}

#[tokio::test]
async fn slices_that_are_read_beside_each_other_keep_the_order() {
    for (ends, header) in [("\n", true), ("\r\n", true), ("\r", true), ("\n", false)] {
        let mut text = if header { format!("\u{feff}n,pad{ends}") } else { "\u{feff}".to_owned() };
        for n in 0..40_000_u64 {
            let pad = match n % 50 {
                // one field is longer than some slices, one wants the tokenizer
                7 if n == 20_007 => "1".repeat(200_000),
                8 => format!("\"{}\"\"{n}\"", "2".repeat((n % 89) as usize)),
                _ => "3".repeat((n % 97 + 1) as usize),
            };
            text.push_str(&format!("{n},{pad}{ends}"));
        }
        assert!(text.len() > 2 << 20, "many slices");
        let lab = Lab::one("t.csv", text.as_bytes());
        let name = if header { "n" } else { "column_1" };
        let rows = lab.rows(&format!("dataset(\"data/t\").select(\"{name}\")")).await;
        let found: Vec<u64> = column(&rows, name).iter().map(|n| n.as_u64().unwrap()).collect();
        assert!(found.iter().copied().eq(0..40_000), "with {ends:?}, in order and none twice");
        let sum = format!("dataset(\"data/t\").aggregate(r, {{}}, {{\"rows\": count(), \"sum\": sum(r.{name})}})");
        assert_eq!(lab.rows(&sum).await, [json!({"rows": 40_000, "sum": 799_980_000_u64})], "with {ends:?}");
    }
}

#[tokio::test]
async fn a_header_behind_very_many_empty_lines() {
    let text = format!("\u{feff}{}a,b\r\n1,x\r\n2,y", "\r\n".repeat(100_000));
    let lab = Lab::one("t.csv", text.as_bytes());
    assert_eq!(lab.rows("dataset(\"data/t\")").await, [json!({"a": 1, "b": "x"}), json!({"a": 2, "b": "y"})]);
}

#[tokio::test]
async fn a_lie_far_down_is_told_with_its_line() {
    use bib_chunks::{Column, ColumnType, EntryKind, TableSchema};
    let rows = 200_000;
    for (line, fault) in [
        ("1,x", "\"x\" in column \"b\" is not an int, as its description says; publish the file again"),
        ("1,\"x\"\"\"", "\"x\\\"\" in column \"b\" is not an int, as its description says; publish the file again"),
        ("1,2,3", "has 3 fields instead of 2"),
        (
            "1,\"2",
            "a quotation mark is not closed where the line ends, as the file's description says; publish the file again",
        ),
    ] {
        let lab = Lab::new();
        let text = format!("a,b\n{}{line}\n{}", "10,20\n".repeat(rows), "30,40\n".repeat(rows));
        let mut content = lab.write(&[("t.csv", text.as_bytes())]);
        let EntryKind::File { media_type, schema, .. } = &mut content.entries[0].kind else { panic!() };
        *media_type = "text/csv; records=lines".to_owned();
        let int = |name: &str| Column { name: name.to_owned(), data_type: ColumnType::Int, nullable: false };
        *schema = Some(TableSchema { columns: vec![int("a"), int("b")], rows: None });
        lab.publish("data/t", content);
        let error = lab.try_rows("dataset(\"data/t\").aggregate(r, {}, {\"n\": sum(r.a), \"m\": sum(r.b)})").await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains(&format!("line {}", rows + 2)) && error.contains(fault), "{error}");
    }
}

#[test]
fn empty_files_are_no_tables() {
    assert_eq!(told("t.csv", b""), ("application/x-empty".to_owned(), Ok(false)));
    assert_eq!(told("t.csv", b"\n\n"), ("text/csv".to_owned(), Ok(false)));
    assert!(matches!(told("t.csv", b"a,b\n"), (_, Ok(true))));
}

#[tokio::test]
async fn a_header_alone_is_a_table_without_rows() {
    let lab = Lab::one("t.csv", b"a,b\n");
    assert!(lab.rows("dataset(\"data/t\")").await.is_empty());
}

#[test]
fn ragged_lines_are_named() {
    let message = refusal("t.csv", b"a,b\n1,2\n\"x\ny\",4\n5,6,7\n");
    assert_eq!(
        message,
        "line 5 of t.csv has 3 fields, the first line has 2, so it cannot be queried as a table; correct the line, or \
         put texts that hold the delimiter in quotation marks"
    );
}

#[test]
fn other_encodings_are_named() {
    let message = refusal("t.csv", b"name\nZ\xfcrich\n");
    assert_eq!(
        message,
        "line 2 of t.csv is not UTF-8 text (byte 0xfc), so it cannot be queried; it was probably saved as \
         WINDOWS-1252: convert it with `iconv -f WINDOWS-1252 -t UTF-8`"
    );
    let utf16: Vec<u8> = "\u{feff}a,b\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(refusal("t.csv", &utf16).contains("`iconv -f UTF-16 -t UTF-8`"));
}

#[test]
fn a_quotation_mark_that_is_never_closed() {
    let mut bytes = b"a,b\n1,2\n\"x,3\n".to_vec();
    bytes.resize(20 << 20, b'y');
    let message = refusal("t.csv", &bytes);
    assert!(message.contains("begins at line 3") && message.contains("never closed"), "{message}");
}

#[tokio::test]
async fn a_manifest_that_lies_about_types_is_caught() {
    use bib_chunks::{Column, ColumnType, EntryKind, TableSchema};
    let lab = Lab::new();
    let mut content = lab.write(&[("t.csv", b"a,b\n1,2\nx,3\n")]);
    let EntryKind::File { media_type, schema, .. } = &mut content.entries[0].kind else { panic!() };
    *media_type = "text/csv".to_owned();
    let int = |name: &str| Column { name: name.to_owned(), data_type: ColumnType::Int, nullable: false };
    *schema = Some(TableSchema { columns: vec![int("a"), int("b")], rows: Some(2) });
    lab.publish("data/t", content);
    let error = lab.try_rows("dataset(\"data/t\")").await.unwrap_err().to_string();
    assert_eq!(
        error,
        "t.csv cannot be read: line 3: \"x\" in column \"a\" is not an int, as its description says; publish the file \
         again"
    );
    // columns that are not asked for are not looked at
    assert_eq!(lab.rows("dataset(\"data/t\").select(\"b\")").await.len(), 2);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 64, failure_persistence: None, ..Default::default()
    })]

    /// Whatever is described as a table can be read as that table, in full.
    #[test]
    fn what_is_understood_can_be_queried(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "a", "1", "-2.5", "NA", "\"", "\"\"", ",", ",", ";", "\n", "\n", "\r\n", " ", "007", "true", "2013-01-31", "ü", "x y",
            ]),
            0..60,
        ),
    ) {
        let lab = Lab::new();
        let told = lab.put("data/t", &[("t.csv", parts.concat().as_bytes())]).remove(0);
        if let (_, Ok(true)) = told {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let (all, counted) = runtime.block_on(async {
                (lab.rows("dataset(\"data/t\")").await, lab.rows("dataset(\"data/t\").count()").await)
            });
            proptest::prop_assert_eq!(Some(all.len() as u64), lab.rows_told("data/t"));
            proptest::prop_assert_eq!(counted[0]["count"].as_u64(), Some(all.len() as u64));
        }
    }
}
