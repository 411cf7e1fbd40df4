//! The life of the daemon: start, say that it is ready, wait for a signal or the node's end, stop in order.

use crate::config::Config;
use crate::node::Node;
use crate::notify;
use crate::root::{ExitReason, RootOptions};
use anyhow::Context;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A start that takes longer than this is not said to be ready; it goes on all the same.
const READY_NOTICE: Duration = Duration::from_secs(600);

/// How long tasks may take to end when all actors have.
const TASKS_END: Duration = Duration::from_secs(2);

/// How long a thread that did blocking work waits for more. A start needs many at once, and each keeps memory of its own.
const IDLE_THREAD: Duration = Duration::from_secs(2);

/// Runs a node until its end.
///
/// # Errors
/// When it cannot be put together.
pub fn run(config: Config) -> anyhow::Result<ExitCode> {
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("bib")
        .thread_keep_alive(IDLE_THREAD)
        .build()
        .context("start the runtime's threads")?;
    let lived = bib_kit::system::run(live(config, runtime.handle().clone()));
    // a task that does not end must not hold the process; without an orderly end many do not, and none is waited for
    runtime.shutdown_timeout(if lived.is_ok() { TASKS_END } else { Duration::ZERO });
    let reason = lived?;
    match &reason {
        ExitReason::Stopped => tracing::info!("bibd ends: {reason}"),
        other => tracing::error!("bibd ends: {other}"),
    }
    Ok(ExitCode::from(reason.exit_code()))
}

/// Takes as many open files as the system gives without being asked twice: chunks, connections and SQL need them.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || (limit.maximum.is_none() && limit.current.is_some()) {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        if let Err(error) = raised {
            tracing::warn!(%error, limit = limit.current, "cannot raise the number of open files");
        }
    }
}

async fn live(config: Config, runtime: tokio::runtime::Handle) -> anyhow::Result<ExitReason> {
    let mut signals = Signals::new()?;
    let node = Node::start(&config, RootOptions::default(), runtime)?;
    let root = node.root().clone();
    tokio::select! {
        ready = root.ready(READY_NOTICE) => if ready {
            notify::send("READY=1");
            announce(&node).await;
        },
        _ = signals.next() => return stop(&node, signals).await,
        reason = root.wait() => return Ok(reason),
    }
    tokio::select! {
        _ = signals.next() => stop(&node, signals).await,
        () = node.asked_to_stop() => stop(&node, signals).await,
        reason = root.wait() => Ok(reason),
    }
}

/// Stops in order; a second signal ends the process at once.
async fn stop(node: &Node, mut signals: Signals) -> anyhow::Result<ExitReason> {
    tracing::info!("stopping; once more ends at once");
    notify::send("STOPPING=1");
    node.root().shutdown();
    tokio::select! {
        reason = node.root().wait() => Ok(reason),
        name = signals.next() => anyhow::bail!("ended at once by a second {name}; what was acknowledged is safe"),
    }
}

async fn announce(node: &Node) {
    match node.gateway().listening().await {
        Ok(at) => {
            let grpc: Vec<String> = at.grpc.iter().map(|address| format!("https://{address}")).collect();
            let pages = node.pages().listening().await.map(|(_, url)| url).unwrap_or_default();
            tracing::info!(socket = %at.socket.display(), grpc = grpc.join(" "), pages, "ready");
        }
        Err(error) => tracing::warn!(%error, "ready, and the gateway does not say where"),
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        Ok(Self { interrupt, terminate })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
