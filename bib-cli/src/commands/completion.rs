//! `bib completion SHELL`.

use super::Cli;
use crate::error::{CliError, CliResult};
use crate::session::Env;
use crate::settings::write_private;
use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;
use std::path::PathBuf;

/// Which shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib completion bash > /etc/bash_completion.d/bib\n  bib completion zsh --install")]
pub(crate) struct Args {
    /// bash, elvish, fish, powershell or zsh
    shell: Shell,
    /// Write it where this user's shell looks for it (bash, fish, zsh)
    #[arg(long)]
    install: bool,
    /// With --install: say where it would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Prints the script, or writes it to its place.
pub(super) fn run(env: &Env, args: Args) -> CliResult {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "bib", &mut script);
    if !args.install {
        crate::output::raw(&String::from_utf8_lossy(&script));
        return Ok(());
    }
    let path = place(args.shell)?;
    if !args.dry_run {
        // a shell that starts meanwhile reads the old one or the new one
        write_private(&path, &String::from_utf8_lossy(&script))?;
    }
    let record = json!({"path": path.to_string_lossy(), "shell": args.shell.to_string(), "dryRun": args.dry_run});
    let verb = if args.dry_run { "would write" } else { "wrote" };
    env.out.object(&record, || format!("{verb} {}", path.display()))?;
    if args.shell == Shell::Zsh {
        env.out.remark("zsh finds it if ~/.zshrc has: fpath+=~/.zfunc; autoload -U compinit; compinit");
    } else {
        env.out.remark("it works in the next shell that you open");
    }
    Ok(())
}

/// Where this user's shell looks for completions.
fn place(shell: Shell) -> CliResult<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).ok_or_else(|| CliError::usage("HOME is not set"))?;
    let base = |variable: &str, usual: &str| {
        let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        named.unwrap_or_else(|| home.join(usual))
    };
    match shell {
        Shell::Bash => Ok(base("XDG_DATA_HOME", ".local/share").join("bash-completion/completions/bib")),
        Shell::Fish => Ok(base("XDG_CONFIG_HOME", ".config").join("fish/completions/bib.fish")),
        Shell::Zsh => Ok(home.join(".zfunc/_bib")),
        other => Err(CliError::usage(format!("{other} has no folder of its own for completions"))
            .hint(format!("bib completion {other} > FILE"))),
    }
}
