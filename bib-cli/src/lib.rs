//! The `bib` command line: one file a verb, standard output for data, standard error for the rest.
//!
//! Everything goes through the node's API; nothing of the node is linked.

mod ask;
mod commands;
mod error;
mod exit;
mod filter;
mod global;
mod layers;
mod listing;
mod look;
mod output;
mod postgres;
mod progress;
mod session;
mod settings;
mod shell;
mod views;
mod watch;

pub use commands::{Cli, asks_for_json, run};
pub use error::{CliError, CliResult};
pub use exit::Exit;
pub use output::{is_paging, note};

/// Prints an error: one line of JSON for programs, else two to four lines for people.
pub fn report(error: &CliError, json: bool) {
    if json || look::Look::of_now().json {
        note(&error.as_json());
    } else {
        output::to_stderr(&look::Look::of_now().paint_error(&error.for_people()));
    }
}

/// Says that the program was told to end, and what it does about that.
pub fn report_stop(exit: Exit, text: &str, json: bool) {
    if json || look::Look::of_now().json {
        note(&CliError::new(exit, text).because("INTERRUPTED").as_json());
    } else {
        note(text);
    }
}

/// Now, in Unix milliseconds.
#[expect(clippy::disallowed_methods, reason = "the only clock of this program")]
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
