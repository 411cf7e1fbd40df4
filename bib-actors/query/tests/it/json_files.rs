//! JSON lines: types from all lines, and what is refused.

use serde_json::json;

use crate::support::{Lab, column};

fn refusal(bytes: &[u8]) -> String {
    match Lab::new().put("data/t", &[("t.jsonl", bytes)]).remove(0) {
        (_, Err(error)) => error.to_string(),
        other => panic!("was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn types_widen_over_all_lines() {
    let lab =
        Lab::one("t.jsonl", b"{\"z\":1,\"a\":1,\"m\":true}\n\n{\"a\":2.5,\"z\":\"x\",\"m\":null,\"new\":\"y\"}\n{}\n");
    let explained = lab.engine.explain("dataset(\"data/t\")", &lab).await.unwrap();
    let names: Vec<&str> = explained.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["z", "a", "m", "new"], "in the order of the file");
    let rows = lab.rows("dataset(\"data/t\")").await;
    assert_eq!(
        rows,
        [
            json!({"z": "1", "a": 1.0, "m": true, "new": null}),
            json!({"z": "x", "a": 2.5, "m": null, "new": "y"}),
            json!({"z": null, "a": null, "m": null, "new": null}),
        ]
    );
}

#[tokio::test]
async fn large_files_are_read_in_parts() {
    let text: String = (0..60_000).map(|n| format!("{{\"n\":{n},\"pad\":\"{}\"}}\n", "x".repeat(n % 61))).collect();
    let lab = Lab::one("t.jsonl", text.as_bytes());
    let rows = lab.rows("dataset(\"data/t\").aggregate(r, {}, {\"rows\": count(), \"sum\": sum(r.n)})").await;
    assert_eq!(rows, [json!({"rows": 60_000, "sum": 1_799_970_000_u64})]);
    let rows = lab.rows("dataset(\"data/t\").filter(r, r.n >= 59998)").await;
    assert_eq!(column(&rows, "n"), [59_998, 59_999]);
}

#[test]
fn broken_lines_are_named() {
    assert_eq!(
        refusal(b"{\"a\":1}\n{\"a\":\n"),
        "line 2 of t.jsonl ends inside an object; each object is written on one line"
    );
    assert_eq!(refusal(b"{\"a\":1}\n{\"a\":1,}\n"), "line 2 of t.jsonl is not JSON at column 8; correct it");
    assert_eq!(refusal(b"{\"a\":1}\n[1]\n"), "line 2 of t.jsonl is not an object; each line is one object {...}");
    assert_eq!(
        refusal(b"[{\"a\":1}]\n"),
        "line 1 of t.jsonl begins a list; JSON lines have one object a line, `jq -c '.[]'` makes them from a list"
    );
    assert_eq!(
        refusal(b"{\"a\":[1]}\n{\"a\":2}\n"),
        "line 2 of t.jsonl has a number where other lines have a list (column 6); a column holds values of one kind"
    );
    let message = refusal(b"{\"a\":\"Z\xfcrich\"}\n");
    assert!(message.contains("line 1 of t.jsonl is not UTF-8"), "{message}");
}

#[test]
fn one_endless_line_is_refused() {
    let mut bytes = b"{\"a\":\"".to_vec();
    bytes.resize(17 << 20, b'x');
    assert_eq!(refusal(&bytes), "line 1 of t.jsonl is longer than 16 MiB; put each object on a line of its own");
}
