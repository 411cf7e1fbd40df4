//! `bib auth`: what has to do with keys and sessions.

mod sign;

use crate::error::CliResult;
use crate::session::Env;
use clap::Subcommand;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign the challenge of a sign-in page with your SSH key
    Sign(sign::Args),
}

/// Runs one verb.
///
/// # Errors
/// Whatever went wrong, with its exit code.
pub(crate) async fn run(env: &Env, command: Command) -> CliResult {
    match command {
        Command::Sign(args) => sign::run(env, &args).await,
    }
}
