//! `bib context`: the nodes that were connected to, each by a name.

mod change;
mod list;

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::Env;

/// Verbs of a context.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Nodes that were connected to, and which of them commands go to
    List(list::Args),
    /// One context
    Show(list::Show),
    /// Send commands to this node from now on
    Use(change::Use),
    /// Give a context another name
    Rename(change::Rename),
    /// Forget a context
    Remove(change::Remove),
}

/// Runs one verb.
pub(super) fn run(env: &Env, command: Command) -> CliResult {
    match command {
        Command::List(args) => list::run(env, &args),
        Command::Show(args) => list::show(env, &args),
        Command::Use(args) => change::choose(env, &args),
        Command::Rename(args) => change::rename(env, &args),
        Command::Remove(args) => change::remove(env, &args),
    }
}

fn unknown(name: &str) -> CliError {
    CliError::new(Exit::NotFound, format!("there is no context {name:?}"))
        .because("CONTEXT_NOT_FOUND")
        .hint("bib context list")
}
