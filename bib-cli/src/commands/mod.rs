//! The command tree, and the way from a command to the function that does it.

mod admin;
mod auth;
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
mod ui;
mod version;

use crate::error::CliResult;
use crate::global::{ColorChoice, Format, Global};
use crate::session::Env;
use clap::{Parser, Subcommand};

/// Keeps, proves, shares and queries research data.
#[derive(Debug, Parser)]
#[command(name = "bib", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Begin with: bib setup, then bibd, then bib status\nExamples of a command: bib help dataset upload\n\
    Exit codes: bib exit-codes"
)]
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
    #[command(after_help = "Examples:\n  bib version\n  bib version -o json")]
    Version,
    /// Print the completion script for a shell
    Completion(completion::Args),
    /// List the exit codes
    #[command(after_help = "Examples:\n  bib exit-codes\n  bib exit-codes -o csv")]
    ExitCodes,
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
            None => word == "--json",
        }
    })
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
    if let Command::Doctor(args) = cli.command {
        // the one command that is for when things are damaged
        let (env, damage) = Env::for_doctor(cli.global)?;
        return doctor::run(&env, args, damage).await;
    }
    let env = Env::new(cli.global)?;
    match cli.command {
        Command::Setup(args) => setup::run(&env, args),
        Command::Status(args) => status::run(&env, args).await,
        Command::Doctor(args) => doctor::run(&env, args, None).await,
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
    fn every_verb_has_examples() {
        walk(&Cli::command(), "bib", &mut |command, path| {
            let leaf = command.get_subcommands().all(|child| child.get_name() == "help");
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples = help.lines().filter(|line| line.trim_start().starts_with("bib ")).count();
            assert!(!leaf || (help.starts_with("Examples:\n") && examples >= 2), "{path}: {help:?}");
        });
    }

    #[test]
    fn examples_can_be_parsed() {
        walk(&Cli::command(), "bib", &mut |command, path| {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines().map(str::trim).filter(|line| line.starts_with("bib ")) {
                let plain = line.split(['#', '|', '>']).next().unwrap_or_default();
                // quoted expressions are one word; what they say is the node's business
                if plain.contains(['\'', '"']) {
                    continue;
                }
                let parsed = Cli::try_parse_from(plain.split_whitespace());
                let fake = plain.contains("...");
                assert!(fake || parsed.is_ok(), "{path}: {plain:?}: {}", parsed.err().unwrap());
            }
        });
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
