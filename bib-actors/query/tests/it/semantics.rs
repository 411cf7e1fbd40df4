//! What values mean: nulls, numbers at their edges, columns with strange names.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, UInt8Array};
use arrow::datatypes::Int32Type;
use serde_json::json;

use crate::parquet_files::parquet;
use crate::support::{Lab, column};

const NULLS: &[u8] = b"n,x,s,flag\n1,1.5,a,true\n2,NA,,false\n3,-0.0,NA,NA\n4,0,d,true\n";

#[tokio::test]
async fn null_is_neither_true_nor_false() {
    let lab = Lab::one("t.csv", NULLS);
    let kept = |condition: &'static str| {
        let lab = &lab;
        async move { column(&lab.rows(&format!("dataset(\"data/t\").filter(r, {condition})")).await, "n") }
    };
    assert_eq!(kept("r.x > 0.0").await, [1]);
    assert_eq!(kept("!(r.x > 0.0)").await, [3, 4]);
    assert_eq!(kept("r.x != 1.5").await, [3, 4]);
    assert_eq!(kept("r.x == null").await, [2]);
    assert_eq!(kept("null != r.x").await, [1, 3, 4]);
    assert_eq!(kept("has(r.s)").await, [1, 4]);
    assert_eq!(kept("r.flag").await, [1, 4]);
    assert_eq!(kept("!r.flag").await, [2]);
    assert_eq!(kept("r.flag || r.n == 3").await, [1, 3, 4]);
    assert_eq!(kept("r.flag && r.n == 3").await.len(), 0);
    assert_eq!(kept("!(r.flag && r.n == 4)").await, [1, 2, 3]);
    assert_eq!(kept("r.s in [\"a\", \"x\"]").await, [1]);
    assert_eq!(kept("!(r.s in [\"a\", \"x\"])").await, [4]);
    assert_eq!(kept("r.x + 1.0 > 0.0").await, [1, 3, 4]);
    assert_eq!(kept("coalesce(r.x, 9.0) > 5.0").await, [2]);
    assert_eq!(kept("r.flag ? r.n == 1 : r.n == 2").await, [1, 2]);
    assert_eq!(kept("(r.flag ? r.n == 1 : r.n == 3) == null").await, [3]);
    assert_eq!(kept("r.flag ? true : true").await, [1, 2, 4]);
    // a list or a pattern that decides for every value decides nothing for a missing one
    assert_eq!(kept("!r.s.matches(\".*\")").await.len(), 0);
    assert_eq!(kept("r.s.matches(\".*\")").await, [1, 4]);
    assert_eq!(kept("!(r.s in [])").await, [1, 4]);
    assert_eq!(kept("(r.s in []) == null").await, [2, 3]);
    assert_eq!(kept("!(r.s in [\"a\", \"b\", \"c\", \"d\"] && r.s in [\"e\", \"f\", \"g\", \"h\"])").await, [1, 4]);
    assert_eq!(kept("!(r.s in [\"a\", \"b\", \"c\", \"d\"]) || !(r.s in [\"e\", \"f\", \"g\", \"h\"])").await, [1, 4]);
    assert_eq!(kept("!((r.s == \"a\" || r.s == \"b\") && (r.s == \"c\" || r.s == \"e\"))").await, [1, 4]);
    assert_eq!(kept("(r.s in [\"a\"] && r.s in [\"x\"]) == null").await, [2, 3]);
    assert_eq!(kept("r.s in [\"a\", \"b\", \"c\", \"d\"] && r.s in [\"a\", \"f\", \"g\", \"h\"]").await, [1]);
    let steps =
        ".map(r, {\"n\": r.n, \"k\": r.s in [\"a\", \"b\", \"c\", \"d\"], \"m\": r.s in [\"e\", \"f\", \"g\", \"h\"]})";
    for condition in ["!(q.k && q.m)", "!q.k || !q.m", "!(q.k == true && q.m)"] {
        let rows = lab.rows(&format!("dataset(\"data/t\"){steps}.filter(q, {condition})")).await;
        assert_eq!(column(&rows, "n"), [1, 4], "{condition}");
    }
    // two names of one column, and constants with a name
    let steps = ".map(r, {\"n\": r.n, \"v\": r.s, \"w\": r.s, \"a\": \"a\", \"b\": \"b\"})";
    for condition in [
        "!((q.v == \"a\" || q.v == \"b\") && (q.w == \"c\" || q.w == \"e\"))",
        "!((q.v == q.a || q.v == q.b) && (q.v == \"c\" || q.v == \"e\"))",
        "!(q.v in [\"a\", \"b\", \"c\", \"x\"] && q.w in [\"e\", \"f\", \"g\", \"h\"])",
    ] {
        let rows = lab.rows(&format!("dataset(\"data/t\"){steps}.filter(q, {condition})")).await;
        assert_eq!(column(&rows, "n"), [1, 4], "{condition}");
    }
}

