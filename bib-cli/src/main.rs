//! The `bib` program: parses, runs one command, turns its error into a message and an exit code.

use bib_cli::{Cli, CliError, Exit, asks_for_json, run};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && asks_for_json(words()) => {
            bib_cli::note(&CliError::of_parser(&error).as_json());
            return ExitCode::from(Exit::Usage.code());
        }
        Err(error) => error.exit(),
    };
    let json = cli.wants_json();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            bib_cli::report(&CliError::new(Exit::Failed, format!("the system gives no threads: {error}")), json);
            return ExitCode::from(Exit::Failed.code());
        }
    };
    // on a thread of its own: a signal is seen also while the command computes
    let stop = runtime.spawn(stopped(json));
    let ended = runtime.block_on(async {
        // the work is dropped where this ends, and with it what was not finished
        tokio::select! {
            outcome = run(cli) => Ok(outcome),
            exit = stop => Err(exit.unwrap_or(Exit::Failed)),
        }
    });
    let outcome = match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            bib_cli::report(&error, json);
            ExitCode::from(error.exit.code())
        }
        Err(exit) => ExitCode::from(exit.code()),
    };
    // a blocked read of standard input must not hold the program back
    runtime.shutdown_background();
    outcome
}

/// The words of the command line; what is no text in them is no flag either.
fn words() -> impl Iterator<Item = String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned())
}

/// Comes back when somebody wants this program to end. From then on, a second signal ends it at once.
async fn stopped(json: bool) -> Exit {
    let exit = tokio::select! {
        exit = told() => exit,
        () = hung_up() => Exit::HungUp,
    };
    let text = match exit {
        Exit::Interrupted => "interrupted; tidying up, a second Ctrl-C ends it at once",
        Exit::HungUp => "the terminal is gone; tidying up",
        _ => "told to stop; tidying up",
    };
    bib_cli::report_stop(exit, text, json);
    tokio::spawn(async {
        // a hang-up is no second wish: a shell and the kernel send one each
        let exit = told().await;
        std::process::exit(i32::from(exit.code()));
    });
    exit
}

/// Comes back at a Ctrl-C, or when another program says so.
async fn told() -> Exit {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            exit = interrupted() => exit,
            _ = terminate.recv() => Exit::Terminated,
        },
        Err(_) => interrupted().await,
    }
}

/// Comes back at a Ctrl-C that is not for the pager.
async fn interrupted() -> Exit {
    let Ok(mut interrupt) = signal(SignalKind::interrupt()) else { return Exit::Failed };
    while interrupt.recv().await.is_some() {
        if !bib_cli::is_paging() {
            break;
        }
    }
    Exit::Interrupted
}

/// Comes back when the terminal is gone; never where the program is to outlive it, as under `nohup`.
async fn hung_up() {
    let hangup = if outlives_terminal() { None } else { signal(SignalKind::hangup()).ok() };
    match hangup {
        Some(mut hangup) => drop(hangup.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether who started the program had hang-ups ignored. Where it cannot be told, they are left as they are.
fn outlives_terminal() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|signals| u64::from_str_radix(signals.trim(), 16).ok());
    // a bit each, that of SIGHUP first
    ignored.is_none_or(|signals| signals & 1 == 1)
}
