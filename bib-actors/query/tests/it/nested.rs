//! Lists and structs: what runs row by row, and what does not.

use serde_json::json;

use crate::support::{Lab, column};

const LINES: &[u8] = br#"{"id":1,"tags":["red","blue"],"place":{"lat":52.5,"name":"Berlin"},"runs":[1,2,3]}
{"id":2,"tags":[],"place":{"lat":null,"name":"nowhere"},"runs":[10]}
{"id":3,"tags":null,"place":null,"runs":null}
{"id":4,"tags":["green",null],"place":{"lat":-1,"name":"sea"},"runs":[]}
"#;

#[tokio::test]
async fn macros_over_lists() {
    let lab = Lab::one("t.jsonl", LINES);
    let kept = |condition: &'static str| {
        let lab = &lab;
        async move { column(&lab.rows(&format!("dataset(\"data/t\").filter(r, {condition})")).await, "id") }
    };
    assert_eq!(kept("r.tags.exists(t, t == \"red\")").await, [1]);
    assert_eq!(kept("r.tags.exists(t, t == \"green\")").await, [4]);
    assert_eq!(kept("r.tags.all(t, t.size() > 3)").await, [2]);
    // the missing tag of row 4 leaves the answer open there, and so does the missing list of row 3
    assert_eq!(kept("!r.tags.exists(t, t == \"blue\")").await, [2]);
    assert_eq!(kept("\"blue\" in r.tags").await, [1]);
    assert_eq!(kept("size(r.tags) == 2").await, [1, 4]);
    assert_eq!(kept("r.runs[0] == r.id").await, [1]);
    assert_eq!(kept("r.runs[1] == null").await, [2, 3, 4]);
    assert_eq!(kept("coalesce(r.runs[1], 7) == 7").await, [2, 3, 4]);
    assert_eq!(kept("r.runs.exists_one(x, x > 2)").await, [1, 2]);
    assert_eq!(kept("r.runs == [10]").await, [2]);
    assert_eq!(kept("r.tags.exists(t, t == null)").await, [4]);
    // vectorized parts below a macro
    assert_eq!(kept("r.runs.exists(x, x == r.id * 2 + 6)").await, [2]);
    // a variable may be called as the interpreter calls its arguments
    assert_eq!(kept("[1, 2].exists(c0, c0 == r.id)").await, [1, 2]);
    assert_eq!(kept("r.runs.exists(c1, [r.id].exists(c0, c0 + 8 == c1))").await, [2]);
    assert_eq!(kept("r.tags.exists(t, t.contains(r.place.name.lowerAscii().substring(0, 1)))").await, [1]);
}

#[tokio::test]
async fn fields_of_structs() {
    let lab = Lab::one("t.jsonl", LINES);
    let rows = lab.rows("dataset(\"data/t\").filter(r, r.place.lat > 0.0).map(r, {\"at\": r.place.name})").await;
    assert_eq!(rows, [json!({"at": "Berlin"})]);
    let rows = lab.rows("dataset(\"data/t\").filter(r, has(r.place.lat)).select(\"id\")").await;
    assert_eq!(column(&rows, "id"), [1, 4]);
    let message = lab.refusal("dataset(\"data/t\").filter(r, r.place.lon > 0.0)").await;
    assert!(message.contains("there is no field \"lon\""), "{message}");
}

