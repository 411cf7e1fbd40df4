//! Puts the children together and starts the root.

use super::actor::{Child, Root};
use super::handle::RootHandle;
use super::options::RootOptions;
use super::reason::ExitReason;
use bib_domain::supervision::{ChildPlan, PlanError, Supervision};
use bib_kit::CancellationToken;
use bib_kit::{ChildSpec, Exit, HealthBoard, ManagedChild, Placement, Running, Slot, StartEnv, StartError};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// Collects the children of a node.
pub struct RootBuilder {
    runtime: Handle,
    options: RootOptions,
    health: HealthBoard,
    children: Vec<Box<dyn ManagedChild>>,
}

impl RootBuilder {
    pub(super) fn new(runtime: Handle) -> Self {
        Self { runtime, options: RootOptions::default(), health: HealthBoard::new(), children: Vec::new() }
    }

    /// Adds a child. The order does not matter: rank and dependencies do.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "a child is added to the node, nothing is summed up")]
    pub fn add(mut self, child: Box<dyn ManagedChild>) -> Self {
        self.children.push(child);
        self
    }

    /// Uses these bounds.
    #[must_use]
    pub const fn options(mut self, options: RootOptions) -> Self {
        self.options = options;
        self
    }

    /// Writes to this board, which others may have been given already.
    #[must_use]
    pub fn health(mut self, board: HealthBoard) -> Self {
        self.health = board;
        self
    }

    /// Starts the root and through it the children, on this thread's actor system (`bib_kit::system::run`). Comes back at
    /// once; see [`RootHandle::ready`].
    ///
    /// # Errors
    /// If the children's ranks and dependencies contradict each other.
    pub fn start(self) -> Result<RootHandle, PlanError> {
        bib_kit::panics::install();
        let machine =
            Supervision::new(self.children.iter().map(|child| plan(child.spec())).collect(), self.options.limits)?;
        for child in &self.children {
            self.health.register(child.spec().name, child.spec().rank, Some(child.gauge()));
        }
        let env = StartEnv {
            runtime: self.runtime.clone(),
            faults: self.options.faults,
            stale_wait: self.options.stale_wait,
        };
        let verdict = Arc::new(Mutex::new(None));
        let shutdown = CancellationToken::new();
        let root = Root {
            machine,
            children: self.children.into_iter().map(Child::new).collect(),
            env,
            options: self.options,
            board: self.health.clone(),
            begun: bib_kit::clock::monotonic(),
            wake_at: None,
            been_ready: false,
            shutdown: shutdown.clone(),
            verdict: Arc::clone(&verdict),
        };
        let slot = Slot::new(ChildSpec::new("root", 0).with_placement(Placement::Current));
        let handle = slot.handle();
        // the root is made once: its failure ends the process, which is then made anew by whoever started it
        let once = Mutex::new(Some(root));
        let mut child = slot.child(move |_args| {
            let root = once.lock().take();
            async move { root.ok_or_else(|| StartError::from("the root is started once")) }
        });
        let env = StartEnv { faults: self.options.faults, ..StartEnv::new(self.runtime) };
        let Running { exit, .. } = child.start(&env, 1);
        let (tx, done) = watch::channel(None);
        tokio::task::spawn_local(async move {
            let text = match exit.await {
                Ok(report) if report.exit == Exit::Stopped => "it stopped without a reason".to_owned(),
                Ok(report) => report.exit.to_string(),
                Err(_) => Exit::ThreadGone.to_string(),
            };
            let reason = verdict.lock().take().unwrap_or(ExitReason::RootFailed { text });
            tracing::info!(reason = %reason, "node ends");
            tx.send_replace(Some(reason));
        });
        Ok(RootHandle::new(handle, self.health, shutdown, done))
    }
}

fn plan(spec: &ChildSpec) -> ChildPlan {
    ChildPlan {
        name: spec.name,
        rank: spec.rank,
        policy: spec.policy,
        depends_on: spec.depends_on.to_vec(),
        shutdown: spec.shutdown.max(Duration::from_millis(1)),
    }
}
