//! Help that belongs to no command: `bib help environment` and the like.

use crate::error::CliResult;
use clap::Subcommand;

/// What there is help about. Each is a command that is not listed, so that `bib help TOPIC` finds it.
#[derive(Debug, Subcommand)]
pub(crate) enum Topic {
    /// Variables that this program reads
    #[command(hide = true, long_about = ENVIRONMENT, help_template = TEMPLATE)]
    Environment,
    /// Forms of results, and how to choose among them
    #[command(hide = true, long_about = FORMATTING, help_template = TEMPLATE)]
    Formatting,
    /// The expression language
    #[command(hide = true, long_about = CEL, help_template = TEMPLATE)]
    Cel,
    /// What a node keeps, and what its storage can promise
    #[command(hide = true, long_about = NODE_MODES, help_template = TEMPLATE)]
    NodeModes,
    /// Where a node listens
    #[command(hide = true, long_about = PORTS, help_template = TEMPLATE)]
    Ports,
    /// Keys, trust and proof
    #[command(hide = true, long_about = SECURITY, help_template = TEMPLATE)]
    Security,
}

const TEMPLATE: &str = "{about-with-newline}";
const ENVIRONMENT: &str = include_str!("../help/environment.txt");
const FORMATTING: &str = include_str!("../help/formatting.txt");
/// Shown by `bib help config`, below the verbs of that command.
pub(super) const CONFIG: &str = include_str!("../help/config.txt");
const CEL: &str = include_str!("../help/cel.txt");
const NODE_MODES: &str = include_str!("../help/node-modes.txt");
const PORTS: &str = include_str!("../help/ports.txt");
const SECURITY: &str = include_str!("../help/security.txt");

/// Prints the text.
pub(super) fn run(topic: &Topic) -> CliResult {
    let text = match topic {
        Topic::Environment => ENVIRONMENT,
        Topic::Formatting => FORMATTING,
        Topic::Cel => CEL,
        Topic::NodeModes => NODE_MODES,
        Topic::Ports => PORTS,
        Topic::Security => SECURITY,
    };
    crate::output::raw(text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_a_terminal() {
        for text in [ENVIRONMENT, FORMATTING, CONFIG, CEL, NODE_MODES, PORTS, SECURITY] {
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{line:?}");
            }
        }
    }

    #[test]
    fn every_topic_is_listed() {
        use clap::CommandFactory;
        let root = crate::Cli::command();
        let help = root.get_after_help().map(ToString::to_string).unwrap_or_default();
        let listed = help.lines().find_map(|line| line.strip_prefix("More help: bib help ")).unwrap();
        let listed: Vec<&str> = listed.split(", ").collect();
        for name in &listed {
            assert!(root.find_subcommand(name).is_some(), "there is no bib help {name}");
        }
        for topic in root.get_subcommands().filter(|command| command.is_hide_set()) {
            assert!(listed.contains(&topic.get_name()), "bib help does not name {}", topic.get_name());
        }
    }

    #[test]
    fn every_variable_is_explained() {
        use clap::CommandFactory;
        let root = crate::Cli::command();
        for variable in root.get_arguments().filter_map(clap::Arg::get_env) {
            let variable = variable.to_string_lossy();
            assert!(ENVIRONMENT.contains(&format!("  {variable} ")), "{variable} is not in bib help environment");
        }
    }
}
