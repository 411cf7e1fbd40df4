//! `bib admin`.

mod audit_list;
mod audit_verify;
mod shutdown;

use crate::error::CliResult;
use crate::session::Env;

/// Verbs of an administrator.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// The tamper-evident log of who did what
    #[command(subcommand)]
    Audit(Audit),
    /// Stop the node in order
    Shutdown(shutdown::Args),
}

/// Verbs of the audit log.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Audit {
    /// Records, latest first
    List(audit_list::Args),
    /// Check the log from its first record to its last
    #[command(
        after_help = "Examples:\n  bib admin audit verify\n  bib admin audit verify -o json   # exit code 12 if damaged"
    )]
    Verify,
}

/// Runs one verb.
pub(super) async fn run(env: &Env, command: Command) -> CliResult {
    match command {
        Command::Audit(Audit::List(args)) => audit_list::run(env, args).await,
        Command::Audit(Audit::Verify) => audit_verify::run(env).await,
        Command::Shutdown(args) => shutdown::run(env, args).await,
    }
}
