//! `bib completion SHELL`.

use super::Cli;
use crate::error::CliResult;
use clap::CommandFactory;
use clap_complete::Shell;

/// Which shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib completion bash > /etc/bash_completion.d/bib\n  bib completion zsh > ~/.zfunc/_bib"
)]
pub(crate) struct Args {
    /// bash, elvish, fish, powershell or zsh
    shell: Shell,
}

/// Prints the script.
pub(super) fn run(args: Args) -> CliResult {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "bib", &mut script);
    for line in String::from_utf8_lossy(&script).lines() {
        crate::output::line(line);
    }
    Ok(())
}
