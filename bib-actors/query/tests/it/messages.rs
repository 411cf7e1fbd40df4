//! Messages about expressions. In each case the marks « and » stand around the place that the caret must point at.

use bib_query::QueryError;

use crate::support::{Lab, nyc};

/// Expression with marks, message, suggestion.
type Case = (&'static str, &'static str, Option<&'static str>);

const NAMES: &[Case] = &[
    (
        "dataset(\"flights/2013\").filter(r, r.«dep_dely» > 60)",
        "there is no column \"dep_dely\"",
        Some("did you mean r.dep_delay?"),
    ),
    (
        "dataset(\"flights/2013\").filter(f, f.«Carrier» == \"AA\")",
        "there is no column \"Carrier\"",
        Some("did you mean f.carrier?"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r[«\"air time\"»] > 60)",
        "there is no column \"air time\"",
        Some("did you mean r.air_time or r.arr_time?"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, «dep_delay» > 60)",
        "\"dep_delay\" is not known here",
        Some("write r.dep_delay for the column"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.origin == «JFK»)",
        "\"JFK\" is not known here",
        Some("the row is called \"r\" here; a text stands in quotation marks: \"JFK\""),
    ),
    (
        "dataset(\"flights/2013\").filter(r, «r»)",
        "\"r\" is a whole row, here one value is needed",
        Some("name a column of it, for example r.year"),
    ),
    (
        "dataset(\"flights/2013\").map(r, {\"a\": r.dep_delay})\n  .filter(r, r.«dep_delay» > 1)",
        "there is no column \"dep_delay\"",
        Some("the columns are a"),
    ),
    (
        "dataset(\"flights/2013\").map(r, {\"a\": «lower»(r.origin)})",
        "there is no function \"lower\"",
        Some("did you mean lowerAscii?"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.origin.«startswith»(\"J\"))",
        "a string has no function \"startswith\"",
        Some("did you mean startsWith?"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, «startsWith»(r.origin, \"J\"))",
        "startsWith is written string.startsWith(string)",
        None,
    ),
    (
        "dataset(\"flights/2013\").«where»(r, r.month == 1)",
        "\"where\" is not a step of a query",
        Some("did you mean filter?"),
    ),
    ("dataset(\"flights/2013\").«limt»(3)", "\"limt\" is not a step of a query", Some("did you mean limit?")),
    (
        "«flights»",
        "a query begins with the dataset that it reads",
        Some("write dataset(\"topic/name\").filter(r, ...)"),
    ),
    (
        "dataset(«\"flights\"»)",
        "\"flights\" does not name a dataset: write TOPIC/DATASET, for example flights/2013",
        None,
    ),
];

const TYPES: &[Case] = &[
    (
        "dataset(\"flights/2013\").filter(r, r.origin «==» 5)",
        "a string cannot be compared with an int",
        Some("write \"5\" to compare as text, or double(r.origin) to compare as a number"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.dep_delay «>» \"60\")",
        "an int cannot be compared with a string",
        Some("write 60 without quotation marks"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.dep_delay «==» \"NA\")",
        "an int cannot be compared with a string",
        Some("missing values are null: write == null"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.time_hour «>» \"2013-07-04\")",
        "a timestamp cannot be compared with a string",
        Some("write timestamp(\"2013-07-04\"), for example timestamp(\"2013-01-31T12:00:00Z\")"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.«dep_delay»)",
        "filter needs true or false, but this is an int",
        Some("compare it, for example with != 0"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.month == 1 && r.«origin»)",
        "&& needs true or false, but this is a string",
        Some("compare it with a text in quotation marks"),
    ),
    (
        "dataset(\"flights/2013\").map(r, {\"id\": r.carrier «+» r.flight})",
        "+ has no meaning for a string and an int",
        Some("write string(r.flight)"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.distance «in» [\"1\", \"2\"])",
        "an int is never in a list of string",
        Some("write the numbers without quotation marks"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.month in [1, «\"2\"»])",
        "a list holds values of one type, not an int beside a string",
        None,
    ),
    (
        "dataset(\"flights/2013\").filter(r, \"J\" «in» r.origin)",
        "`in` looks into a list, not into a text",
        Some("write r.origin.contains(...)"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.dep_delay «>» null)",
        "null has no order, so > means nothing",
        Some("test for missing values with == null or != null"),
    ),
    (
        "dataset(\"flights/2013\").map(r, {\"a\": math.sqrt(r.«origin»)})",
        "math.sqrt() does not take a string here",
        Some("it is written math.sqrt(double)"),
    ),
    (
        "dataset(\"flights/2013\").map(r, {\"a\": r.origin.«substring»()})",
        "substring() does not take 0 values",
        Some("it is written string.substring(int), string.substring(int, int)"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.origin.matches(«\"[J\"»))",
        "this is not a regular expression: unclosed character class",
        None,
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.time_hour > timestamp(«\"July\"»))",
        "\"July\" is not a timestamp",
        Some("a timestamp is written timestamp(\"2013-01-31T12:00:00Z\"), with +01:00 for Z where the zone is another"),
    ),
    (
        "dataset(\"flights/2013\").map(r, {\"a\": r.origin.exists(x, x == 1)})",
        "exists goes over a list, but this is a string",
        None,
    ),
    (
        "dataset(\"flights/2013\").filter(r, [1].all(a, [1].all(b, [1].all(c, [1].«all»(d, a + b + c + d > 0)))))",
        "all stands within 3 other macros, and no more than 3 fit",
        Some("make a column of the inner part first: .map(r, {\"name\": ...})"),
    ),
    (
        "dataset(\"flights/2013\").map(r, {\"a\": «null»})",
        "a column needs a type, and null or an empty list alone has none",
        None,
    ),
];

const STEPS: &[Case] = &[
    (
        "dataset(\"flights/2013\").«filter»(r)",
        "filter does not take 1 value",
        Some("write .filter(r, condition), for example .filter(r, r.delay > 60)"),
    ),
    (
        "dataset(\"flights/2013\").limit(«\"ten\"»)",
        "limit takes a whole number of rows, 0 or more",
        Some("write .limit(10)"),
    ),
    (
        "dataset(\"flights/2013\").sort(r, r.month, «\"down\"»)",
        "\"down\" is not a direction",
        Some("write \"asc\" or \"desc\""),
    ),
    (
        "dataset(\"flights/2013\").aggregate(r, {\"o\": r.origin}, {\"d\": r.«dep_delay»})",
        "r.dep_delay has many values in a group; an aggregate has to choose or join them",
        Some("write max(r.dep_delay) or mean(r.dep_delay), or make it a key of the group"),
    ),
    (
        "dataset(\"flights/2013\").map(r, {\"d\": «max»(r.dep_delay)})",
        "max() goes over many rows, so it stands in the last part of .aggregate() only",
        Some("for the greater of two values write math.greatest(a, b)"),
    ),
    (
        "dataset(\"flights/2013\").aggregate(r, {}, {\"a\": sum(r.«origin»)})",
        "sum() needs a number, but this is a string",
        None,
    ),
    ("dataset(\"flights/2013\").map(r, {\"a\": r.month, «\"a\"»: r.day})", "the name \"a\" is given twice", None),
    (
        "dataset(\"flights/2013\", «\"flight.parquet\"»)",
        "there is no file \"flight.parquet\" in the dataset",
        Some("did you mean \"flights.parquet\"?"),
    ),
];

const SYNTAX: &[Case] = &[
    (
        "dataset(\"flights/2013\").filter(r, r.month «=» 1)",
        "a single = is not an operator",
        Some("write == to compare"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.month == 1 «and» r.day == 2)",
        "\"and\" is not an operator",
        Some("write && for and"),
    ),
    ("dataset(\"flights/2013\").filter«(»r, r.month == 1", "this bracket is not closed", None),
    ("dataset(\"flights/2013\").filter(r, r.origin == «\"»JFK)", "this text is not closed", None),
    (
        "dataset(\"flights/2013\").filter(r, r.month «<>» 1)",
        "\"<>\" is not an operator",
        Some("write != for not equal"),
    ),
    (
        "dataset(\"flights/2013\").filter(r, r.origin == \"Zürich\" «or» r.day == 2)",
        "\"or\" is not an operator",
        Some("write || for or"),
    ),
    ("«»", "the expression is empty", Some("begin with dataset(\"topic/name\")")),
    (
        "dataset(\"flights/2013\")\n  .filter(r,\n    r.dest == \"São Paulo\" && r.«orign» == \"x\")",
        "there is no column \"orign\"",
        Some("did you mean r.origin?"),
    ),
];

async fn check(lab: &Lab, cases: &[Case]) {
    let mut wrong = Vec::new();
    for (marked, message, suggestion) in cases {
        let expression = marked.replace(['«', '»'], "");
        let invalid = match lab.engine.explain(&expression, lab).await {
            Err(QueryError::InvalidExpression(invalid)) => invalid,
            other => {
                wrong.push(format!("{expression}\n  gave {:?}", other.map(|_| ())));
                continue;
            }
        };
        let mut found = vec![(invalid.message.as_str(), *message)];
        found.push((invalid.suggestion.as_deref().unwrap_or("-"), suggestion.unwrap_or("-")));
        let (line, column, width) = place(marked);
        let at = format!("{}:{}+{}", invalid.line, invalid.column, invalid.width);
        let expected = format!("{line}:{column}+{width}");
        if marked.contains('«') {
            found.push((&at, &expected));
        }
        for (found, expected) in found {
            if found != expected {
                wrong.push(format!("{expression}\n  found    {found}\n  expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn place(marked: &str) -> (usize, usize, usize) {
    let (before, rest) = marked.split_once('«').unwrap_or((marked, "»"));
    let (inside, _) = rest.split_once('»').unwrap();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    (line, column, inside.chars().count().max(1))
}

#[tokio::test]
async fn names_that_are_not_there() {
    check(&nyc(), NAMES).await;
}

#[tokio::test]
async fn types_that_do_not_fit() {
    check(&nyc(), TYPES).await;
}

#[tokio::test]
async fn steps_with_wrong_values() {
    check(&nyc(), STEPS).await;
}

#[tokio::test]
async fn syntax_that_other_languages_have() {
    check(&nyc(), SYNTAX).await;
}

#[tokio::test]
async fn a_message_shows_the_place() {
    let message = nyc().refusal("dataset(\"flights/2013\")\n\t.filter(r, r.dep_dely > 60)").await;
    let expected = "there is no column \"dep_dely\" (line 2, column 15)\n  |  .filter(r, r.dep_dely > 60)\n  |               \
                    ^^^^^^^^\n  = did you mean r.dep_delay?";
    assert_eq!(message, expected);
    let long = format!("dataset(\"flights/2013\").filter(r, {}r.x == 1)", "r.month == 1 || ".repeat(20));
    let message = nyc().refusal(&long).await;
    let lines: Vec<&str> = message.lines().collect();
    assert!(lines[1].len() < 160 && lines[1].starts_with("  | ..."), "{message}");
    let caret = lines[2].find('^').unwrap();
    assert_eq!(&lines[1][caret..=caret], "x", "{message}");
}

#[tokio::test]
async fn a_dataset_that_is_not_there() {
    let lab = nyc();
    let message = lab.refusal("dataset(\"flight/2013\").count()").await;
    assert_eq!(message, "dataset \"flight/2013\" was not found; did you mean \"flights/2013\"?");
    let message = lab.refusal("dataset(\"flights/2013@99\").count()").await;
    assert_eq!(message, "dataset \"flights/2013@99\" was not found; `bib dataset list` shows what is here");
}
