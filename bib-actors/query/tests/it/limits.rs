//! Bounds of a query: rows, memory, time, size of the expression; each says how it is raised.

use std::time::Duration;

use bib_query::{LimitKind, QueryError, QueryOptions, View};
use futures::StreamExt;

use crate::support::{Lab, nyc};

#[tokio::test]
async fn the_callers_limit_cuts_and_says_so() {
    let lab = nyc();
    for (limit, truncated) in [(5, true), (336_775, true), (336_776, false), (400_000, false)] {
        let mut result =
            lab.engine.query("dataset(\"flights/2013\").select(\"month\")", Some(limit), None, &*lab).await.unwrap();
        let mut rows = 0;
        while let Some(batch) = result.stream.next().await {
            rows += batch.unwrap().num_rows() as u64;
        }
        assert_eq!(rows, limit.min(336_776));
        assert_eq!(result.stats.truncated(), truncated, "{limit}");
    }
}

#[tokio::test]
async fn too_many_rows_are_refused() {
    let lab = nyc();
    let engine = lab.engine_with(QueryOptions { max_rows: 1_000, ..QueryOptions::default() });
    let mut result = engine.query("dataset(\"flights/2013\")", None, None, &*lab).await.unwrap();
    let last = loop {
        match result.stream.next().await {
            Some(Ok(batch)) => assert!(batch.num_rows() <= 1_000),
            Some(Err(error)) => break error,
            None => panic!("the limit was not kept"),
        }
    };
    assert!(matches!(last, QueryError::Limit { which: LimitKind::Rows, limit: 1_000 }));
    assert_eq!(
        last.to_string(),
        "the result has more than 1000 rows, the limit of one query; add .limit(n) or .aggregate(...), ask for a part \
         with --limit, or raise query.max_rows on the node"
    );
    assert!(result.stream.next().await.is_none(), "nothing follows an error");
    // exactly as many are fine
    let mut result = engine.query("dataset(\"flights/2013\").limit(1000)", None, None, &*lab).await.unwrap();
    while let Some(batch) = result.stream.next().await {
        batch.unwrap();
    }
    assert_eq!(result.stats.rows(), 1_000);
}

#[tokio::test]
async fn memory_is_bounded() {
    let lab = nyc();
    let expression = "dataset(\"flights/2013\").sort(r, r.tailnum, r.time_hour).select(\"tailnum\", \"time_hour\", \"flight\", \"dest\")";
    let small = QueryOptions { memory_bytes: 1 << 20, ..QueryOptions::default() };
    let first = |engine: bib_query::QueryEngine| {
        let lab = lab.clone();
        async move {
            let mut result = engine.query(expression, None, None, &*lab).await?;
            result.stream.next().await.unwrap()
        }
    };
    let error = first(lab.engine_with(small.clone())).await.unwrap_err();
    assert!(matches!(error, QueryError::Limit { which: LimitKind::Memory, .. }), "{error:?}");
    assert!(error.to_string().contains("more than 1 MiB of memory") && error.to_string().contains("query.memory_mib"));
    // with room on the disk it goes on; sorting in pieces needs memory for one batch of each piece
    let dir = tempfile::tempdir().unwrap();
    let spill = dir.path().join("spill");
    let spilling = |memory_bytes| {
        lab.engine_with(QueryOptions { memory_bytes, spill_dir: Some(spill.clone()), ..QueryOptions::default() })
    };
    assert!(first(spilling(1 << 30)).await.unwrap().num_rows() > 0);
    assert!(!spill.exists(), "what fits into memory needs no folder");
    assert!(first(spilling(24 << 20)).await.unwrap().num_rows() > 0);
    assert_eq!(std::fs::read_dir(&spill).unwrap().count(), 0, "what was set aside goes with the query");
}

#[tokio::test]
async fn time_is_bounded() {
    let lab = nyc();
    let expression = "dataset(\"flights/csv\").sort(r, r.tailnum)";
    let error = match lab.engine.query(expression, None, Some(Duration::from_millis(20)), &*lab).await {
        Err(error) => error,
        Ok(mut result) => loop {
            match result.stream.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("ended in time"),
            }
        },
    };
    assert!(matches!(error, QueryError::Timeout { .. }));
    assert_eq!(
        error.to_string(),
        "the query was stopped after 0.02 s, its time limit; narrow it with .filter() or .limit(), or raise the timeout \
         (query.timeout_seconds on the node, --max-time for one query)"
    );
}

