//! The command tree, and the way from a command to the function that does it.

mod admin;
mod completion;
mod connect;
mod dataset;
mod doctor;
mod exit_codes;
mod invite;
mod join;
mod node;
mod setup;
mod status;
mod topic;
mod version;

use crate::error::CliResult;
use crate::global::{ColorChoice, Format, Global};
use crate::session::Env;
use clap::{Parser, Subcommand};

/// Keeps, proves, shares and queries research data.
#[derive(Debug, Parser)]
#[command(name = "bib", version, about, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Begin with: bib setup, then bibd, then bib status\nExit codes: bib exit-codes")]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// Whether errors are to be printed as JSON.
    #[must_use]
    pub fn wants_json(&self) -> bool {
        self.global.json || matches!(self.global.output, Some(Format::Json | Format::Jsonl))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set this machine up as a node
    Setup(setup::Args),
    /// How the node is, and what needs attention
    Status(status::Args),
    /// Check this machine and the node on it
    Doctor(doctor::Args),
    /// Choose the node that commands go to
    Connect(connect::Args),
    /// Make a ticket with which another node pairs with this one
    Invite(invite::Args),
    /// Pair this node with the one that made the ticket
    Join(join::Args),
    /// Named collections of datasets
    #[command(subcommand)]
    Topic(topic::Command),
    /// Immutable, signed versions of files
    #[command(subcommand)]
    Dataset(dataset::Command),
    /// This node and its peers
    #[command(subcommand)]
    Node(node::Command),
    /// The audit log and the node itself
    #[command(subcommand)]
    Admin(admin::Command),
    /// Versions of this program and of the node
    Version,
    /// Print the completion script for a shell
    Completion(completion::Args),
    /// List the exit codes
    ExitCodes,
}

/// Runs one command.
///
/// # Errors
/// Whatever went wrong, with its exit code.
pub async fn run(cli: Cli) -> CliResult {
    match cli.global.color {
        ColorChoice::Always => console::set_colors_enabled_stderr(true),
        ColorChoice::Never => console::set_colors_enabled_stderr(false),
        ColorChoice::Auto => {}
    }
    let env = Env::new(cli.global)?;
    match cli.command {
        Command::Setup(args) => setup::run(&env, args),
        Command::Status(args) => status::run(&env, args).await,
        Command::Doctor(args) => doctor::run(&env, args).await,
        Command::Connect(args) => connect::run(&env, args).await,
        Command::Invite(args) => invite::run(&env, args).await,
        Command::Join(args) => join::run(&env, args).await,
        Command::Topic(command) => topic::run(&env, command).await,
        Command::Dataset(command) => dataset::run(&env, command).await,
        Command::Node(command) => node::run(&env, command).await,
        Command::Admin(command) => admin::run(&env, command).await,
        Command::Version => version::run(&env).await,
        Command::Completion(args) => completion::run(args),
        Command::ExitCodes => exit_codes::run(&env),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn walk(command: &clap::Command, path: &str, check: &mut dyn FnMut(&clap::Command, &str)) {
        for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
            let path = format!("{path} {}", child.get_name());
            check(child, &path);
            walk(child, &path, check);
        }
    }

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_in_one_line() {
        walk(&Cli::command(), "bib", &mut |command, path| {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && about.len() <= 80, "{path}: {about:?}");
            assert!(!about.ends_with('.'), "{path}: {about:?}");
        });
    }

    #[test]
    fn global_flags_stand_before_or_after_the_command() {
        for words in [["bib", "--json", "topic", "list"], ["bib", "topic", "list", "--json"]] {
            assert!(Cli::try_parse_from(words).unwrap().wants_json());
        }
    }
}
