//! `bib man`: the manual pages of this program.

use super::Cli;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::Env;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Which page, and where to.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib man dataset upload | man -l -\n  bib man --dir ~/.local/share/man/man1   # then: man bib-dataset-upload"
)]
pub(crate) struct Args {
    /// Words of a command [default: the program itself]
    command: Vec<String>,
    /// Write the page of every command into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
    /// With --dir: say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Prints one page, or writes all of them.
pub(super) fn run(env: &Env, args: Args) -> CliResult {
    let mut root = Cli::command();
    root.build();
    let Some(folder) = args.dir else {
        let mut words = args.command.iter();
        let chosen = words.try_fold(&root, |command, word| command.find_subcommand(word));
        let Some(chosen) = chosen else {
            return Err(CliError::usage(format!("there is no command {:?}", args.command.join(" "))).hint("bib help"));
        };
        crate::output::raw(&String::from_utf8_lossy(&page(chosen)?));
        return Ok(());
    };
    let mut pages = Vec::new();
    collect(&root, &mut pages)?;
    if !args.dry_run {
        let failed = |error: std::io::Error| {
            CliError::new(Exit::Failed, format!("cannot write into {}: {error}", folder.display()))
        };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        for (name, text) in &pages {
            std::fs::write(folder.join(name), text).map_err(failed)?;
        }
    }
    let names: Vec<Value> = pages.iter().map(|(name, _)| json!(name)).collect();
    let record = json!({"path": folder.to_string_lossy(), "pages": names, "dryRun": args.dry_run});
    let verb = if args.dry_run { "would write" } else { "wrote" };
    env.out.object(&record, || format!("{verb} {} pages into {}", pages.len(), folder.display()))
}

fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> CliResult {
    if command.is_hide_set() || command.get_name() == "help" {
        return Ok(());
    }
    pages.push((format!("{}.1", name_of(command)), page(command)?));
    command.get_subcommands().try_for_each(|child| collect(child, pages))
}

/// `bib-dataset-upload`: what `man` finds the page by.
fn name_of(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> CliResult<Vec<u8>> {
    let mut text = Vec::new();
    Man::new(command.clone())
        .manual("BIB")
        .render(&mut text)
        .map_err(|error| CliError::new(Exit::Failed, format!("cannot make the page: {error}")))?;
    Ok(text)
}
