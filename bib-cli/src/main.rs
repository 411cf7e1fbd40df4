//! The `bib` program: parses, runs one command, turns its error into a message and an exit code.

use bib_cli::{Cli, Exit, run};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.wants_json();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            bib_cli::note(&format!("error: the system gives no threads: {error}"));
            return ExitCode::from(Exit::Failed.code());
        }
    };
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = run(cli) => outcome,
            _ = tokio::signal::ctrl_c() => {
                return ExitCode::from(Exit::Interrupted.code());
            }
        }
        .map_or_else(
            |error| {
                bib_cli::note(&if json { error.as_json() } else { error.for_people() });
                ExitCode::from(error.exit.code())
            },
            |()| ExitCode::SUCCESS,
        )
    });
    // a blocked read of standard input must not hold the program back
    runtime.shutdown_background();
    outcome
}
