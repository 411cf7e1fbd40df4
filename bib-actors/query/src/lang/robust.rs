//! Tests that no text whatever makes the checker panic, and that what it prints it can read again.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;

use super::{CheckedStage, Column, NamedNode, Style, check_stages, parse, print};
use crate::options::QueryOptions;

fn columns() -> Vec<Column> {
    let list = DataType::new_list(DataType::Int64, true);
    let place = DataType::Struct(vec![Field::new("lat", DataType::Float64, true)].into());
    Column::of_schema(&Schema::new(vec![
        Field::new("i", DataType::Int32, true),
        Field::new("d", DataType::Float64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("b", DataType::Boolean, true),
        Field::new("t", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        Field::new("list", list, true),
        Field::new("place", place, true),
        Field::new("odd name", DataType::Int64, true),
        Field::new("clock", DataType::Time64(TimeUnit::Nanosecond), true),
    ]))
}

const WORDS: &[&str] = &[
    "dataset(\"a/b\")",
    ".filter(r, ",
    ".map(r, ",
    ".aggregate(r, ",
    ".sort(r, ",
    ".limit(",
    ".select(",
    ".count()",
    "r",
    "r.i",
    "r.d",
    "r.s",
    "r.b",
    "r.t",
    "r.list",
    "r.place.lat",
    "r[\"odd name\"]",
    "r.clock",
    "r.nosuch",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "?",
    ".",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "&&",
    "||",
    "!",
    " in ",
    "null",
    "true",
    "1",
    "2.5",
    "1e400",
    "5u",
    "\"x\"",
    "\"",
    "'",
    "b\"\\xff\"",
    "r\"\\d\"",
    "size(",
    "has(",
    "int(",
    "string(",
    "timestamp(",
    "\"2013-01-01\"",
    "math.sqrt(",
    "coalesce(",
    "count()",
    "sum(",
    "max(",
    ".exists(x, ",
    ".map(x, ",
    "x",
    ".startsWith(",
    ".matches(",
    "\"[\"",
    "\"desc\"",
    "//",
    "\n",
    "ü",
    "\u{1f30d}",
    "`",
    "\\",
    "as",
    "and",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The parser's recovery from such mixtures once took more stack than a thread has.
    #[test]
    fn no_mixture_of_words_panics(words in prop::collection::vec(prop::sample::select(WORDS), 0..40)) {
        let _ = parse(&words.concat(), &QueryOptions::default()).map(|query| check_stages(&query, columns()));
    }

    #[test]
    fn no_filter_of_words_panics(words in prop::collection::vec(prop::sample::select(&WORDS[8..]), 0..24)) {
        let text = format!("dataset(\"a/b\").filter(r, {})", words.concat());
        let _ = parse(&text, &QueryOptions::default()).map(|query| check_stages(&query, columns()));
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse(&text, &QueryOptions::default());
        let _ = parse(&format!("dataset(\"a/b\").filter(r, {text})"), &QueryOptions::default());
    }
}

fn node(expression: &str) -> NamedNode {
    let text = format!("dataset(\"a/b\").map(r, {{\"x\": {expression}}})");
    let query = parse(&text, &QueryOptions::default()).unwrap();
    match check_stages(&query, columns()).unwrap().0.remove(0) {
        CheckedStage::Map(mut outputs) => outputs.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_printed_can_be_read_again() {
    for expression in [
        "(r.i + 1) * 2 - -3",
        "r.i == null ? \"none\" : string(r.i)",
        "!(r.b && r.d > 2.5e-7) || r.s.startsWith(\"a\\\"\\n\")",
        "r.list.exists(x, x > r.i) && !r.list.all(y, y in [1, 2])",
        "r.list.map(x, x > 1, x * 2)[0] + r[\"odd name\"]",
        "has(r.place.lat) && r.place.lat != null",
        "r.t > timestamp(\"2013-01-01T00:00:00.5Z\") + duration(\"90m\")",
        "date(r.t) == date(\"2013-01-31\") && r.s.matches(\"^a\")",
        "math.pow(r.d, 2.0) <= double(\"NaN\")",
        "coalesce(r.s, \"ü\") + r.s.substring(1, 2)",
    ] {
        let first = print(&node(expression).node, Style::People);
        let second = print(&node(&first).node, Style::People);
        assert_eq!(first, second, "{expression}");
    }
}