#[tokio::test]
async fn fields_of_items_that_are_missing() {
    let lab = Lab::one("t.jsonl", br#"{"id":1,"items":[{"p":{"lat":1.5}},{"p":null},null]}"#);
    let rows = lab
        .rows(
            "dataset(\"data/t\").map(r, {\"some\": r.items.exists(x, x.p == null && x.p.lat == null), \
             \"all\": r.items.all(x, x.p != null || x.p.lat == null), \"here\": r.items.filter(x, has(x.p.lat)), \
             \"lats\": r.items.map(x, x.p.lat)})",
        )
        .await;
    let expected = json!({"some": true, "all": true, "here": [{"p": {"lat": 1.5}}], "lats": [1.5, null, null]});
    assert_eq!(rows, [expected]);
}

#[tokio::test]
async fn ints_beside_doubles_in_lists() {
    let lab = Lab::one(
        "t.jsonl",
        br#"{"id":1,"x":2.5,"runs":[1,2,null],"far":[[1],[2,3]],"d":[1.0,2.5]}
{"id":2,"x":2.0,"runs":[2,3],"far":[[4]],"d":[2.0,3.0]}
"#,
    );
    let kept = |condition: &'static str| {
        let lab = &lab;
        async move { column(&lab.rows(&format!("dataset(\"data/t\").filter(r, {condition})")).await, "id") }
    };
    assert_eq!(kept("r.x in r.runs").await, [2]);
    assert_eq!(kept("r.id in r.d").await, [1, 2]);
    assert_eq!(kept("r.runs == r.d").await, [2]);
    assert_eq!(kept("r.d != r.runs").await, [1]);
    assert_eq!(kept("(r.runs + r.d).exists(v, v == 2.5)").await, [1]);
    assert_eq!(kept("r.far == [[4.0]]").await, [2]);
    assert_eq!(kept("[r.runs, r.d].exists(l, l == [2.0, 3.0])").await, [2]);
    let rows = lab.rows("dataset(\"data/t\").map(r, {\"l\": r.id == 1 ? r.runs : r.d, \"m\": r.far + [[0.5]]})").await;
    assert_eq!(column(&rows, "l"), [json!([1.0, 2.0, null]), json!([2.0, 3.0])]);
    assert_eq!(column(&rows, "m")[0], json!([[1.0], [2.0, 3.0], [0.5]]));
}

#[tokio::test]
async fn lists_as_results() {
    let lab = Lab::one("t.jsonl", LINES);
    let rows = lab
        .rows(
            "dataset(\"data/t\").map(r, {\"id\": r.id, \"twice\": r.runs.map(x, x * 2), \"big\": r.runs.filter(x, x > 1), \
             \"words\": r.place.name.split(\"e\"), \"joined\": r.tags.join(\"-\"), \"both\": r.runs + [r.id], \
             \"odd\": r.runs.map(x, x % 2 == 1, x + r.id)})",
        )
        .await;
    assert_eq!(
        rows[0],
        json!({"id": 1, "twice": [2, 4, 6], "big": [2, 3], "words": ["B", "rlin"], "joined": "red-blue",
               "both": [1, 2, 3, 1], "odd": [2, 4]})
    );
    assert_eq!(
        rows[2],
        json!({"id": 3, "twice": null, "big": null, "words": null, "joined": null, "both": null, "odd": null})
    );
    assert_eq!(rows[3]["twice"], json!([]));
}

#[tokio::test]
async fn explain_says_what_runs_row_by_row() {
    let lab = Lab::one("t.jsonl", LINES);
    let explained = lab
        .engine
        .explain("dataset(\"data/t\").filter(r, r.id > 1 && r.tags.exists(t, t == \"red\"))", &lab)
        .await
        .unwrap();
    assert_eq!(explained.row_by_row, ["r.tags.exists(t, t == \"red\"): a macro goes over the list of each row"]);
    let explained = lab.engine.explain("dataset(\"data/t\").filter(r, r.id > 1)", &lab).await.unwrap();
    assert!(explained.row_by_row.is_empty());
    let explained =
        lab.engine.explain("dataset(\"data/t\").filter(r, r.place.name.matches(r.place.name))", &lab).await.unwrap();
    assert_eq!(
        explained.row_by_row,
        ["r.place.name.matches(r.place.name): the regular expression differs from row to row"]
    );
    let rows = lab.rows("dataset(\"data/t\").filter(r, r.place.name.matches(r.place.name)).select(\"id\")").await;
    assert_eq!(column(&rows, "id"), [1, 2, 4]);
}