/// The first error of a query, while it starts or later.
async fn error_of(lab: &Lab, expression: &str, within: Option<Duration>) -> QueryError {
    let mut result = match lab.engine.query(expression, None, within, lab).await {
        Err(error) => return error,
        Ok(result) => result,
    };
    loop {
        match result.stream.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("ended without an error: {expression}"),
        }
    }
}

#[tokio::test]
async fn work_that_waits_for_nothing_is_stopped() {
    let numbers: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let lab = Lab::one("t.jsonl", format!("{{\"runs\":[{}]}}\n", numbers.join(",")).as_bytes());
    let endless = "r.runs.exists(a, r.runs.exists(b, r.runs.exists(c, a + b + c < 0)))";
    let kept = "r.runs.map(a, r.runs.filter(b, r.runs.all(c, a + b + c >= 0))) == [[0]]";
    let within = Duration::from_millis(200);
    for condition in [endless, kept] {
        let error = error_of(&lab, &format!("dataset(\"data/t\").filter(r, {condition})"), Some(within)).await;
        assert!(matches!(error, QueryError::Timeout { after } if after == within), "{error:?}");
    }
    let view = View { filter: endless.to_owned(), ..View::of("dataset(\"data/t\")") };
    let error = lab.engine.page(&view, 0, 10, Some(within), &lab).await.unwrap_err();
    assert!(matches!(error, QueryError::Timeout { .. }), "{error:?}");
    let error = lab.engine.statistics(&view, Some(within), &lab).await.unwrap_err();
    assert!(matches!(error, QueryError::Timeout { .. }), "{error:?}");
    // what depends on no row is not reckoned while planning, which nothing would end
    let list = format!("[{}]", numbers[..40].join(", "));
    let constant = format!("{list}.all(a, {list}.all(b, {list}.all(c, a + b + c >= 0)))");
    let planned = lab.engine.explain(&format!("dataset(\"data/t\").filter(r, {constant})"), &lab).await.unwrap();
    assert!(planned.plan.contains("row_by_row("), "{}", planned.plan);
    assert_eq!(lab.rows(&format!("dataset(\"data/t\").filter(r, {constant}).count()")).await[0]["count"], 1);
    let list = format!("[{}]", numbers[..400].join(", "));
    let many = format!("dataset(\"data/t\").filter(r, {list}.all(a, {list}.all(b, a + b >= 0)))");
    let message = lab.refusal(&many).await;
    assert!(message.contains("all would run 160000 times for each row, and at most 100000 are allowed"), "{message}");
}

async fn limit_reached(lab: &Lab, expression: &str) -> (LimitKind, u64) {
    match error_of(lab, expression, None).await {
        QueryError::Limit { which, limit } => (which, limit),
        other => panic!("{expression}: {other:?}"),
    }
}

#[tokio::test]
async fn texts_and_lists_that_a_query_makes_are_bounded() {
    let lab = Lab::one("t.csv", format!("s\n{}\n", "x".repeat(1_000)).as_bytes());
    let map = |value: String| format!("dataset(\"data/t\").map(r, {{\"v\": {value}}})");
    // of constants: refused with the query, before anything is made
    let long = "x".repeat(5_000);
    let constant = map(format!("\"x\"{}", format!(".replace(\"x\", \"{long}\")").repeat(4)));
    assert_eq!(limit_of(&lab, &constant).await, LimitKind::TextBytes);
    assert_eq!(limit_reached(&lab, &constant).await, (LimitKind::TextBytes, 64 << 10));
    // of values, with and without the interpreter
    let grown = map(format!("r.s{}", format!(".replace(\"x\", \"{long}\")").repeat(2)));
    assert_eq!(limit_reached(&lab, &grown).await, (LimitKind::TextBytes, 16 << 20));
    let eight = |sign: &str| ["x"; 8].join(sign);
    let doubled = map(format!("[r.s]{}", format!(".map(x, {})", eight(" + ")).repeat(6)));
    assert_eq!(limit_reached(&lab, &doubled).await, (LimitKind::TextBytes, 16 << 20));
    let joined = map(format!("[r.s, r.s].join(\"{long}\").split(\"x\").join(\"{long}\")"));
    assert_eq!(limit_reached(&lab, &joined).await, (LimitKind::TextBytes, 16 << 20));
    let nested = map(format!("[r.s]{}", format!(".map(x, [{}])", eight(", ")).repeat(8)));
    assert_eq!(limit_reached(&lab, &nested).await, (LimitKind::ValueBytes, 128 << 20));
    let message = error_of(&lab, &doubled, None).await.to_string();
    assert!(message.starts_with("a text that the query makes would be longer than 16.0 MiB; make it of"), "{message}");
    // what only looks at much keeps nothing of it
    let looked = format!("[{}].all(a, r.s.split(\"\").all(b, [r.s, b].join(\"\") + b != \"\"))", ["1"; 150].join(", "));
    assert_eq!(lab.rows(&format!("dataset(\"data/t\").filter(r, {looked}).count()")).await[0]["count"], 1);
}

