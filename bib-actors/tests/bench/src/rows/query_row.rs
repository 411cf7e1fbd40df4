//! `query-row`: a filter as the node compiles it, beside the same filter by the `cel` crate's interpreter row by row.

use super::query::{batches, sums};
use super::{Place, float};
use crate::context::Ctx;
use crate::measure::{beside, seconds};
use crate::peers::duckdb::DuckDb;
use crate::report::{Better, Row};
use anyhow::{Context, ensure};
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use cel::{Context as Cel, Program, Value};

/// Rows that an answer may have.
const ANSWER: usize = 1_000_000;
const FILTER: &str = "a > 500 && b == 3";

/// Over as many rows as the other queries, and over a tenth of them, where what a query costs by itself counts.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let sizes = [("query-row", 10_000_000, 20_000), ("query-row.million", 1_000_000, 10_000)];
    sizes.into_iter().map(|(name, count, quick)| table(ctx, name, ctx.size(count, quick))).collect()
}

/// One peer; nanoseconds a row.
fn table(ctx: &Ctx, name: &'static str, count: usize) -> anyhow::Result<Row> {
    let place = Place::new()?;
    let duckdb = DuckDb::start(ctx, &place.path(""), count, false)?;
    place.upload(&place.path("table.parquet"), "table")?;
    let expected = duckdb.ask("select count(*) as n from TABLE where a > 500 and b = 3")?.n;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = place.local(&runtime)?;
    // the interpreter gets its rows from memory, ours reads the file: what differs is in its favour
    let mut table = Vec::new();
    for from in (0..count).step_by(ANSWER) {
        let part = format!(
            r#"dataset("bench/table").filter(r, r.id >= {from} && r.id < {}).map(r, {{"a": r.a, "b": r.b}})"#,
            from + ANSWER
        );
        table.extend(runtime.block_on(batches(&client, &part))?);
    }
    let filter = r#"dataset("bench/table").filter(r, r.a > 500 && r.b == 3).aggregate(r, {}, {"n": count()})"#;
    let each = |seconds: f64| seconds * 1e9 / float(count);
    let measured = beside(
        ctx,
        |_| {
            let ((_, n), took) = seconds(|| runtime.block_on(sums(&client, filter)))?;
            ensure!(n == expected, "{n} rows, DuckDB has {expected}");
            Ok(each(took))
        },
        |_| {
            let (n, took) = seconds(|| interpret(&table))?;
            ensure!(n == expected, "the interpreter kept {n} rows, DuckDB {expected}");
            Ok(each(took))
        },
    )?;
    let row = Row::new(name, "cel", "ns", Better::Lower, 30.0, measured);
    Ok(row.remark(
        "a row; compiled once, one context with an inner scope a row; ours reads the file and answers over gRPC",
    ))
}

fn interpret(batches: &[RecordBatch]) -> anyhow::Result<i64> {
    let program = Program::compile(FILTER).map_err(|error| anyhow::anyhow!("{error}"))?;
    let outer = Cel::default();
    let mut kept = 0;
    for batch in batches {
        let (a, b) = (numbers(batch, "a")?, numbers(batch, "b")?);
        let (a, b) = (a.as_primitive::<Int64Type>(), b.as_primitive::<Int64Type>());
        for (a, b) in a.values().iter().zip(b.values()) {
            let mut scope = outer.new_inner_scope();
            scope.add_variable_from_value("a", *a);
            scope.add_variable_from_value("b", *b);
            let answer = program.execute(&scope).map_err(|error| anyhow::anyhow!("{error}"))?;
            kept += i64::from(answer == Value::Bool(true));
        }
    }
    Ok(kept)
}

fn numbers(batch: &RecordBatch, name: &str) -> anyhow::Result<ArrayRef> {
    Ok(cast(batch.column_by_name(name).context("a column")?, &DataType::Int64)?)
}
