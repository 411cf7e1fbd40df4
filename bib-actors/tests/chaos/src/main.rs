//! `make chaos`: every scenario in its whole numbers; a table for people and a report for programs.

use anyhow::ensure;
use bib_chaos::scenarios::{ALL, Scenario};
use bib_chaos::{Extent, Row, Setting, table, write_report};
use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Puts whole nodes under fire and counts what breaks.
#[derive(Debug, Parser)]
struct Cli {
    /// Where the report is written
    #[arg(long, default_value = "target/chaos/report.json")]
    report: PathBuf,
    /// Scenarios to run, separated by commas [default: all]
    #[arg(long, value_delimiter = ',')]
    scenarios: Vec<String>,
    /// Repeats the run that had this seed
    #[arg(long)]
    seed: Option<u64>,
    /// Runs of each scenario [default: as many as are promised]
    #[arg(long)]
    runs: Option<u32>,
    /// The few runs that `make test` has time for
    #[arg(long)]
    reduced: bool,
}

fn main() -> ExitCode {
    // whoever breaks it off gets his nodes stopped and their folders removed
    if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) {
        std::thread::spawn(move || signals.forever().next().map(|_| bib_node_tests::interrupt()));
    }
    match act(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "bib-chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(cli: &Cli) -> anyhow::Result<bool> {
    let known: Vec<&str> = ALL.iter().map(|scenario| scenario.name).collect();
    for name in &cli.scenarios {
        ensure!(known.contains(&name.as_str()), "there is no scenario {name}; there are {}", known.join(", "));
    }
    let mut setting = Setting::new(if cli.reduced { Extent::Reduced } else { Extent::Whole });
    setting.seed = cli.seed.unwrap_or(setting.seed);
    setting.runs = cli.runs;
    setting.verbose = true;
    let wanted = |scenario: &&Scenario| cli.scenarios.is_empty() || cli.scenarios.iter().any(|n| n == scenario.name);
    let mut rows: Vec<Row> = Vec::new();
    for scenario in ALL.iter().filter(wanted) {
        writeln!(std::io::stderr(), "{}: {} (seed {})", scenario.name, scenario.about, setting.seed)?;
        let row = scenario.run(&setting);
        writeln!(std::io::stdout(), "{row}")?;
        rows.push(row);
        // a run that is broken off leaves what it found so far
        write_report(&cli.report, &rows)?;
        ensure!(!bib_node_tests::is_interrupted(), "interrupted");
    }
    writeln!(std::io::stdout(), "\n{}report: {}", table(&rows), cli.report.display())?;
    Ok(rows.iter().all(Row::is_ok))
}
