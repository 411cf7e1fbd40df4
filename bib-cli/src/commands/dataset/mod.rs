//! `bib dataset`.

mod chosen;
mod download;
mod flat;
mod free;
mod get;
mod list;
mod new_file;
mod partial;
mod pass;
mod preview;
mod query;
mod rows;
mod seen;
mod send;
mod sink;
mod source;
mod upload;
mod verify;
mod versions;
mod walk;

use crate::error::CliResult;
use crate::session::Env;

/// Verbs of a dataset.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Put a file or folder in as a new version
    Upload(upload::Args),
    /// Datasets on this node
    List(list::Args),
    /// One dataset: its files, hashes and signature
    Get(get::Args),
    /// All versions of a dataset
    Versions(versions::Args),
    /// Get the files of a version back
    Download(download::Args),
    /// Hash every chunk again and check the signature
    Verify(verify::Args),
    /// Run a CEL expression
    Query(query::Args),
    /// The first rows of a table
    Preview(preview::Args),
}

/// Runs one verb.
pub(super) async fn run(env: &Env, command: Command) -> CliResult {
    match command {
        Command::Upload(args) => upload::run(env, args).await,
        Command::List(args) => list::run(env, args).await,
        Command::Get(args) => get::run(env, args).await,
        Command::Versions(args) => versions::run(env, args).await,
        Command::Download(args) => download::run(env, args).await,
        Command::Verify(args) => verify::run(env, args).await,
        Command::Query(args) => query::run(env, args).await,
        Command::Preview(args) => preview::run(env, args).await,
    }
}