#[tokio::test]
async fn a_missing_value_of_a_narrow_type_is_in_no_two_lists() {
    let columns: [(&str, ArrayRef); 3] = [
        ("n", Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(9)]))),
        ("small", Arc::new(UInt8Array::from(vec![Some(1), None, Some(3), Some(9)]))),
        ("word", Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("a"), None, Some("c"), Some("x")]))),
    ];
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let lab = Lab::one("t.parquet", &parquet(&batch, 9));
    for condition in [
        "!((r.n == 1 || r.n == 2) && (r.n == 3 || r.n == 4))",
        "!((r.n == 1 + 0 || r.n == 2) && (3 == r.n || r.n == 2 + 2))",
        "!(r.n in [1, 2, 5, 6] && r.n in [3, 4, 7, 8])",
        "!(r.n in [1, 2, 5, 6]) || !(r.n in [3, 4, 7, 8])",
        "!((r.small == 1 || r.small == 2) && (r.small == 3 || r.small == 4))",
        "!((r.word == \"a\" || r.word == \"b\") && (r.word == \"c\" || r.word == \"d\"))",
    ] {
        let rows = lab.rows(&format!("dataset(\"data/t\").filter(r, {condition})")).await;
        assert_eq!(column(&rows, "n"), [1, 3, 9], "{condition}");
    }
}

