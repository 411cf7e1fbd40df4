//! What reaches the scan: filters, projections and limits, and only what was asked for.

use crate::support::nyc;

async fn plan(expression: &str) -> String {
    let lab = nyc();
    lab.engine.explain(expression, &*lab).await.unwrap_or_else(|error| panic!("{error}")).plan
}

fn scan_of(plan: &str) -> &str {
    plan.lines().find(|line| line.contains("DataSourceExec")).unwrap_or_else(|| panic!("no scan in\n{plan}"))
}

#[tokio::test]
async fn filters_and_columns_reach_parquet() {
    let plan =
        plan("dataset(\"flights/2013\").filter(r, r.dep_delay > 60 && r.origin == \"JFK\").map(r, {\"c\": r.carrier})")
            .await;
    let scan = scan_of(&plan);
    assert!(scan.contains("projection=[dep_delay, carrier, origin]"), "{plan}");
    assert!(scan.contains("predicate=dep_delay@") && scan.contains("origin@"), "{plan}");
    assert!(scan.contains("pruning_predicate=") && scan.contains("dep_delay_max@"), "{plan}");
    assert!(
        plan.split("physical plan").nth(1).unwrap().contains("FilterExec"),
        "three columns are all unpacked\n{plan}"
    );
    assert!(!scan.contains("tailnum") && !scan.contains("distance"), "{plan}");
}

#[tokio::test]
async fn of_many_columns_only_the_rows_that_pass_are_unpacked() {
    let filters_behind = |plan: &str| plan.split("physical plan").nth(1).unwrap().contains("FilterExec");
    let rows = plan("dataset(\"flights/2013\").filter(r, r.dep_delay > 600)").await;
    assert!(
        rows.contains("FilterExec: every_row()\n") && scan_of(&rows).contains("predicate=dep_delay@"),
        "the scan filters alone\n{rows}"
    );
    let all: Vec<String> =
        ["month", "day", "dep_delay", "arr_delay", "flight", "air_time", "distance", "hour", "minute"]
            .iter()
            .map(|name| format!("\"{name}\": sum(r.{name})"))
            .collect();
    let sums = |more: &str| {
        format!(
            "dataset(\"flights/2013\").filter(r, r.dep_delay > 600).aggregate(r, {{{more}}}, {{{}}})",
            all.join(", ")
        )
    };
    let few = plan(&sums("")).await;
    assert!(filters_behind(&few), "nine columns\n{few}");
    let many = plan(&sums("\"o\": r.origin, \"d\": r.dest, \"c\": r.carrier")).await;
    assert!(!filters_behind(&many), "twelve columns\n{many}");
}

#[tokio::test]
async fn a_whole_double_prunes_like_an_int() {
    let plan = plan("dataset(\"flights/2013\").filter(r, r.dep_delay >= 60.0)").await;
    assert!(scan_of(&plan).contains("pruning_predicate=") && !scan_of(&plan).contains("CAST"), "{plan}");
}

#[tokio::test]
async fn an_item_of_a_list_that_is_written_prunes_like_a_number() {
    let plan = plan("dataset(\"flights/2013\").filter(r, r.dep_delay >= [60, 90][1])").await;
    let skips = scan_of(&plan).split("pruning_predicate=").nth(1).unwrap_or_default();
    assert!(skips.contains("dep_delay_max@") && !scan_of(&plan).contains("row_by_row"), "{plan}");
}

#[tokio::test]
async fn a_pattern_that_begins_with_a_text_prunes_by_it() {
    let plan = plan("dataset(\"flights/2013\").filter(r, r.tailnum.matches(\"^N1[0-9]{2}UW$\"))").await;
    let skips = scan_of(&plan).split("pruning_predicate=").nth(1).unwrap_or_default();
    assert!(skips.contains("tailnum_max@") && skips.contains("N1"), "{plan}");
    assert!(plan.contains("matches(") && !plan.contains("LIKE"), "{plan}");
}

#[tokio::test]
async fn only_the_columns_of_csv_that_are_named() {
    let plan =
        plan("dataset(\"flights/csv\").filter(r, r.origin == \"JFK\").aggregate(r, {}, {\"d\": max(r.dep_delay)})")
            .await;
    let scan = scan_of(&plan);
    assert!(scan.contains("projection=[dep_delay, origin]"), "{plan}");
    assert!(scan.contains("file_type=csv") && scan.contains("files=flights.csv"), "{plan}");
}

#[tokio::test]
async fn a_limit_reaches_the_scan() {
    let plan = plan("dataset(\"flights/2013\").limit(10)").await;
    assert!(scan_of(&plan).contains("limit=10"), "{plan}");
}

#[tokio::test]
async fn nothing_in_a_plan_speaks_of_internals() {
    let plan = plan("dataset(\"flights/2013\").filter(r, r.dep_delay + 1 > 60).aggregate(r, {\"o\": r.origin}, {\"n\": sum(r.distance)})").await;
    assert!(plan.starts_with("logical plan\n") && plan.contains("\nphysical plan\n"), "{plan}");
    assert!(plan.contains("add("), "arithmetic is checked for overflow\n{plan}");
}
