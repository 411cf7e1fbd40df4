//! DuckDB and polars: one process that makes the tables and answers queries, with the time that each took.

use super::{python, script};
use crate::context::Ctx;
use crate::found::Found;
use anyhow::Context;
use serde_json::Value;
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Processors that every side may use.
const THREADS: usize = 2;

/// The running process.
pub(crate) struct DuckDb(RefCell<Inner>);

struct Inner {
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What it says of a query.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) seconds: f64,
    pub(crate) found: Found,
    /// The sum of the column `n`.
    pub(crate) n: i64,
}

impl DuckDb {
    /// Starts it, and has it make the tables that are not there: `table.parquet` and `table.csv` in `folder`.
    pub(crate) fn start(ctx: &Ctx, folder: &Path, rows: usize, csv: bool) -> anyhow::Result<Self> {
        let interpreter = python(&ctx.cache, "duckdb", "python")?;
        python(&ctx.cache, "polars", "python")?;
        let mut command = Command::new(interpreter);
        command.arg(script("duckdb_peer.py")).arg(folder).arg(rows.to_string()).arg(THREADS.to_string());
        command.arg(if csv { "csv" } else { "parquet" }).env("POLARS_MAX_THREADS", THREADS.to_string());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("run DuckDB")?;
        let ask = process.stdin.take().context("DuckDB's input")?;
        let answers = BufReader::new(process.stdout.take().context("DuckDB's output")?);
        let mut inner = Inner { process, ask, answers };
        inner.line()?;
        Ok(Self(RefCell::new(inner)))
    }

    /// Runs a query; `TABLE` in it stands for the table.
    pub(crate) fn ask(&self, sql: &str) -> anyhow::Result<Answer> {
        let inner = &mut *self.0.borrow_mut();
        writeln!(inner.ask, "{sql}")?;
        let answer = inner.line()?;
        Ok(Answer {
            seconds: answer["seconds"].as_f64().context("DuckDB's time")?,
            found: Found::of_json(&answer).context("DuckDB's rows")?,
            n: answer["n"].as_i64().context("DuckDB's count")?,
        })
    }

    /// Has polars run the first query.
    pub(crate) fn ask_polars(&self) -> anyhow::Result<Answer> {
        self.ask("polars")
    }
}

impl Inner {
    fn line(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("DuckDB said {line:?}"))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
