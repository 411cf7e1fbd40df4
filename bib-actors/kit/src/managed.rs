//! A child as its supervisor sees it: something that can be started, watched, pinged and ended, of whatever type.

use crate::health::Gauge;
use crate::host::Ping;
use crate::incarnation::launch;
use crate::options::STALE_WAIT;
use crate::place::Place;
use crate::slot::Shared;
use crate::{Child, ChildSpec, Exit, ExitReport, FaultError, StartArgs, StartError, Where};
use actix::Recipient;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// What a supervisor gives to every start.
#[derive(Clone)]
pub struct StartEnv {
    /// The shared multi-thread runtime.
    pub runtime: Handle,
    /// Whether faults may be injected. Never in production.
    pub faults: bool,
    /// How long the end of an incarnation waits for its background work.
    pub stale_wait: Duration,
}

impl StartEnv {
    /// No faults, the usual wait.
    #[must_use]
    pub const fn new(runtime: Handle) -> Self {
        Self { runtime, faults: false, stale_wait: STALE_WAIT }
    }
}

/// A child with its factory.
pub trait ManagedChild: Send {
    /// Name, rank, policy and bounds.
    fn spec(&self) -> &ChildSpec;

    /// The count of messages in hand.
    fn gauge(&self) -> Gauge;

    /// Starts an incarnation. Its predecessor must have ended.
    fn start(&mut self, env: &StartEnv, incarnation: u64) -> Running;

    /// Makes the child fail, if faults are enabled.
    ///
    /// # Errors
    /// If faults are not enabled or no incarnation is there to fail.
    fn inject(&self, fault: Where) -> Result<(), FaultError>;

    /// Gives the child's thread back. The child can be started again afterwards.
    fn close(&mut self);
}

/// An incarnation that was started.
#[derive(Debug)]
pub struct Running {
    /// Its number.
    pub incarnation: u64,
    /// Resolves when it takes messages; an error if it ended before.
    pub ready: oneshot::Receiver<()>,
    /// Resolves with its end; an error if its thread is gone.
    pub exit: oneshot::Receiver<ExitReport>,
    /// The means to ping and to end it.
    pub control: Control,
}

impl Running {
    pub(crate) fn refused(incarnation: u64, reason: String, control: Control) -> Self {
        let (_, ready) = oneshot::channel();
        let (tx, exit) = oneshot::channel();
        let _ = tx.send(ExitReport { incarnation, exit: Exit::Refused(reason), stale_work: false });
        Self { incarnation, ready, exit, control }
    }
}

/// Pings and ends one incarnation. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    pub(crate) stop: CancellationToken,
    pub(crate) kill: CancellationToken,
    pub(crate) ping: Arc<OnceLock<Recipient<Ping>>>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("stop", &self.stop).field("kill", &self.kill).finish_non_exhaustive()
    }
}

impl Control {
    /// Asks for an orderly end: no new message, those in the mailbox are handled, then the child's own shutdown.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Ends it at its next await. Does nothing as long as its thread is blocked.
    pub fn abort(&self) {
        self.kill.cancel();
    }

    /// Whether the actor turns within the deadline. Nothing is asked before it has been made.
    pub async fn ping(&self, deadline: Duration) -> bool {
        let Some(recipient) = self.ping.get() else { return true };
        matches!(tokio::time::timeout(deadline, recipient.send(Ping)).await, Ok(Ok(())))
    }
}

/// A child made by a factory.
pub(crate) struct FactoryChild<C: Child, F> {
    shared: Arc<Shared<C>>,
    factory: Arc<F>,
    place: Place,
}

impl<C: Child, F> FactoryChild<C, F> {
    pub(crate) fn new(shared: Arc<Shared<C>>, factory: F) -> Self {
        let place = Place::new(shared.spec.placement);
        Self { shared, factory: Arc::new(factory), place }
    }
}

impl<C, F, Fut> ManagedChild for FactoryChild<C, F>
where
    C: Child,
    F: Fn(StartArgs) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<C, StartError>> + 'static,
{
    fn spec(&self) -> &ChildSpec {
        &self.shared.spec
    }

    fn gauge(&self) -> Gauge {
        self.shared.gauge()
    }

    fn start(&mut self, env: &StartEnv, incarnation: u64) -> Running {
        self.shared.faults.enable(env.faults);
        launch(&mut self.place, &self.shared, &self.factory, env, incarnation)
    }

    fn inject(&self, fault: Where) -> Result<(), FaultError> {
        self.shared.inject(fault)
    }

    fn close(&mut self) {
        self.place.close();
    }
}
