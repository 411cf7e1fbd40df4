//! `make bench`: ours and the peer's in turn, in one run; a table for people and a report for programs.

mod measure;
mod peers;
mod report;
mod rows;

use anyhow::Context;
use clap::Parser;
use report::Row;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Rounds of every row.
const ROUNDS: usize = 5;

/// Measures BIB beside its peers.
#[derive(Debug, Parser)]
struct Cli {
    /// Where the report is written
    #[arg(long, default_value = "target/bench/report.json")]
    report: PathBuf,
    /// Rows to run, separated by commas [default: all]
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Rounds of each row
    #[arg(long, default_value_t = ROUNDS)]
    rounds: usize,
    /// Size of the file of the 1g rows, in MiB
    #[arg(long, default_value_t = 1024)]
    mib: usize,
}

fn main() -> ExitCode {
    match act(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "the benchmark failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(cli: &Cli) -> anyhow::Result<()> {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        anyhow::bail!("a TLS provider is there already");
    }
    let known: Vec<&str> = rows::ALL.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = cli.rows.iter().find(|row| !known.contains(&row.as_str())) {
        anyhow::bail!("there is no row {unknown}; there are {}", known.join(", "));
    }
    let mut done: Vec<Row> = Vec::new();
    for (name, run) in rows::ALL {
        if cli.rows.is_empty() || cli.rows.iter().any(|row| row == name) {
            let rows = run(cli.rounds, cli.mib).with_context(|| format!("row {name}"))?;
            let mut out = std::io::stdout().lock();
            rows.iter().try_for_each(|row| writeln!(out, "{}", row.line()))?;
            done.extend(rows);
        }
    }
    report::write(&cli.report, &done)?;
    writeln!(std::io::stdout(), "report: {}", cli.report.display())?;
    Ok(())
}
