//! A node whose actors can be made to fail: `bibd` with injected faults enabled, and a socket that takes them.
//!
//! Only for tests: `bibd` itself has neither. Each connection sends `ACTOR PLACE` and is answered `ok` or why not.

use anyhow::{Context, bail};
use bib_actors::Node;
use bib_actors::config::{self, Overrides};
use bib_actors::root::{ExitReason, RootHandle, RootOptions};
use bib_kit::Where;
use bib_node_tests::{ACTORS, ROOT};
use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

/// A node for tests, whose actors can be made to fail.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    overrides: Overrides,
    /// Socket that takes faults
    #[arg(long, env = "BIB_CHAOS_FAULTS")]
    faults: std::path::PathBuf,
}

fn main() -> ExitCode {
    match act(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "bib-chaos-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(cli: &Cli) -> anyhow::Result<ExitCode> {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        bail!("a TLS provider is there already");
    }
    let (config, _) = config::load(&cli.overrides)?;
    bib_actors::logging::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start a runtime")?;
    let handle = runtime.handle().clone();
    let reason = bib_kit::system::run(async {
        // one of an earlier life
        let _ = std::fs::remove_file(&cli.faults);
        let listener = UnixListener::bind(&cli.faults).context("listen for faults")?;
        let options = RootOptions { faults: true, ..RootOptions::default() };
        let node = Node::start(&config, options, handle)?;
        let root = node.root().clone();
        let mut terminate = signal(SignalKind::terminate())?;
        let ended = tokio::select! {
            reason = root.wait() => reason,
            error = serve(listener, &root) => return Err(error),
            _ = terminate.recv() => {
                root.shutdown();
                root.wait().await
            }
        };
        anyhow::Ok(ended)
    })?;
    runtime.shutdown_timeout(Duration::from_secs(2));
    if reason != ExitReason::Stopped {
        let _ = writeln!(std::io::stderr(), "bib-chaos-node ends: {reason}");
    }
    Ok(ExitCode::from(reason.exit_code()))
}

async fn serve(listener: UnixListener, root: &RootHandle) -> anyhow::Error {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // whoever asked and went away does not want the answer
                let _ = take(stream, root).await;
            }
            Err(error) => return error.into(),
        }
    }
}

async fn take(stream: UnixStream, root: &RootHandle) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let answer = match fault(&line) {
        Ok((actor, place)) => match root.inject(actor, place).await {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    stream.write_all(format!("{answer}\n").as_bytes()).await
}

fn fault(line: &str) -> anyhow::Result<(&'static str, Where)> {
    let (actor, place) = line.trim().split_once(' ').context("ACTOR PLACE")?;
    let actor = ACTORS.into_iter().chain([ROOT]).find(|known| *known == actor);
    let place = match place {
        "handler" => Where::Handler,
        "spawned" => Where::Spawned,
        "task" => Where::Task,
        "started" => Where::Started,
        "factory" => Where::Factory,
        other => bail!("no place {other}"),
    };
    Ok((actor.context("no such actor")?, place))
}
