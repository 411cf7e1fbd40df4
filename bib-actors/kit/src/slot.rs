//! The place of one child: its references exist before it does and outlive each of its incarnations.

use crate::envelope::Envelope;
use crate::faults::Faults;
use crate::health::Gauge;
use crate::managed::FactoryChild;
use crate::{Child, ChildSpec, ManagedChild, Ref, StartArgs, StartError};
use arc_swap::ArcSwapOption;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};

/// Where a child will live. Its handle can be given to others before the child is started.
pub struct Slot<C: Child> {
    shared: Arc<Shared<C>>,
}

impl<C: Child> Slot<C> {
    /// A place for a child.
    #[must_use]
    pub fn new(spec: ChildSpec) -> Self {
        Self { shared: Arc::new(Shared::new(spec)) }
    }

    /// The reference to the child, whichever incarnation it will be in.
    #[must_use]
    pub fn handle(&self) -> Ref<C> {
        Ref { shared: Arc::clone(&self.shared) }
    }

    /// The child with its factory, for the root to start. The factory runs on the child's own thread, inside the task
    /// that is watched; it loads durable state, and no message is handled before it is done.
    #[must_use]
    pub fn child<F, Fut>(self, factory: F) -> Box<dyn ManagedChild>
    where
        F: Fn(StartArgs) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<C, StartError>> + 'static,
    {
        Box::new(FactoryChild::new(self.shared, factory))
    }
}

/// What the references, the host and the supervisor of one child share.
pub(crate) struct Shared<C: Child> {
    pub(crate) spec: ChildSpec,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) door: ArcSwapOption<Door<C>>,
    /// The incarnation that takes messages, 0 if none does.
    pub(crate) up: watch::Sender<u64>,
    pub(crate) faults: Faults,
}

/// The way in to one incarnation.
pub(crate) struct Door<C: Child> {
    pub(crate) incarnation: u64,
    pub(crate) tx: mpsc::Sender<Envelope<C>>,
}

impl<C: Child> Shared<C> {
    pub(crate) fn new(spec: ChildSpec) -> Self {
        Self {
            spec,
            permits: Arc::new(Semaphore::new(spec.mailbox.max(1))),
            door: ArcSwapOption::empty(),
            up: watch::Sender::new(0),
            faults: Faults::default(),
        }
    }

    pub(crate) fn gauge(&self) -> Gauge {
        Gauge::new(Arc::clone(&self.permits), self.spec.mailbox.max(1))
    }

    pub(crate) fn open_door(&self, incarnation: u64, tx: mpsc::Sender<Envelope<C>>) {
        self.door.store(Some(Arc::new(Door { incarnation, tx })));
        self.up.send_replace(incarnation);
    }

    /// Closes the door of this incarnation; that of a newer one stays open.
    pub(crate) fn close_door(&self, incarnation: u64) {
        let mine = self.door.load().as_ref().is_some_and(|door| door.incarnation == incarnation);
        if mine {
            self.door.store(None);
            self.up.send_replace(0);
        }
    }
}
