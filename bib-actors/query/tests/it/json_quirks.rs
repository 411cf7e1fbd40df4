//! JSON lines as programs and accidents make them: every one is taken as what it is, or refused with its place.

use serde_json::json;

use crate::support::{Lab, column};

fn refusal(bytes: &[u8]) -> String {
    match Lab::new().put("data/t", &[("t.jsonl", bytes)]).remove(0) {
        (_, Err(error)) => error.to_string(),
        other => panic!("was not refused: {other:?}"),
    }
}

fn nested(open: &str, close: &str, levels: usize) -> Vec<u8> {
    format!("{{\"a\":{}1{}}}\n", open.repeat(levels), close.repeat(levels)).into_bytes()
}

#[tokio::test]
async fn nesting_is_read_to_a_depth_and_refused_below() {
    for (open, close) in [("[", "]"), ("{\"b\":", "}")] {
        let lab = Lab::one("t.jsonl", &nested(open, close, 40));
        assert_eq!(lab.rows("dataset(\"data/t\")").await.len(), 1);
        for levels in [60, 10_000, 1_000_000] {
            let message = refusal(&nested(open, close, levels));
            assert!(message.starts_with("line 1 of t.jsonl has values nested deeper than 48 levels"), "{message}");
        }
        let message = refusal(&[open.repeat(10_000).as_bytes(), b"\n"].concat());
        assert!(message.starts_with("line 1 of t.jsonl"), "{message}");
    }
}

#[test]
fn one_list_instead_of_lines() {
    let advice = "`jq -c '.[]'` makes them from a list";
    assert!(refusal(b"[{\"a\":1},{\"a\":2}]").contains(advice));
    assert!(refusal(b"[\n{\"a\":1},\n{\"a\":2}\n]\n").contains(advice));
    let mut huge = b"[".to_vec();
    huge.extend(b"{\"a\":1},".repeat(3 << 20));
    assert!(refusal(&huge).contains(advice));
    // under the name of a document it is kept as one
    let told = Lab::new().put("data/t", &[("t.json", b"[{\"a\":1},{\"a\":2}]")]);
    assert!(matches!(told.as_slice(), [(kind, Ok(false))] if kind == "application/json"), "{told:?}");
}

#[tokio::test]
async fn the_last_of_two_equal_keys_counts() {
    let lab = Lab::one("t.jsonl", b"{\"a\":1,\"a\":2}\n{\"a\":3}\n");
    assert_eq!(column(&lab.rows("dataset(\"data/t\")").await, "a"), [2, 3]);
    let lab = Lab::one("t.jsonl", b"{\"a\":1,\"a\":\"x\"}\n{\"A\":true}\n");
    let rows = lab.rows("dataset(\"data/t\")").await;
    assert_eq!(rows, [json!({"a": "x", "A": null}), json!({"a": null, "A": true})]);
}

#[tokio::test]
async fn huge_numbers_keep_their_digits_or_are_refused() {
    let lab = Lab::one("t.jsonl", b"{\"id\":18446744073709551615,\"x\":18446744073709551615}\n{\"id\":7,\"x\":0.5}\n");
    let rows = lab.rows("dataset(\"data/t\")").await;
    assert_eq!(column(&rows, "id"), ["18446744073709551615", "7"]);
    assert_eq!(column(&rows, "x"), [1.844_674_407_370_955_2e19, 0.5]);
    let message = refusal(b"{\"a\":1}\n{\"a\":1e400}\n");
    assert_eq!(
        message,
        "line 2 of t.jsonl has a number that is larger than any double (column 10); write it as a text: \"1e400\""
    );
}

#[test]
fn text_that_is_no_text() {
    assert!(refusal(b"{\"a\":\"\\ud800\"}\n").contains("half of a character"));
    assert!(refusal(b"{\"a\":1}\n{\"a\":\"\0\"}\n").starts_with("line 2 of t.jsonl has a NUL byte"));
    let wide: Vec<u8> = "{\"a\":1}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(refusal(&wide).contains("`iconv -f UTF-16LE -t UTF-8`"));
    assert!(refusal(b"{\"a\":NaN}\n").starts_with("line 1 of t.jsonl is not JSON at column"));
}

#[tokio::test]
async fn lines_without_columns() {
    let lab = Lab::one("t.jsonl", b"{}\n{}\n");
    assert_eq!(lab.rows("dataset(\"data/t\").count()").await, [json!({"count": 2})]);
    let lab = Lab::one("t.jsonl", b"{\"\":1,\"a b\":2,\"x\\u001b[31m\":3}\n");
    assert_eq!(lab.rows("dataset(\"data/t\")").await, [json!({"": 1, "a b": 2, "x\u{1b}[31m": 3})]);
}

#[tokio::test]
async fn long_lines_make_small_batches() {
    let text: String = (0..40).map(|n| format!("{{\"n\":{n},\"text\":\"{}\"}}\n", "x".repeat(1 << 20))).collect();
    let lab = Lab::one("t.jsonl", text.as_bytes());
    let result = lab.engine.query("dataset(\"data/t\")", None, None, &lab).await.unwrap();
    let batches: Vec<_> = futures::TryStreamExt::try_collect(result.stream).await.unwrap();
    let batches: Vec<arrow::array::RecordBatch> = batches;
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 40);
    assert!(batches.iter().all(|batch| batch.num_rows() <= 10), "a batch holds a few lines of 1 MiB");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(200))]

    /// Any lines at all: a table whose rows can be read, or a refusal. Never a panic.
    #[test]
    fn any_lines_are_taken_or_refused(
        parts in proptest::collection::vec(proptest::sample::select(vec![
            "{", "}", "[", "]", "\"a\"", "\"b\"", ":", ",", "1", "-0.5", "1e999", "99999999999999999999", "null",
            "true", "\n", "\"\\ud800\"", "\"x\"", "{\"a\":1}\n", "{\"a\":[1]}\n", "{\"b\":{\"c\":\"\"}}\n", " ",
        ]), 0..24)
    ) {
        let lab = Lab::new();
        if let Ok(true) = lab.put("data/t", &[("t.jsonl", parts.concat().as_bytes())]).remove(0).1 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let rows = runtime.block_on(lab.rows("dataset(\"data/t\")"));
            proptest::prop_assert_eq!(Some(rows.len() as u64), lab.rows_told("data/t"));
        }
    }
}
