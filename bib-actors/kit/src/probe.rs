//! One child without a root, for tests.
//!
//! The child runs on the current thread, in the current `LocalSet`, with faults enabled. [`run`] gives a test such a
//! thread.

use crate::{Child, ChildSpec, Control, Exit, ExitReport, ManagedChild, Placement, Ref, Running, Slot, StartArgs};
use crate::{StartEnv, StartError};
use std::future::Future;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Runs a test on the current thread, where children can be started.
pub fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a test machine gives a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

/// Starts a child and waits until it takes messages.
///
/// # Panics
/// If it does not start: this is for tests.
pub async fn start<C, F, Fut>(factory: F) -> (Ref<C>, Guard)
where
    C: Child,
    F: Fn(StartArgs) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<C, StartError>> + 'static,
{
    start_with(ChildSpec::new(C::NAME, 0), factory).await
}

/// The same with a spec; its placement is the current thread in any case.
///
/// # Panics
/// If it does not start: this is for tests.
pub async fn start_with<C, F, Fut>(spec: ChildSpec, factory: F) -> (Ref<C>, Guard)
where
    C: Child,
    F: Fn(StartArgs) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<C, StartError>> + 'static,
{
    let slot = Slot::new(spec.with_placement(Placement::Current));
    let handle = slot.handle();
    let mut guard = Guard::new(slot.child(factory));
    if let Err(report) = guard.start().await {
        panic!("{} did not start: {}", spec.name, report.exit);
    }
    (handle, guard)
}

/// Holds a child under test; dropping it ends the child.
pub struct Guard {
    child: Box<dyn ManagedChild>,
    env: StartEnv,
    incarnation: u64,
    control: Option<Control>,
    exit: Option<oneshot::Receiver<ExitReport>>,
}

impl Guard {
    /// Takes a child that is not started yet.
    #[must_use]
    pub fn new(child: Box<dyn ManagedChild>) -> Self {
        let env = StartEnv { faults: true, ..StartEnv::new(Handle::current()) };
        Self { child, env, incarnation: 0, control: None, exit: None }
    }

    /// The same with another runtime for background work than that of this thread.
    #[must_use]
    pub fn on(mut self, runtime: Handle) -> Self {
        self.env.runtime = runtime;
        self
    }

    /// Starts the next incarnation and waits until it takes messages.
    ///
    /// # Errors
    /// Its end, if it ends before.
    pub async fn start(&mut self) -> Result<(), ExitReport> {
        self.incarnation += 1;
        let Running { ready, exit, control, .. } = self.child.start(&self.env, self.incarnation);
        self.control = Some(control);
        self.exit = Some(exit);
        if ready.await.is_ok() { Ok(()) } else { Err(self.exited().await) }
    }

    /// Waits for the end of the present incarnation.
    pub async fn exited(&mut self) -> ExitReport {
        let gone = ExitReport { incarnation: self.incarnation, exit: Exit::ThreadGone, stale_work: false };
        match self.exit.take() {
            Some(exit) => exit.await.unwrap_or(gone),
            None => gone,
        }
    }

    /// Ends the present incarnation in order and waits for it.
    pub async fn stop(&mut self) -> ExitReport {
        if let Some(control) = &self.control {
            control.stop();
        }
        self.exited().await
    }

    /// Aborts the present incarnation and waits for its end.
    pub async fn abort(&mut self) -> ExitReport {
        if let Some(control) = &self.control {
            control.abort();
        }
        self.exited().await
    }

    /// Whether the actor turns.
    pub async fn ping(&self, deadline: Duration) -> bool {
        match &self.control {
            Some(control) => control.ping(deadline).await,
            None => false,
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(control) = &self.control {
            control.abort();
        }
        self.child.close();
    }
}
