//! The command tree, and the way from a command to the function that does it.

mod admin;
mod auth;
mod completion;
mod config;
mod connect;
mod context;
mod dataset;
mod doctor;
mod exit_codes;
mod invite;
mod join;
mod man;
mod node;
mod setup;
mod status;
mod topic;
mod topics;
mod ui;
mod version;

use crate::error::CliResult;
use crate::global::Global;
use crate::look::Look;
use crate::session::Env;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Keeps, proves, shares and queries research data.
#[derive(Debug, Parser)]
#[command(name = "bib", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Begin with: bib setup, then bibd, then bib status\nExamples of a command: bib help dataset upload\n\
    All options of a command: bib help COMMAND\n\
    More help: bib help environment, formatting, config, cel, node-modes, ports, security, exit-codes"
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// Reads the command line, and which settings came from the environment.
    ///
    /// # Errors
    /// When it cannot be read, or asks for help.
    pub fn read() -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(std::env::args_os())?;
        let mut cli = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        cli.global.note_origins(&matches);
        Ok(cli)
    }

    /// The flags that every command takes, for tests.
    #[cfg(test)]
    pub(crate) fn into_global(self) -> Global {
        self.global
    }

    /// Whether errors are to be printed as JSON.
    #[must_use]
    pub fn wants_json(&self) -> bool {
        self.global.wants_json()
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
    /// Open the node's pages in a browser, signed in
    Ui(ui::Args),
    /// Keys and sessions
    #[command(subcommand)]
    Auth(auth::Command),
    /// Choose the node that commands go to
    Connect(connect::Args),
    /// Make a ticket with which another node pairs with this one
    Invite(invite::Args),
    /// Pair this node with the one that made the ticket
    Join(join::Args),
    /// Nodes that were connected to, each by a name
    #[command(subcommand)]
    Context(context::Command),
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
    /// Settings of this program
    #[command(subcommand, after_help = topics::CONFIG)]
    Config(config::Command),
    /// Versions of this program and of the node
    #[command(after_help = "Examples:\n  bib version\n  bib version -o json")]
    Version,
    /// Print the completion script for a shell
    Completion(completion::Args),
    /// Print the manual pages
    Man(man::Args),
    /// List the exit codes
    ExitCodes(exit_codes::Args),
    #[command(flatten)]
    Topics(topics::Topic),
}

/// Whether these words ask for JSON, where they cannot be read as a command.
#[must_use]
pub fn asks_for_json(words: impl Iterator<Item = String>) -> bool {
    let words: Vec<String> = words.take_while(|word| word != "--").collect();
    let json = |form: &str| matches!(form.trim_start_matches('='), "json" | "jsonl");
    words.iter().enumerate().any(|(index, word)| {
        match word.strip_prefix("--output").or_else(|| word.strip_prefix("-o")) {
            Some("") => words.get(index + 1).is_some_and(|form| json(form)),
            Some(form) => json(form),
            None => word == "--json" || word == "--jq" || word.starts_with("--jq="),
        }
    })
}

/// Runs one command.
///
/// # Errors
/// Whatever went wrong, with its exit code.
pub async fn run(cli: Cli) -> CliResult {
    if let Command::Doctor(args) = cli.command {
        // the one command that is for when things are damaged
        let (env, damage) = Env::for_doctor(cli.global)?;
        return Box::pin(doctor::run(&env, args, damage)).await;
    }
    let flags = cli.global.clone();
    // an error of the settings looks as the flags say
    let env = Env::new(cli.global).inspect_err(|_| Look::new(&flags).adopt())?;
    match cli.command {
        Command::Setup(args) => Box::pin(setup::run(&env, args)).await,
        Command::Status(args) => status::run(&env, args).await,
        Command::Doctor(args) => Box::pin(doctor::run(&env, args, None)).await,
        Command::Ui(args) => ui::run(&env, args).await,
        Command::Auth(command) => auth::run(&env, command).await,
        Command::Connect(args) => connect::run(&env, args).await,
        Command::Invite(args) => invite::run(&env, args).await,
        Command::Join(args) => join::run(&env, args).await,
        Command::Topic(command) => topic::run(&env, command).await,
        Command::Dataset(command) => dataset::run(&env, command).await,
        Command::Node(command) => node::run(&env, command).await,
        Command::Admin(command) => admin::run(&env, command).await,
        Command::Version => version::run(&env).await,
        Command::Completion(args) => completion::run(&env, args),
        Command::Context(command) => context::run(&env, command),
        Command::Config(command) => config::run(&env, command),
        Command::Topics(topic) => topics::run(&topic),
        Command::Man(args) => man::run(&env, args),
        Command::ExitCodes(args) => exit_codes::run(&env, &args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wish_for_json_is_seen_in_words_that_cannot_be_parsed() {
        let asks = |text: &str| asks_for_json(text.split_whitespace().map(str::to_owned));
        for text in ["bib --json tpic", "bib tpic -o json", "bib -ojsonl x", "bib --output=json x", "bib --output json"]
        {
            assert!(asks(text), "{text}");
        }
        for text in ["bib tpic", "bib -o table x", "bib x -- --json"] {
            assert!(!asks(text), "{text}");
        }
    }

    #[test]
    fn global_flags_stand_before_or_after_the_command() {
        for words in [["bib", "--json", "topic", "list"], ["bib", "topic", "list", "--json"]] {
            assert!(Cli::try_parse_from(words).unwrap().wants_json());
        }
    }
}
