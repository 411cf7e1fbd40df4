//! `query-parquet` and `query-csv`: five queries over ten million rows, beside DuckDB on the same file.

use super::Place;
use crate::context::Ctx;
use crate::found::Found;
use crate::measure::{Measured, Round, in_turn, one, seconds};
use crate::peers::duckdb::DuckDb;
use crate::report::{Better, NO_GOAL, Row};
use anyhow::Context;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{Int64Type, UInt64Type};
use arrow::ipc::reader::StreamDecoder;
use bib_proto::client::Client;
use bib_proto::v1::QueryRequest;
use bib_proto::v1::query_response::Part;

/// Name, CEL, SQL. `FIRST` and `LAST` stand for two numbers of rows in the middle of the table.
const QUERIES: [(&str, &str, &str); 5] = [
    (
        "filter-aggregate",
        r#".filter(r, r.a > 500 && r.b == 3).aggregate(r, {}, {"n": count(), "m": mean(r.f)})"#,
        "select count(*) as n, avg(f) as m from TABLE where a > 500 and b = 3",
    ),
    (
        "filter-group",
        r#".filter(r, r.a > 500 && r.b == 3).aggregate(r, {"s": r.s}, {"n": count(), "m": mean(r.f), "x": max(r.a)}).sort(r, r.s)"#,
        "select s, count(*) as n, avg(f) as m, max(a) as x from TABLE where a > 500 and b = 3 group by s order by s",
    ),
    (
        "string-filter",
        r#".filter(r, r.s.startsWith("site_1") && r.f < 0.5).aggregate(r, {}, {"n": count()})"#,
        "select count(*) as n from TABLE where s like 'site\\_1%' escape '\\' and f < 0.5",
    ),
    (
        "full-group",
        r#".aggregate(r, {"s": r.s, "b": r.b}, {"n": count(), "t": sum(r.f)})"#,
        "select s, b, count(*) as n, sum(f) as t from TABLE group by s, b",
    ),
    ("selective", ".filter(r, r.id >= FIRST && r.id <= LAST)", "select * from TABLE where id >= FIRST and id <= LAST"),
];

/// Rows of the table.
pub(crate) const ROWS: usize = 10_000_000;
/// From the first row that the selective query finds to the last one.
const SELECTED: usize = 100;

/// Goals of the broad queries and of the selective one.
struct Goals {
    broad: f64,
    selective: f64,
}

/// Over Parquet.
pub(crate) fn run_parquet(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    run(ctx, "query-parquet", "table.parquet", &Goals { broad: 0.77, selective: 0.67 })
}

/// Over CSV.
pub(crate) fn run_csv(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    run(ctx, "query-csv", "table.csv", &Goals { broad: 1.0, selective: 1.0 })
}

/// Each query, and the four broad ones together; polars beside the first.
fn run(ctx: &Ctx, name: &str, file: &str, goals: &Goals) -> anyhow::Result<Vec<Row>> {
    let place = Place::new()?;
    let table = place.path(file);
    let count = ctx.size(ROWS, 100_000);
    let duckdb = DuckDb::start(ctx, &place.path(""), count, file.ends_with(".csv"))?;
    place.upload(&table, "table")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = place.local(&runtime)?;

    let mut rows = Vec::new();
    let mut broad = Measured::default();
    let here = |text: &str| {
        text.replace("FIRST", &(count / 2).to_string()).replace("LAST", &(count / 2 + SELECTED).to_string())
    };
    for (at, (query, cel, sql)) in QUERIES.into_iter().enumerate() {
        let (expression, sql) = (format!("dataset(\"bench/table\"){}", here(cel)), here(sql));
        let expected = duckdb.ask(&sql)?.found;
        let ours = one(|_| {
            let (answer, took) = seconds(|| runtime.block_on(batches(&client, &expression)))?;
            let same = Found::of_batches(&answer).and_then(|found| found.same_as(&expected));
            same.with_context(|| format!("{query} is not what DuckDB finds"))?;
            Ok(took * 1000.0)
        });
        let mut sides = vec![ours, one(|_| Ok(duckdb.ask(&sql)?.seconds * 1000.0))];
        if at == 0 {
            sides.push(one(|_| {
                let answer = duckdb.ask_polars()?;
                answer.found.same_as(&expected).context("polars does not find what DuckDB does")?;
                Ok(answer.seconds * 1000.0)
            }));
        }
        let measured = in_turn(ctx, sides)?;
        let goal = if query == "selective" { goals.selective } else { goals.broad };
        let name = format!("{name}.{query}");
        rows.push(row(&name, "duckdb", goal, measured.beside(1, 0)));
        if at == 0 {
            let polars = Row::new(&name, "polars", "ms", Better::Lower, NO_GOAL, measured.beside(2, 0));
            rows.push(polars.remark("polars keeps no audit log and runs in the asker's process"));
        }
        if query != "selective" {
            add(&mut broad, &measured.beside(1, 0));
        }
    }
    rows.insert(0, row(name, "duckdb", goals.broad, broad));
    Ok(rows)
}

fn add(sum: &mut Measured, more: &Measured) {
    sum.rounds.resize(more.rounds.len(), Round { ours: 0.0, peer: 0.0 });
    for (sum, round) in sum.rounds.iter_mut().zip(&more.rounds) {
        sum.ours += round.ours;
        sum.peer += round.peer;
    }
    sum.disturbed = sum.disturbed.max(more.disturbed);
}

fn row(name: &str, peer: &str, goal: f64, measured: Measured) -> Row {
    let remark = "DuckDB keeps no audit log and runs in the asker's process";
    Row::new(name, peer, "ms", Better::Lower, goal, measured).remark(remark)
}

/// Rows of the answer and the sum of its column `n`.
pub(crate) async fn sums(client: &Client, expression: &str) -> anyhow::Result<(usize, i64)> {
    let batches = batches(client, expression).await?;
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let total = batches.iter().filter_map(|batch| batch.column_by_name("n")).map(|column| sum(column.as_ref())).sum();
    Ok((rows, total))
}

/// The answer.
pub(crate) async fn batches(client: &Client, expression: &str) -> anyhow::Result<Vec<RecordBatch>> {
    let request = QueryRequest { expression: expression.to_owned(), limit: 0, timeout_ms: 0 };
    let mut stream = client.queries().query(request).await?.into_inner();
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    while let Some(answer) = stream.message().await? {
        let Some(Part::ArrowIpc(part)) = answer.part else { continue };
        let mut buffer = Buffer::from_vec(part);
        while !buffer.is_empty() {
            batches.extend(decoder.decode(&mut buffer)?);
        }
    }
    Ok(batches)
}

fn sum(column: &dyn Array) -> i64 {
    if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
        return numbers.iter().flatten().sum();
    }
    let unsigned = column.as_primitive_opt::<UInt64Type>();
    unsigned.map_or(0, |numbers| numbers.iter().flatten().sum::<u64>().cast_signed())
}
