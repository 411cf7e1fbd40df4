//! The replicator actor: it owns the tasks of its incarnation and passes requests on to them.
//!
//! The driver task holds the state; the actor's end aborts it and every other task. A new incarnation reads its state
//! from the guardian before it takes a message.

use crate::driver::{Driver, Ears, Note};
use crate::error::ReplicatorError;
use crate::handle::ReplicatorHandle;
use crate::options::ReplicatorOptions;
use crate::serve::{self, Served};
use crate::shared::Shared;
use bib_audit::AuditHandle;
use bib_guardian::GuardianHandle;
use bib_kit::{Child, ChildSpec, ManagedChild, Router, Slot, StartArgs, StartError, Tasks};
use bib_swarm::SwarmHandle;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The name in health, logs and errors.
pub const NAME: &str = "replicator";

/// Its place among the actors.
const RANK: u8 = 5;
/// Requests in hand: pairings and questions of people.
const MAILBOX: usize = 128;

/// The lower actors that it asks, and the node's events.
#[derive(Clone)]
pub struct ReplicatorDeps {
    /// The catalogue, the peers and the chunk store.
    pub guardian: GuardianHandle,
    /// The connections.
    pub swarm: SwarmHandle,
    /// The audit log.
    pub audit: AuditHandle,
    /// Events of the guardian and the swarm.
    pub router: Router,
}

/// The actor's state: everything else lives in the driver.
pub struct Replicator {
    pub(crate) shared: Arc<Shared>,
    pub(crate) notes: mpsc::Sender<Note>,
    /// Dropping it ends the driver and everything that it started.
    _tasks: Arc<Tasks>,
}

impl Child for Replicator {
    const NAME: &'static str = NAME;
}

/// The replicator's place, policy and bounds.
#[must_use]
pub fn spec() -> ChildSpec {
    ChildSpec::new(NAME, RANK)
        .with_depends_on(&["guardian"])
        .with_mailbox(MAILBOX)
        .with_shutdown(Duration::from_secs(5))
}

/// Makes the replicator's handle and the child that the root supervises.
#[must_use]
pub fn child(
    spec: ChildSpec,
    options: ReplicatorOptions,
    deps: ReplicatorDeps,
) -> (ReplicatorHandle, Box<dyn ManagedChild>) {
    let slot = Slot::<Replicator>::new(spec);
    let handle = ReplicatorHandle::new(slot.handle());
    let child = slot.child(move |args| start(options.clone(), deps.clone(), args));
    (handle, child)
}

async fn start(options: ReplicatorOptions, deps: ReplicatorDeps, args: StartArgs) -> Result<Replicator, StartError> {
    let (notes, receiver) = mpsc::channel(options.notes.max(1));
    let ears = Ears::new(&deps.router, receiver);
    let storage = deps.guardian.storage().await?.kind;
    let tasks = Arc::new(args.tasks(options.tasks));
    let shared = Arc::new(Shared::new(options, deps, storage, &args, &tasks, notes.clone()));
    let driver = Driver::load(Arc::clone(&shared)).await.map_err(ReplicatorError::at_start)?;
    tasks.spawn("driver", driver.run(ears))?;
    for served in Served::ALL {
        tasks.spawn("accept", serve::accept(Arc::clone(&shared), served))?;
    }
    Ok(Replicator { shared, notes, _tasks: tasks })
}
