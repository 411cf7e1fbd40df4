//! Tests that vectorized expressions and the row interpreter agree on random expressions over random rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type, TimestampMicrosecondType};
use datafusion::common::DFSchema;
use datafusion::prelude::SessionContext;
use proptest::prelude::*;

use super::lower::Lowering;
use crate::lang::{CheckedStage, Column, Node, Ty, check_stages, parse};
use crate::options::QueryOptions;
use crate::row::RowExpression;

/// Columns: `i`, `j` ints (`j` narrow in the data), `d`, `e` doubles, `s`, `u`, `g` texts (`g` a dictionary in the
/// data), `b`, `c` bools, `t` a timestamp, `k` a date.
type Row = (
    (Option<i64>, Option<i32>, Option<f64>, Option<f64>),
    (Option<String>, Option<String>, Option<bool>, Option<bool>),
    (Option<i64>, Option<i32>, Option<String>),
);

fn row() -> impl Strategy<Value = Row> {
    let int = prop_oneof![3 => -5_i64..6, 1 => any::<i64>()];
    let double = || {
        prop_oneof![
            4 => (-12_i32..13).prop_map(|n| f64::from(n) / 4.0),
            1 => any::<f64>(),
            1 => prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
        ]
    };
    let texts = ["", "a", "B", "ab", "naïve", " x ", "12", "-3.5", "true", "2013-01-31", "C:\\d", "C:d", "5%", "a_b"];
    let text = move || prop::sample::select(texts.to_vec());
    let text = move || text().prop_map(str::to_owned);
    let time = prop_oneof![
        3 => 1_356_998_400_000_000_i64..1_388_534_400_000_000,
        1 => -62_135_596_800_000_000_i64..253_402_300_800_000_000,
    ];
    (
        (
            prop::option::of(int),
            prop::option::of(-100_i32..100),
            prop::option::of(double()),
            prop::option::of(double()),
        ),
        (
            prop::option::of(text()),
            prop::option::of(text()),
            prop::option::of(any::<bool>()),
            prop::option::of(any::<bool>()),
        ),
        (prop::option::of(time), prop::option::of(-719_162_i32..2_932_896), prop::option::of(text())),
    )
}

