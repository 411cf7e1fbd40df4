//! The flights and the weather of New York in 2013: every number is from DuckDB, by the statement above it.

use serde_json::json;

use crate::support::{close, column, number, nyc};

const FLIGHTS: &str = "dataset(\"flights/2013\")";
const CSV: &str = "dataset(\"flights/csv\")";
const WEATHER: &str = "dataset(\"weather/all\")";

async fn count(steps: &str, expected: u64) {
    let lab = nyc();
    for table in [FLIGHTS, CSV] {
        let rows = lab.rows(&format!("{table}{steps}.count()")).await;
        assert_eq!(number(&rows), expected as f64, "{table}{steps}");
    }
}

#[tokio::test]
async fn all_rows_are_there() {
    count("", 336_776).await;
    assert_eq!(number(&nyc().rows(&format!("{WEATHER}.count()")).await), 26_115.0);
}

#[tokio::test]
async fn filters_count_as_sql_does() {
    // select count(*) from flights where dep_delay > 60 and origin = 'JFK'
    count(".filter(r, r.dep_delay > 60 && r.origin == \"JFK\")", 8_401).await;
    // ... where dep_delay is null
    count(".filter(r, r.dep_delay == null)", 8_255).await;
    count(".filter(r, !has(r.dep_delay))", 8_255).await;
    // ... where tailnum is null
    count(".filter(r, r.tailnum == null)", 2_512).await;
    // ... where not (dep_delay > 60)
    count(".filter(r, !(r.dep_delay > 60))", 301_940).await;
    // ... where not (dep_delay > 60 and arr_delay > 60)
    count(".filter(r, !(r.dep_delay > 60 && r.arr_delay > 60))", 305_604).await;
    // ... where dep_delay != 0
    count(".filter(r, r.dep_delay != 0)", 312_007).await;
    // ... where dep_delay / 60.0 > 2.5
    count(".filter(r, r.dep_delay / 60.0 > 2.5)", 6_176).await;
    // ... where arr_delay - dep_delay < -30 or dest in ('HNL', 'ANC')
    count(".filter(r, r.arr_delay - r.dep_delay < -30 || r.dest in [\"HNL\", \"ANC\"])", 18_541).await;
}

#[tokio::test]
async fn texts_and_times() {
    // ... where tailnum like 'N1%' and regexp_matches(tailnum, '^N1[0-9]{2}UW$')
    count(".filter(r, r.tailnum.startsWith(\"N1\") && r.tailnum.matches(\"^N1[0-9]{2}UW$\"))", 2_520).await;
    // ... where time_hour >= '2013-07-04 00:00:00' and time_hour < '2013-07-05 00:00:00'
    let day = "r.time_hour >= timestamp(\"2013-07-04T00:00:00Z\") && r.time_hour < timestamp(\"2013-07-05T00:00:00Z\")";
    count(&format!(".filter(r, {day})"), 776).await;
    count(".filter(r, date(r.time_hour) == date(\"2013-07-04\"))", 776).await;
}

#[tokio::test]
async fn groups() {
    // select origin, count(*), avg(dep_delay), max(dep_delay), min(dep_delay), sum(distance), count(dep_delay)
    // from flights group by 1 order by 1
    let expected = [
        ("EWR", 120_835, 15.107_954_352_188_85, 1_126, -25, 127_691_515_i64, 117_596),
        ("JFK", 111_279, 12.112_159_099_217_665, 1_301, -43, 140_906_931, 109_416),
        ("LGA", 104_662, 10.346_875_646_494_4, 911, -33, 81_619_161, 101_509),
    ];
    for table in [FLIGHTS, CSV] {
        let rows = nyc()
            .rows(&format!(
                "{table}.aggregate(r, {{\"origin\": r.origin}}, {{\"n\": count(), \"mean\": mean(r.dep_delay), \
                 \"worst\": max(r.dep_delay), \"best\": min(r.dep_delay), \"miles\": sum(r.distance), \
                 \"flown\": count(r.dep_delay)}}).sort(r, r.origin)"
            ))
            .await;
        assert_eq!(rows.len(), 3);
        for (row, (origin, n, mean, worst, best, miles, flown)) in rows.iter().zip(expected) {
            assert_eq!(row["origin"], origin);
            assert_eq!(row["n"], n);
            close(&row["mean"], mean);
            assert_eq!(row["worst"], worst);
            assert_eq!(row["best"], best);
            assert_eq!(row["miles"], miles);
            assert_eq!(row["flown"], flown);
        }
    }
}

#[tokio::test]
async fn groups_of_filtered_rows_in_order() {
    // select carrier, count(*), avg(arr_delay) from flights where dest in ('LAX','SFO') group by 1 order by 2 desc limit 3
    let rows = nyc()
        .rows(&format!(
            "{FLIGHTS}.filter(f, f.dest in [\"LAX\", \"SFO\"]).aggregate(f, {{\"carrier\": f.carrier}}, \
             {{\"n\": count(), \"late\": avg(f.arr_delay)}}).order_by(g, g.n, \"desc\").limit(3)"
        ))
        .await;
    assert_eq!(column(&rows, "carrier"), ["UA", "AA", "VX"]);
    assert_eq!(column(&rows, "n"), [12_642, 5_004, 4_777]);
    close(&rows[0]["late"], 3.036_805_888_942_230_7);
    close(&rows[2]["late"], 2.477_498_415_381_365);
}

