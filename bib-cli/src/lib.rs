//! The `bib` command line: one file a verb, standard output for data, standard error for the rest.
//!
//! Everything goes through the node's API; nothing of the node is linked.

mod commands;
mod error;
mod exit;
mod global;
mod output;
mod progress;
mod session;
mod settings;
mod views;
mod watch;

pub use commands::{Cli, asks_for_json, run};
pub use error::{CliError, CliResult};
pub use exit::Exit;
pub use output::note;

/// Now, in Unix milliseconds.
#[expect(clippy::disallowed_methods, reason = "the only clock of this program")]
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
