//! `bib node`.

mod connect;
mod disconnect;
mod forget;
mod info;
mod list;

use crate::error::CliResult;
use crate::session::Env;

/// Verbs of a node.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Paired and connected nodes
    List(list::Args),
    /// One node
    Info(info::Args),
    /// Dial a node by its multiaddress
    Connect(connect::Args),
    /// Hang up
    Disconnect(disconnect::Args),
    /// Undo the pairing with a node
    Forget(forget::Args),
}

/// Runs one verb.
pub(super) async fn run(env: &Env, command: Command) -> CliResult {
    match command {
        Command::List(args) => list::run(env, args).await,
        Command::Info(args) => info::run(env, args).await,
        Command::Connect(args) => connect::run(env, args).await,
        Command::Disconnect(args) => disconnect::run(env, args).await,
        Command::Forget(args) => forget::run(env, args).await,
    }
}