#[tokio::test]
async fn statistics_and_arithmetic_of_aggregates() {
    // select stddev(dep_delay), variance(arr_delay), median(dep_delay), count(distinct tailnum) from flights
    let rows = nyc()
        .rows(&format!(
            "{FLIGHTS}.aggregate(r, {{}}, {{\"s\": stddev(r.dep_delay), \"v\": variance(r.arr_delay), \
             \"m\": median(r.dep_delay), \"planes\": count_distinct(r.tailnum), \
             \"share\": double(count(r.dep_delay)) / double(count())}})"
        ))
        .await;
    close(&rows[0]["s"], 40.210_060_892_129_846);
    close(&rows[0]["v"], 1_992.130_727_101_916_4);
    close(&rows[0]["m"], -2.0);
    assert_eq!(rows[0]["planes"], 4_043);
    close(&rows[0]["share"], 328_521.0 / 336_776.0);
    // select sum(distance*air_time), sum(distance // 7), sum(month % 5) from flights
    let rows = nyc()
        .rows(&format!(
            "{FLIGHTS}.aggregate(r, {{}}, {{\"a\": sum(r.distance * r.air_time), \"b\": sum(r.distance / 7), \
             \"c\": sum(r.month % 5)}})"
        ))
        .await;
    assert_eq!(rows, [json!({"a": 74_070_709_083_i64, "b": 49_864_565, "c": 645_636})]);
}

#[tokio::test]
async fn rows_come_in_the_order_of_the_file() {
    // select carrier, dep_delay, flight from flights where dep_delay > 60 and origin = 'JFK' limit 3
    for table in [FLIGHTS, CSV] {
        let rows = nyc()
            .rows(&format!(
                "{table}.filter(r, r.dep_delay > 60 && r.origin == \"JFK\")\
                 .map(r, {{\"carrier\": r.carrier, \"delay\": r.dep_delay, \"n\": r.flight}}).limit(3)"
            ))
            .await;
        assert_eq!(
            rows,
            [
                json!({"carrier": "AA", "delay": 71, "n": 443}),
                json!({"carrier": "MQ", "delay": 853, "n": 3944}),
                json!({"carrier": "B6", "delay": 77, "n": 673}),
            ]
        );
    }
}

#[tokio::test]
async fn sorted_with_missing_values_last() {
    // select carrier, flight, dep_delay from flights order by dep_delay desc nulls last, flight limit 3
    let rows = nyc()
        .rows(&format!(
            "{FLIGHTS}.sort(r, r.dep_delay, \"desc\", r.flight).select(\"carrier\", \"flight\", \"dep_delay\").limit(3)"
        ))
        .await;
    assert_eq!(column(&rows, "carrier"), ["HA", "MQ", "MQ"]);
    assert_eq!(column(&rows, "flight"), [51, 3_535, 3_695]);
    assert_eq!(column(&rows, "dep_delay"), [1_301, 1_137, 1_126]);
    let last =
        nyc().rows(&format!("{FLIGHTS}.sort(r, r.dep_delay).select(\"dep_delay\").offset(328521).limit(1)")).await;
    assert_eq!(last, [json!({"dep_delay": null})]);
}

#[tokio::test]
async fn distinct_pairs() {
    // select count(*) from (select distinct origin, dest from flights)
    count(".select(\"origin\", \"dest\").distinct()", 224).await;
}

#[tokio::test]
async fn weather_with_its_gaps() {
    // select count(*), avg(temp), max(wind_speed), count(wind_gust), sum(precip), min(time_hour), max(time_hour) from weather
    let rows = nyc()
        .rows(&format!(
            "{WEATHER}.aggregate(w, {{}}, {{\"n\": count(), \"temp\": mean(w.temp), \"wind\": max(w.wind_speed), \
             \"gusts\": count(w.wind_gust), \"rain\": sum(w.precip), \"from\": min(w.time_hour), \"to\": max(w.time_hour)}})"
        ))
        .await;
    let row = &rows[0];
    assert_eq!(row["n"], 26_115);
    close(&row["temp"], 55.260_392_126_828_17);
    close(&row["wind"], 1_048.360_58);
    assert_eq!(row["gusts"], 5_337);
    close(&row["rain"], 116.710_000_000_000_79);
    assert_eq!(row["from"], "2013-01-01T06:00:00Z");
    assert_eq!(row["to"], "2013-12-30T23:00:00Z");
    // select origin, avg(humid) from weather where temp > 80 group by 1 order by 1
    let rows = nyc()
        .rows(&format!(
            "{WEATHER}.filter(w, w.temp > 80).aggregate(w, {{\"origin\": w.origin}}, {{\"humid\": mean(w.humid)}})\
             .sort(w, w.origin)"
        ))
        .await;
    for (row, expected) in rows.iter().zip([54.094_491_428_571_41, 57.619_085_820_895_51, 51.745_012_345_679_065]) {
        close(&row["humid"], expected);
    }
}
