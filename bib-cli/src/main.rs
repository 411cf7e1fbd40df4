//! The `bib` program: parses, runs one command, turns its error into a message and an exit code.

use bib_cli::{Cli, CliError, Exit, asks_for_json, run};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && asks_for_json(std::env::args()) => {
            bib_cli::note(&CliError::of_parser(&error).as_json());
            return ExitCode::from(Exit::Usage.code());
        }
        Err(error) => error.exit(),
    };
    let json = cli.wants_json();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            bib_cli::note(&format!("error: the system gives no threads: {error}"));
            return ExitCode::from(Exit::Failed.code());
        }
    };
    let ended = runtime.block_on(async {
        // the work is dropped where this ends, and with it what was not finished
        tokio::select! {
            outcome = run(cli) => Ok(outcome),
            exit = stopped() => Err(exit),
        }
    });
    let outcome = match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            bib_cli::note(&if json { error.as_json() } else { error.for_people() });
            ExitCode::from(error.exit.code())
        }
        Err(exit) => {
            bib_cli::note("interrupted");
            ExitCode::from(exit.code())
        }
    };
    // a blocked read of standard input must not hold the program back
    runtime.shutdown_background();
    outcome
}

/// Comes back when somebody wants this program to end.
async fn stopped() -> Exit {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Terminated,
        },
        Err(_) => tokio::signal::ctrl_c().await.map_or(Exit::Failed, |()| Exit::Interrupted),
    }
}
