//! `make bench`: ours and the peer's in turn, in one run; a table for people and a report for programs.

mod context;
mod curves;
mod found;
mod http;
mod machine;
mod measure;
mod peers;
mod report;
mod rows;

use anyhow::Context;
use clap::Parser;
use context::Ctx;
use report::Row;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Rounds of every row.
const ROUNDS: usize = 5;
/// MiB of the large file.
const LARGE: usize = 1024;
/// The same for a look at whether the harness works.
const QUICK: usize = 8;

/// Measures BIB beside its peers.
#[derive(Debug, Parser)]
struct Cli {
    /// Where the report is written; peers are installed beside it
    #[arg(long, default_value = "target/bench/report.json")]
    report: PathBuf,
    /// Rows to run, separated by commas [default: all]
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Rounds of each row [default: 5]
    #[arg(long)]
    rounds: Option<usize>,
    /// Size of the file of the 1g rows, in MiB [default: 1024]
    #[arg(long)]
    mib: Option<usize>,
    /// Small sizes and one round: shows that each row's harness works, measures nothing
    #[arg(long)]
    quick: bool,
    /// Leaves out the peers that take long to have: sendme, which is compiled for some ten minutes, once
    #[arg(long)]
    no_slow_peers: bool,
    /// Installs nothing: a peer that is not here is left out, or its row fails
    #[arg(long)]
    no_install: bool,
    /// Measures how costs grow with sizes, instead of the rows
    #[arg(long)]
    curves: bool,
    /// Serves as the bare tonic peer of `grpc-unary`, for this program itself
    #[arg(long, hide = true)]
    serve_tonic: Option<PathBuf>,
}

fn main() -> ExitCode {
    match interruptible(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "the benchmark failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs until the end or a signal. After a signal the running row fails at its next step, and what it started and wrote
/// is stopped and removed, as at any other failure.
fn interruptible(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("listen for signals")?;
    let handle = signals.handle();
    let watcher = std::thread::spawn(move || signals.forever().next());
    let work = std::thread::spawn(move || act(&cli));
    while !work.is_finished() && !watcher.is_finished() {
        std::thread::park_timeout(Duration::from_millis(50));
    }
    if watcher.is_finished() && !work.is_finished() {
        let _ = writeln!(std::io::stderr(), "\ninterrupted: stopping what runs and removing its data");
        bib_node_tests::interrupt();
        let _ = work.join();
        return Ok(ExitCode::from(130));
    }
    handle.close();
    match work.join() {
        Ok(done) => done.map(|met| if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        Err(_) => anyhow::bail!("a row panicked"),
    }
}

fn act(cli: &Cli) -> anyhow::Result<bool> {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        anyhow::bail!("a TLS provider is there already");
    }
    if let Some(folder) = &cli.serve_tonic {
        peers::tonic::serve(folder)?;
        return Ok(true);
    }
    if cli.no_install {
        peers::install_nothing();
    }
    machine::keep_orphans().context("count the processor time of what this program starts")?;
    let ctx = Ctx {
        rounds: cli.rounds.unwrap_or(if cli.quick { 1 } else { ROUNDS }),
        mib: cli.mib.unwrap_or(if cli.quick { QUICK } else { LARGE }),
        quick: cli.quick,
        slow_peers: !cli.no_slow_peers,
        cache: std::path::absolute(&cli.report)?.parent().context("the report's folder")?.join("peers"),
    };
    std::fs::create_dir_all(&ctx.cache).with_context(|| format!("make {}", ctx.cache.display()))?;
    if cli.curves {
        return curves::run(&ctx, &cli.rows, &cli.report.with_file_name("curves.json")).map(|()| true);
    }
    let known: Vec<&str> = rows::ALL.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = cli.rows.iter().find(|row| !known.contains(&row.as_str())) {
        anyhow::bail!("there is no row {unknown}; there are {}", known.join(", "));
    }
    let (mut done, mut failed): (Vec<Row>, Vec<&str>) = (Vec::new(), Vec::new());
    for (name, run) in rows::ALL {
        if !cli.rows.is_empty() && !cli.rows.iter().any(|row| row == name) {
            continue;
        }
        anyhow::ensure!(!bib_node_tests::is_interrupted(), "interrupted before {name}");
        match run(&ctx) {
            Ok(rows) => {
                let mut out = std::io::stdout().lock();
                rows.iter().try_for_each(|row| writeln!(out, "{}", row.line()))?;
                done.extend(rows);
            }
            Err(error) => {
                // the other rows are worth having all the same
                writeln!(std::io::stderr(), "row {name} failed: {error:#}")?;
                failed.push(name);
            }
        }
        report::write(&cli.report, &done, ctx.quick)?;
    }
    writeln!(std::io::stdout(), "report: {}", cli.report.display())?;
    if ctx.quick {
        writeln!(std::io::stdout(), "small sizes, one round: these figures are no measurement")?;
    }
    if !failed.is_empty() {
        writeln!(std::io::stderr(), "rows that failed: {}", failed.join(", "))?;
    }
    Ok(failed.is_empty())
}
