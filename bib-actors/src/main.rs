//! The `bibd` daemon: reads the configuration, starts the node, waits for its end.

use anyhow::Context;
use bib_actors::config::{self, Config, Overrides};
use bib_actors::{daemon, logging, quick_copies};
use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// The system's allocator keeps a heap for each thread that ever held a chunk, and gives none of them back: a node that
/// verifies the same version again and again grows with it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A node for research data. Runs in the foreground; stop it with Ctrl-C or SIGTERM.
#[derive(Debug, Parser)]
#[command(name = "bibd", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 stopped in order, 1 could not start, 70 failed and should be started anew")]
struct Cli {
    #[command(flatten)]
    overrides: Overrides,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the node (the default)
    Run,
    /// Check the configuration and say where it came from
    CheckConfig,
    /// Print the configuration with every value that applies
    PrintConfig,
}

fn main() -> ExitCode {
    quick_copies::choose();
    spare_memory();
    // TLS has one provider; without it, the first handshake would panic
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        logging::complain("a TLS provider is there already: this is a defect of bibd");
        return ExitCode::FAILURE;
    }
    let cli = Cli::parse();
    match act(&cli) {
        Ok(code) => code,
        Err(error) => {
            logging::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Pages of 4 KiB only: the allocator asks for pages of 2 MiB, of which a node that idles keeps forty megabytes and uses
/// a quarter. What it starts inherits it.
fn spare_memory() {
    // without it the node is larger, and works
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
}

fn act(cli: &Cli) -> anyhow::Result<ExitCode> {
    let (config, path) = config::load(&cli.overrides)?;
    let origin = path.map_or_else(|| "defaults (no file)".to_owned(), |path| path.display().to_string());
    match cli.command {
        None | Some(Command::Run) => {
            logging::start(&config.log)?;
            tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %origin, "bibd starts");
            daemon::run(config)
        }
        Some(Command::CheckConfig) => say(&format!("{origin}: the configuration is good")),
        Some(Command::PrintConfig) => print(&config),
    }
}

fn print(config: &Config) -> anyhow::Result<ExitCode> {
    say(toml::to_string(config).context("print the configuration")?.trim_end())
}

fn say(text: &str) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout().lock(), "{text}").context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
