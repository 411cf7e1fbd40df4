//! What the rest of the process may do with the root: read the health, stop the node, wait for its end.

use super::actor::{Inject, Root};
use super::reason::ExitReason;
use bib_kit::CancellationToken;
use bib_kit::{FaultError, HealthBoard, NodeHealth, Ref, Where};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long an injected fault may take to be on its way.
const INJECT_DEADLINE: Duration = Duration::from_secs(5);

/// Reaches the root. Cheap to clone.
#[derive(Clone)]
pub struct RootHandle {
    root: Ref<Root>,
    health: HealthBoard,
    shutdown: CancellationToken,
    done: watch::Receiver<Option<ExitReason>>,
}

impl RootHandle {
    pub(super) const fn new(
        root: Ref<Root>,
        health: HealthBoard,
        shutdown: CancellationToken,
        done: watch::Receiver<Option<ExitReason>>,
    ) -> Self {
        Self { root, health, shutdown, done }
    }

    /// The health of all children.
    #[must_use]
    pub fn health(&self) -> HealthBoard {
        self.health.clone()
    }

    /// Waits until all children are up; false if they are not within the deadline or the node ends before.
    pub async fn ready(&self, deadline: Duration) -> bool {
        let mut changes = self.health.changes();
        let mut done = self.done.clone();
        let all_up = async {
            while self.health.node() != NodeHealth::Ready {
                if changes.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        let ready = async {
            tokio::select! {
                ready = all_up => ready,
                _ = done.wait_for(Option::is_some) => false,
            }
        };
        timeout(deadline, ready).await.unwrap_or(false)
    }

    /// Has the node stop in order: the highest rank first, each child within its own limit. To be called once or more.
    pub fn shutdown(&self) {
        self.shutdown.cancel();
    }

    /// Waits for the end of the node.
    pub async fn wait(&self) -> ExitReason {
        let mut done = self.done.clone();
        let gone = || ExitReason::RootFailed { text: "its thread is gone".to_owned() };
        match done.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_else(gone),
            Err(_) => gone(),
        }
    }

    /// Makes a child fail, or the root itself by its name, if the node was started with faults enabled. The root is
    /// started once: what is planned for its next start never comes.
    ///
    /// # Errors
    /// If faults are not enabled, there is no such child, or it has no incarnation at this moment.
    pub async fn inject(&self, child: &'static str, fault: Where) -> Result<(), FaultError> {
        self.root.ask(Inject { child, fault }, INJECT_DEADLINE).await?
    }
}
