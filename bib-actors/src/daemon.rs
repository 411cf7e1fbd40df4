//! The life of the daemon: start, say that it is ready, wait for a signal or the node's end, stop in order.

use crate::config::Config;
use crate::logging;
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
        other if tracing::enabled!(tracing::Level::ERROR) => tracing::error!("bibd ends: {other}"),
        // whoever silences the log still wants to know why there is no node
        other => logging::complain(&format!("the node ends: {other}")),
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
        () = told_to_stop(&node, &mut signals) => return stop(&node, signals).await,
        reason = root.wait() => return Ok(reason),
    }
    tokio::select! {
        () = told_to_stop(&node, &mut signals) => stop(&node, signals).await,
        reason = root.wait() => Ok(reason),
    }
}

/// Comes back with a signal, or when somebody asked for the end through the API: also of a node that was never ready.
async fn told_to_stop(node: &Node, signals: &mut Signals) {
    tokio::select! {
        () = signals.first() => {}
        () = node.asked_to_stop() => {}
    }
}

/// Stops in order; a second signal ends the process at once.
async fn stop(node: &Node, mut signals: Signals) -> anyhow::Result<ExitReason> {
    tracing::info!("stopping; once more ends at once");
    notify::send("STOPPING=1");
    node.root().shutdown();
    tokio::select! {
        ended = ended(node) => ended,
        name = signals.once_more() => anyhow::bail!("ended at once by a second {name}; what was acknowledged is safe"),
    }
}

/// Waits for the end of a node that was told to stop.
async fn ended(node: &Node) -> anyhow::Result<ExitReason> {
    let reason = node.root().wait().await;
    if reason == ExitReason::Stopped {
        // a guardian that was starting, or about to start anew, left its server to its next incarnation: there is none
        node.stop_database().await.context("the node stopped, and its database did not")?;
    }
    Ok(reason)
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

/// SIGINT, SIGTERM, and SIGHUP where it means something.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        // a node under nohup outlives its terminal
        let ignored = std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status));
        let hangup = (!ignored).then(|| signal(SignalKind::hangup())).transpose().context("listen for SIGHUP")?;
        Ok(Self { interrupt, terminate, hangup })
    }

    /// The one that has the node stop.
    async fn first(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }

    /// The one that ends it at once. A terminal that goes away hangs up more than once, and means nothing by it.
    async fn once_more(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Whether a process with this status ignores SIGHUP, which is the first of the signals in the mask.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_that_is_ignored_is_known_by_the_mask() {
        let status = |mask: &str| {
            format!("Name:\tbibd\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\nSigCgt:\t0000000000000001\n")
        };
        assert!(ignores_hangup(&status("0000000000001001")));
        assert!(!ignores_hangup(&status("0000000000001000")));
        assert!(!ignores_hangup("") && !ignores_hangup(&status("?")));
    }
}
