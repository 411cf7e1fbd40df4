//! `bib config`: this program's own settings.

pub(super) mod list;
mod set;

use crate::error::{CliError, CliResult};
use crate::session::Env;
use crate::settings::Settings;

/// Verbs of the settings.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Settings, and where each comes from
    List(list::Args),
    /// One setting, as it applies
    Get(list::One),
    /// Remember a setting
    Set(set::Args),
    /// Forget a setting
    Unset(set::Unset),
    /// The files of this program
    Path(list::Paths),
}

/// Runs one verb.
pub(super) fn run(env: &Env, command: Command) -> CliResult {
    match command {
        Command::Set(args) => set::run(env, &args),
        Command::Unset(args) => set::unset(env, &args),
        Command::List(args) => {
            tell_damage(env);
            list::run(env, &args)
        }
        Command::Get(args) => {
            tell_damage(env);
            list::get(env, &args)
        }
        Command::Path(_) => {
            tell_damage(env);
            list::paths(env)
        }
    }
}

/// What is shown is without the files and values that cannot be read, and every other command refuses to go on.
fn tell_damage(env: &Env) {
    for error in &env.damage {
        crate::output::note(&format!("! {}", error.message.trim()));
        error.hints.iter().for_each(|hint| crate::output::note(&format!("  {hint}")));
    }
}

/// Every setting that a file may have, with what it means.
const KEYS: [(&str, &str); 8] = [
    ("node", "node that commands go to"),
    ("context", "context that commands use"),
    ("ssh_key", "private key to log in with"),
    ("data_dir", "folder of the node on this machine"),
    ("output", "form of results, as --output"),
    ("color", "colours, as --color"),
    ("progress", "progress, as --progress"),
    ("timeout", "longest time to wait, as --timeout"),
];

/// The value of a key in a file.
fn value(settings: &Settings, key: &str) -> Option<String> {
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    match key {
        "node" => settings.node.clone(),
        "context" => settings.context.clone(),
        "ssh_key" => path(&settings.ssh_key),
        "data_dir" => path(&settings.data_dir),
        "output" => settings.output.clone(),
        "color" => settings.color.clone(),
        "progress" => settings.progress.clone(),
        "timeout" => settings.timeout.clone(),
        _ => None,
    }
}

/// Refuses what is no key.
fn check_key(key: &str) -> CliResult {
    if KEYS.iter().any(|(known, _)| *known == key) {
        return Ok(());
    }
    let known: Vec<&str> = KEYS.iter().map(|(known, _)| *known).collect();
    Err(CliError::usage(format!("there is no setting {key:?}"))
        .because("UNKNOWN_SETTING")
        .hint(format!("settings: {}", known.join(", ")))
        .hint("settings of the node itself are in bibd.toml: bib config path"))
}