fn batch(rows: &[Row]) -> RecordBatch {
    let utc = |times: TimestampMicrosecondArray| times.with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new(rows.iter().map(|r| r.0.0).collect::<Int64Array>())),
        ("j", Arc::new(rows.iter().map(|r| r.0.1).collect::<Int32Array>())),
        ("d", Arc::new(rows.iter().map(|r| r.0.2).collect::<Float64Array>())),
        ("e", Arc::new(rows.iter().map(|r| r.0.3).collect::<Float64Array>())),
        ("s", Arc::new(rows.iter().map(|r| r.1.0.clone()).collect::<StringArray>())),
        ("u", Arc::new(rows.iter().map(|r| r.1.1.clone()).collect::<StringArray>())),
        ("g", Arc::new(rows.iter().map(|r| r.2.2.as_deref()).collect::<DictionaryArray<Int32Type>>())),
        ("b", Arc::new(rows.iter().map(|r| r.1.2).collect::<BooleanArray>())),
        ("c", Arc::new(rows.iter().map(|r| r.1.3).collect::<BooleanArray>())),
        ("t", Arc::new(utc(rows.iter().map(|r| r.2.0).collect()))),
        ("k", Arc::new(rows.iter().map(|r| r.2.1).collect::<Date32Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// Regular expressions as they are written, some of which `LIKE` would read otherwise.
const PATTERNS: [&str; 14] = [
    "\"^[a-z]+$\"",
    "\".*\"",
    "\"\"",
    "\"a|B\"",
    "\"^a\"",
    "\"^a$\"",
    "\"^ab?\"",
    "\"b$\"",
    "\"%\"",
    "\"^a_\"",
    "r\"\\\\\"",
    "r\"^C:\\\\\"",
    "r\"^C:\\\\d$\"",
    "r\"\\d\"",
];

/// Comparisons that DataFusion makes lists of, which have no value in common.
const LOOKUPS: [&str; 6] = [
    "r.j == 1 || r.j == 2",
    "3 == r.j || 4 == r.j",
    "r.j == 4 + 1 || r.j == 6",
    "r.g == \"a\" || r.g == \"ab\"",
    "r.g == \"B\" || r.g == \"12\"",
    "r.g != \"a\" && r.g != \"5%\"",
];

/// Expressions of each type as text, by the depth that is left.
fn bool_expr(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("r.b".to_owned()),
        Just("r.c".to_owned()),
        Just("true".to_owned()),
        prop::sample::select(vec!["i", "d", "s", "b", "t"]).prop_map(|c| format!("r.{c} == null")),
        prop::sample::select(vec!["j", "e", "u", "k"]).prop_map(|c| format!("has(r.{c})")),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let compare = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let below = depth - 1;
    let pair = |part: BoxedStrategy<String>| (part.clone(), compare.clone(), part);
    prop_oneof![
        1 => leaf,
        2 => pair(int_expr(below)).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
        2 => pair(double_expr(below)).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
        1 => (int_expr(below), compare.clone(), double_expr(below)).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
        2 => pair(text_expr(below)).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
        1 => pair(time_expr(below)).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
        1 => pair(bool_expr(below)).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
        2 => (bool_expr(below), prop::sample::select(vec!["&&", "||"]), bool_expr(below))
            .prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
        1 => bool_expr(below).prop_map(|a| format!("!({a})")),
        1 => (bool_expr(below), bool_expr(below), bool_expr(below)).prop_map(|(c, a, b)| format!("({c}) ? ({a}) : ({b})")),
        1 => (int_expr(below), int_expr(below)).prop_map(|(a, b)| format!("({a}) in [1, {b}, 3]")),
        1 => (double_expr(below), double_expr(below)).prop_map(|(a, b)| format!("({a}) in [0.0, {b}, 2.5]")),
        1 => double_expr(below).prop_map(|a| format!("({a}) in [0.0, 0.25]")),
        1 => text_expr(below).prop_map(|a| format!("({a}) in [\"a\", \"ab\"]")),
        1 => (text_expr(below), prop::sample::select(vec!["contains", "startsWith", "endsWith"]), text_expr(below))
            .prop_map(|(a, f, b)| format!("({a}).{f}({b})")),
        2 => (text_expr(below), prop::sample::select(PATTERNS.to_vec())).prop_map(|(a, p)| format!("({a}).matches({p})")),
        1 => int_expr(below).prop_map(|a| format!("({a}) in [1, 2, 3, 4]")),
        2 => (prop::sample::select(vec!["i", "j"]), prop::sample::select(vec!["[]", "[1, 2, 3, 4]", "[3, 4, 5, 6]", "[7]"]))
            .prop_map(|(c, l)| format!("r.{c} in {l}")),
        2 => prop::sample::select(LOOKUPS.to_vec()).prop_map(str::to_owned),
        1 => text_expr(below).prop_map(|a| format!("bool({a})")),
        1 => (prop::sample::select(vec!["isNaN", "isInf", "isFinite"]), double_expr(below))
            .prop_map(|(f, a)| format!("math.{f}({a})")),
    ]
    .boxed()
}

fn int_expr(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("r.i".to_owned()),
        Just("r.j".to_owned()),
        (-4_i64..5).prop_map(|n| n.to_string()),
        Just("9223372036854775807".to_owned()),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let below = depth - 1;
    let parts = vec![
        "getFullYear",
        "getMonth",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getHours",
        "getMinutes",
        "getSeconds",
        "getMilliseconds",
    ];
    prop_oneof![
        1 => leaf,
        3 => (int_expr(below), prop::sample::select(vec!["+", "-", "*", "/", "%"]), int_expr(below))
            .prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
        1 => int_expr(below).prop_map(|a| format!("-({a})")),
        1 => text_expr(below).prop_map(|a| format!("size({a})")),
        1 => (text_expr(below), text_expr(below)).prop_map(|(a, b)| format!("({a}).indexOf({b})")),
        1 => prop_oneof![double_expr(below), text_expr(below), time_expr(below)].prop_map(|a| format!("int({a})")),
        1 => (time_expr(below), prop::sample::select(parts)).prop_map(|(a, f)| format!("({a}).{f}()")),
        1 => (time_expr(below), time_expr(below)).prop_map(|(a, b)| format!("(({a}) - ({b})).getSeconds()")),
        1 => (prop::sample::select(vec!["abs", "sign"]), int_expr(below)).prop_map(|(f, a)| format!("math.{f}({a})")),
        1 => (prop::sample::select(vec!["greatest", "least"]), int_expr(below), int_expr(below))
            .prop_map(|(f, a, b)| format!("math.{f}({a}, {b})")),
        1 => (bool_expr(below), int_expr(below), int_expr(below)).prop_map(|(c, a, b)| format!("({c}) ? ({a}) : ({b})")),
    ]
    .boxed()
}

fn double_expr(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("r.d".to_owned()),
        Just("r.e".to_owned()),
        prop::sample::select(vec!["0.0", "-0.0", "2.5", "1e300"]).prop_map(str::to_owned),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let below = depth - 1;
    let functions = vec!["abs", "ceil", "floor", "round", "trunc", "sign", "sqrt"];
    prop_oneof![
        1 => leaf,
        3 => (double_expr(below), prop::sample::select(vec!["+", "-", "*", "/"]), double_expr(below))
            .prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
        1 => (int_expr(below), prop::sample::select(vec!["+", "-", "*", "/"]), double_expr(below))
            .prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
        1 => double_expr(below).prop_map(|a| format!("-({a})")),
        1 => prop_oneof![int_expr(below), text_expr(below)].prop_map(|a| format!("double({a})")),
        2 => (prop::sample::select(functions), double_expr(below)).prop_map(|(f, a)| format!("math.{f}({a})")),
        1 => (prop::sample::select(vec!["greatest", "least"]), double_expr(below), double_expr(below))
            .prop_map(|(f, a, b)| format!("math.{f}({a}, {b})")),
    ]
    .boxed()
}

fn text_expr(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("r.s".to_owned()),
        Just("r.u".to_owned()),
        Just("r.g".to_owned()),
        prop::sample::select(vec!["\"\"", "\"a\"", "\"ï\""]).prop_map(str::to_owned),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let below = depth - 1;
    prop_oneof![
        1 => leaf,
        2 => (text_expr(below), text_expr(below)).prop_map(|(a, b)| format!("({a}) + ({b})")),
        2 => (text_expr(below), prop::sample::select(vec!["lowerAscii", "upperAscii", "trim"]))
            .prop_map(|(a, f)| format!("({a}).{f}()")),
        1 => (text_expr(below), text_expr(below), text_expr(below)).prop_map(|(a, b, c)| format!("({a}).replace({b}, {c})")),
        1 => (text_expr(below), int_expr(below)).prop_map(|(a, b)| format!("({a}).substring({b})")),
        1 => (text_expr(below), int_expr(0), int_expr(below)).prop_map(|(a, b, c)| format!("({a}).substring({b}, {c})")),
        2 => prop_oneof![int_expr(below), double_expr(below), bool_expr(below), time_expr(below), Just("r.k".to_owned())]
            .prop_map(|a| format!("string({a})")),
    ]
    .boxed()
}

fn time_expr(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("r.t".to_owned()),
        Just("timestamp(\"2013-07-04T12:00:00Z\")".to_owned()),
        Just("timestamp(r.i)".to_owned()),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let below = depth - 1;
    prop_oneof![
        2 => leaf,
        1 => (time_expr(below), prop::sample::select(vec!["+", "-"])).prop_map(|(a, op)| format!("({a}) {op} duration(\"36h\")")),
        1 => (time_expr(below), time_expr(below)).prop_map(|(a, b)| format!("r.t + (({a}) - ({b}))")),
        1 => text_expr(below).prop_map(|a| format!("timestamp({a})")),
    ]
    .boxed()
}

/// None for a conversion of a literal text that is no such value: that is refused before anything runs.
fn checked(expression: &str, columns: &[Column]) -> Option<Node> {
    let text = format!("dataset(\"a/b\").map(r, {{\"x\": {expression}}})");
    let query = parse(&text, &QueryOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let stages = match check_stages(&query, columns.to_vec()) {
        Ok((stages, _)) => stages,
        Err(refused) if refused.message.contains(" is not a") => return None,
        Err(refused) => panic!("{refused}"),
    };
    match stages.into_iter().next() {
        Some(CheckedStage::Map(mut outputs)) => Some(outputs.remove(0).node),
        other => panic!("{other:?}"),
    }
}

fn same(a: &ArrayRef, b: &ArrayRef) -> bool {
    match a.data_type() {
        // both zeros are the same, and so is every NaN
        DataType::Float64 => {
            let (a, b) = (a.as_primitive::<Float64Type>(), b.as_primitive::<Float64Type>());
            a.iter().zip(b.iter()).all(|pair| match pair {
                (Some(a), Some(b)) => a == b || a.is_nan() && b.is_nan(),
                (a, b) => a.is_none() && b.is_none(),
            })
        }
        DataType::Timestamp(..) => {
            a.as_primitive::<TimestampMicrosecondType>().iter().eq(b.as_primitive::<TimestampMicrosecondType>().iter())
        }
        _ => a == b,
    }
}

fn agree(expression: &str, rows: &[Row]) -> Result<(), TestCaseError> {
    let batch = batch(rows);
    let columns = Column::of_schema(&batch.schema());
    let Some(node) = checked(expression, &columns) else { return Ok(()) };
    let mut row_by_row = Vec::new();
    let expr =
        Lowering { columns: &columns, made: false, row_by_row: &mut row_by_row, stop: None }.lower(&node).unwrap();
    prop_assert!(row_by_row.is_empty(), "{expression} is not vectorized: {row_by_row:?}");
    let schema = DFSchema::try_from(batch.schema()).unwrap();
    let physical = SessionContext::new().create_physical_expr(expr, &schema).unwrap();
    let vectorized =
        physical.evaluate(&batch).map_err(|error| TestCaseError::fail(format!("{expression}: {error}")))?;
    let vectorized = cast(&vectorized.into_array(batch.num_rows()).unwrap(), &node.ty.to_arrow()).unwrap();
    let types: Vec<Ty> = columns.iter().map(|column| column.ty.clone()).collect();
    let compiled = RowExpression::compile(&node, types, expression.to_owned(), false, None).unwrap();
    let by_row = compiled.evaluate(batch.columns(), batch.num_rows()).unwrap();
    prop_assert!(
        same(&vectorized, &by_row),
        "{expression}\nrows {rows:?}\nvectorized {vectorized:?}\nby row {by_row:?}"
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conditions_agree(expression in bool_expr(3), rows in prop::collection::vec(row(), 1..6)) {
        agree(&expression, &rows)?;
    }

    #[test]
    fn numbers_agree(expression in prop_oneof![int_expr(3), double_expr(3)], rows in prop::collection::vec(row(), 1..6)) {
        agree(&expression, &rows)?;
    }

    #[test]
    fn texts_and_times_agree(expression in prop_oneof![text_expr(3), time_expr(3)], rows in prop::collection::vec(row(), 1..6)) {
        agree(&expression, &rows)?;
    }
}
