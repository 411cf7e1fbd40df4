//! `bib topic`.

mod create;
mod get;
mod list;
mod subscribe;

use crate::error::CliResult;
use crate::session::Env;

/// Verbs of a topic.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a topic
    Create(create::Args),
    /// Topics known here, also those of paired nodes
    List(list::Args),
    /// One topic
    Get(get::Args),
    /// Get a topic's datasets and keep them up to date
    Subscribe(subscribe::Args),
    /// Stop getting a topic; what is here stays
    Unsubscribe(subscribe::Args),
}

/// Runs one verb.
pub(super) async fn run(env: &Env, command: Command) -> CliResult {
    match command {
        Command::Create(args) => create::run(env, args).await,
        Command::List(args) => list::run(env, args).await,
        Command::Get(args) => get::run(env, args).await,
        Command::Subscribe(args) => subscribe::run(env, args, true).await,
        Command::Unsubscribe(args) => subscribe::run(env, args, false).await,
    }
}