#[tokio::test]
async fn a_dropped_query_stops_reading() {
    let lab = nyc();
    let mut result = lab.engine.query("dataset(\"flights/csv\")", None, None, &*lab).await.unwrap();
    result.stream.next().await.unwrap().unwrap();
    let stats = result.stats.clone();
    drop(result.stream);
    // one read may be under way; after it nothing moves
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let mut last = stats.bytes_read();
    let mut quiet = 0;
    while quiet < 5 {
        assert!(tokio::time::Instant::now() < deadline, "still reading");
        tokio::time::sleep(Duration::from_millis(20)).await;
        quiet = if stats.bytes_read() == last { quiet + 1 } else { 0 };
        last = stats.bytes_read();
    }
    assert!(last < 20_000_000, "{last} of 26 million bytes were read for one batch");
}

async fn limit_of(lab: &Lab, expression: &str) -> LimitKind {
    match lab.engine.explain(expression, lab).await {
        Err(QueryError::Limit { which, .. }) => which,
        other => panic!("{:?}", other.map(|explained| explained.plan)),
    }
}

#[tokio::test]
async fn expressions_are_bounded() {
    let lab = nyc();
    let within = |middle: String| format!("dataset(\"flights/2013\").filter(r, {middle})");
    let long = within(format!("r.origin == \"{}\"", "x".repeat(70_000)));
    assert_eq!(limit_of(&lab, &long).await, LimitKind::ExpressionBytes);
    let brackets = within(format!("{}r.month{} == 1", "(".repeat(200), ")".repeat(200)));
    assert_eq!(limit_of(&lab, &brackets).await, LimitKind::ExpressionDepth);
    let chain = within(format!("r.month{} > 1", " + 1".repeat(300)));
    assert_eq!(limit_of(&lab, &chain).await, LimitKind::ExpressionDepth);
    let steps = format!("dataset(\"flights/2013\"){}", ".limit(1)".repeat(300));
    assert_eq!(limit_of(&lab, &steps).await, LimitKind::ExpressionDepth);
    let nots = within(format!("{}true", "!".repeat(300)));
    assert_eq!(limit_of(&lab, &nots).await, LimitKind::ExpressionDepth);
    let many = within(vec!["r.month == 1"; 700].join(" || "));
    assert_eq!(limit_of(&lab, &many).await, LimitKind::ExpressionNodes);
    // what a program writes is fine
    let wide = within(vec!["r.month == 1"; 200].join(" || "));
    lab.engine.explain(&wide, &*lab).await.unwrap();
    let list = within(format!("r.flight in [{}]", vec!["7"; 900].join(", ")));
    lab.engine.explain(&list, &*lab).await.unwrap();
}

#[tokio::test]
async fn deep_expressions_do_not_break_the_parser() {
    let lab = nyc();
    for middle in [" + 1".repeat(1_900 / 2), " && true".repeat(900), ".a".repeat(900), "[0]".repeat(600)] {
        let _ = lab.engine.explain(&format!("dataset(\"flights/2013\").filter(r, r.month{middle})"), &*lab).await;
    }
    for open in ["(", "[", "{", "!", "-", "!(", "-("] {
        let _ = lab.engine.explain(&format!("dataset(\"a/b\").filter(r, {}", open.repeat(900)), &*lab).await;
    }
    let _ = lab.engine.explain(&"dataset(".repeat(47), &*lab).await;
    let _ = lab.engine.explain(&"true ? ".repeat(300), &*lab).await;
}