#[tokio::test]
async fn a_backslash_in_a_pattern_is_one_in_the_text() {
    let lab = Lab::one("t.csv", b"n,p\n1,C:\\data\n2,C:data\n3,50%\n4,a_b\n5,\n");
    for (pattern, expected) in [
        (r#"r"C:\\data""#, vec![1]),
        (r#"r"\\""#, vec![1]),
        (r#"r"^C:\\""#, vec![1]),
        (r#"r"^C:\\data$""#, vec![1]),
        (r#""^C:""#, vec![1, 2]),
        (r#""^C:data$""#, vec![2]),
        (r#""(^C:data$|^5)""#, vec![2, 3]),
        (r#""%""#, vec![3]),
        (r#""_""#, vec![4]),
        (r#""^a_""#, vec![4]),
        (r#"r"\d""#, vec![3]),
        (r#""""#, vec![1, 2, 3, 4]),
    ] {
        let rows = lab.rows(&format!("dataset(\"data/t\").filter(r, r.p.matches({pattern}))")).await;
        assert_eq!(column(&rows, "n"), expected, "{pattern}");
        let rows = lab.rows(&format!("dataset(\"data/t\").filter(r, !r.p.matches({pattern}))")).await;
        let others: Vec<i32> = (1..5).filter(|n| !expected.contains(n)).collect();
        assert_eq!(column(&rows, "n"), others, "not {pattern}");
    }
}

#[tokio::test]
async fn both_zeros_are_one_number() {
    let lab = Lab::one("t.csv", NULLS);
    for (condition, expected) in [
        ("r.x == 0.0", vec![3, 4]),
        ("0.0 == r.x", vec![3, 4]),
        ("r.x == -0.0", vec![3, 4]),
        ("r.x >= 0.0", vec![1, 3, 4]),
        ("r.x < 0.0", vec![]),
        ("0.0 > r.x", vec![]),
        ("r.x <= -0.0", vec![3, 4]),
        ("r.x in [0.0, 7.0]", vec![3, 4]),
        ("r.x == r.n - r.n", vec![3, 4]),
    ] {
        let rows = lab.rows(&format!("dataset(\"data/t\").filter(r, {condition})")).await;
        assert_eq!(column(&rows, "n"), expected, "{condition}");
    }
    let groups = lab.rows("dataset(\"data/t\").filter(r, has(r.x)).aggregate(r, {\"x\": r.x}, {\"n\": count()})").await;
    assert_eq!(groups.len(), 2, "{groups:?}");
}

#[tokio::test]
async fn nan_is_no_number() {
    let lab = Lab::one("t.csv", b"n,x\n1,NaN\n2,-nan\n3,0\n4,inf\n5,-inf\n6,NA\n7,-0.0\n");
    for (condition, expected) in [
        ("r.x > 1.0", vec![4]),
        ("r.x < 1.0", vec![3, 5, 7]),
        ("!(r.x > 1.0)", vec![1, 2, 3, 5, 7]),
        ("!(r.x <= 1.0)", vec![1, 2, 4]),
        ("r.x == r.x", vec![3, 4, 5, 7]),
        ("r.x != 1.0", vec![1, 2, 3, 4, 5, 7]),
        ("!(r.x in [0.0, 1.0])", vec![1, 2, 4, 5]),
        ("math.isNaN(r.x)", vec![1, 2]),
        ("math.isNaN(math.sqrt(-1.0 - math.abs(r.x)))", vec![1, 2, 3, 4, 5, 7]),
        ("r.x > double(\"NaN\") || r.x <= double(\"NaN\")", vec![]),
        ("r.x != double(\"NaN\")", vec![1, 2, 3, 4, 5, 7]),
    ] {
        let rows = lab.rows(&format!("dataset(\"data/t\").filter(r, {condition})")).await;
        assert_eq!(column(&rows, "n"), expected, "{condition}");
    }
    let sorted = lab.rows("dataset(\"data/t\").sort(r, r.x, r.n).select(\"n\")").await;
    assert_eq!(column(&sorted, "n"), [5, 3, 7, 4, 1, 2, 6]);
    let groups =
        lab.rows("dataset(\"data/t\").aggregate(r, {\"x\": r.x}, {\"n\": count()}).sort(g, g.n, \"desc\")").await;
    assert_eq!(column(&groups, "n"), [2, 2, 1, 1, 1]);
    let ends = lab
        .rows("dataset(\"data/t\").filter(r, !math.isInf(r.x)).aggregate(r, {}, {\"a\": min(r.x), \"b\": max(r.x), \"n\": count_distinct(r.x)})")
        .await;
    assert_eq!(ends[0]["b"].as_f64(), Some(0.0));
    assert_eq!(ends[0]["n"], 2);
}

#[tokio::test]
async fn what_cannot_be_computed_is_null() {
    let lab = Lab::one("t.csv", b"a,b,s\n9223372036854775807,0,12\n7,2,x\n-9223372036854775808,-1,1e3\n");
    let rows = lab
        .rows(
            "dataset(\"data/t\").map(r, {\"sum\": r.a + 1, \"half\": r.a / r.b, \"rest\": r.a % r.b, \"neg\": -r.a, \
             \"product\": r.a * r.b, \"double\": double(r.a) / double(r.b), \"int\": int(r.s), \"number\": double(r.s), \
             \"part\": r.s.substring(2)})",
        )
        .await;
    assert_eq!(column(&rows, "sum"), [json!(null), json!(8), json!(-9_223_372_036_854_775_807_i64)]);
    assert_eq!(column(&rows, "half"), [json!(null), json!(3), json!(null)]);
    assert_eq!(column(&rows, "rest"), [json!(null), json!(1), json!(null)]);
    assert_eq!(column(&rows, "neg"), [json!(-9_223_372_036_854_775_807_i64), json!(-7), json!(null)]);
    let least = lab.rows("dataset(\"data/t\").map(r, {\"n\": -(-9223372036854775808), \"m\": -(-5)}).limit(1)").await;
    assert_eq!(least, [json!({"n": null, "m": 5})]);
    assert_eq!(column(&rows, "product"), [json!(0), json!(14), json!(null)]);
    assert_eq!(column(&rows, "int"), [json!(12), json!(null), json!(null)]);
    assert_eq!(column(&rows, "number"), [json!(12.0), json!(null), json!(1000.0)]);
    assert_eq!(column(&rows, "part"), [json!(""), json!(null), json!("3")]);
    // a filter drops such rows, and what stands beside them still counts
    let rows = lab.rows("dataset(\"data/t\").filter(r, r.a / r.b > 1 || r.b == 0).count()").await;
    assert_eq!(rows, [json!({"count": 2})]);
}

#[tokio::test]
async fn a_sum_that_does_not_fit_says_so() {
    let lab = Lab::one("t.csv", b"a\n9223372036854775807\n1\n");
    let error = lab.try_rows("dataset(\"data/t\").aggregate(r, {}, {\"s\": sum(r.a)})").await.unwrap_err().to_string();
    assert!(error.contains("does not fit into 64 bits") && error.contains("sum(double(r.column))"), "{error}");
    let rows = lab.rows("dataset(\"data/t\").aggregate(r, {}, {\"s\": sum(double(r.a))})").await;
    assert_eq!(rows[0]["s"], 9.223_372_036_854_776e18);
}

#[tokio::test]
async fn aggregates_leave_out_nulls() {
    let lab = Lab::one("t.csv", NULLS);
    let rows = lab
        .rows(
            "dataset(\"data/t\").aggregate(r, {}, {\"all\": count(), \"x\": count(r.x), \"mean\": mean(r.x), \
             \"low\": min(r.x), \"kinds\": count_distinct(r.s)})",
        )
        .await;
    assert_eq!(rows[0]["all"], 4);
    assert_eq!(rows[0]["x"], 3);
    assert_eq!(rows[0]["mean"], 0.5);
    assert_eq!(rows[0]["low"].as_f64(), Some(0.0));
    assert_eq!(rows[0]["kinds"], 2);
    // null is a group of its own; nothing at all has no sum
    let groups = lab.rows("dataset(\"data/t\").aggregate(r, {\"s\": r.s}, {\"n\": count()}).sort(g, g.s)").await;
    assert_eq!(groups.last(), Some(&json!({"s": null, "n": 2})));
    let empty =
        lab.rows("dataset(\"data/t\").filter(r, false).aggregate(r, {}, {\"n\": count(), \"s\": sum(r.n)})").await;
    assert_eq!(empty, [json!({"n": 0, "s": null})]);
}

#[tokio::test]
async fn strange_names_of_columns() {
    let lab = Lab::one("t.csv", "Sample Number,größe,a.b,in,Größe\n1,2,3,4,5\n".as_bytes());
    let rows = lab
        .rows(
            "dataset(\"data/t\").filter(r, r[\"Sample Number\"] == 1 && r[\"größe\"] == 2 && r[\"in\"] == 4)\
             .map(r, {\"x y\": r[\"a.b\"] + 1, \"Größe\": r[\"Größe\"]})",
        )
        .await;
    assert_eq!(rows, [json!({"x y": 4, "Größe": 5})]);
    let rows = lab.rows("dataset(\"data/t\").map(r, {\"a.b\": r[\"a.b\"]}).sort(r, r[\"a.b\"]).distinct()").await;
    assert_eq!(rows, [json!({"a.b": 3})]);
}

#[tokio::test]
async fn numbers_mix_as_researchers_expect() {
    let lab = Lab::one("t.csv", b"i,d\n3,2.5\n");
    let rows = lab
        .rows("dataset(\"data/t\").map(r, {\"a\": r.i * r.d, \"b\": r.i / 2, \"c\": r.i / 2.0, \"e\": r.i > r.d, \"f\": r.d + 1})")
        .await;
    assert_eq!(rows, [json!({"a": 7.5, "b": 1, "c": 1.5, "e": true, "f": 3.5})]);
}

#[tokio::test]
async fn versions_are_pinned() {
    let lab = Lab::new();
    lab.put("data/t", &[("t.csv", b"a\n1\n")]);
    lab.put("data/t", &[("t.csv", b"a\n1\n2\n")]);
    let count = |name: &'static str| {
        let lab = &lab;
        async move { lab.rows(&format!("dataset(\"{name}\").count()")).await[0]["count"].clone() }
    };
    assert_eq!(count("data/t").await, 2);
    assert_eq!(count("data/t@1").await, 1);
    assert_eq!(count("data/t@2").await, 2);
    let result = lab.engine.query("dataset(\"data/t@1\")", None, None, &lab).await.unwrap();
    let prefix = format!("dataset(\"data/t@{}\").count()", &result.versions[0].to_hex()[..12]);
    assert_eq!(lab.rows(&prefix).await, [json!({"count": 1})]);
}

#[tokio::test]
async fn several_files_are_one_table_or_named() {
    let lab = Lab::new();
    lab.put("data/t", &[("2013/a.csv", b"x,y\n1,2\n"), ("2013/b.csv", b"x,y\n3,4\n"), ("notes.md", b"# notes\n")]);
    let rows = lab.rows("dataset(\"data/t\").sort(r, r.x)").await;
    assert_eq!(rows, [json!({"x": 1, "y": 2}), json!({"x": 3, "y": 4})]);
    assert_eq!(lab.rows("dataset(\"data/t\", \"2013/b.csv\")").await, [json!({"x": 3, "y": 4})]);
    assert_eq!(lab.rows("dataset(\"data/t\", \"2013/*.csv\").count()").await, [json!({"count": 2})]);
    lab.put("data/t", &[("a.csv", b"x,y\n1,2\n"), ("b.csv", b"x\n3\n")]);
    let message = lab.refusal("dataset(\"data/t\")").await;
    assert!(message.contains("2 tables that do not fit together: \"a.csv\", \"b.csv\""), "{message}");
    assert!(message.ends_with("= name one: dataset(\"data/t\", \"a.csv\")"), "{message}");
    let message = lab.refusal("dataset(\"data/t\", \"c.csv\").count()").await;
    assert!(message.contains("there is no file \"c.csv\""), "{message}");
    lab.put("data/t", &[("notes.md", b"# notes\n")]);
    let message = lab.refusal("dataset(\"data/t\")").await;
    assert!(message.contains("has no table to query"), "{message}");
    let message = lab.refusal("dataset(\"data/t\", \"notes.md\")").await;
    assert!(message.contains("not understood as a table"), "{message}");
}
