//! The actix actor around a child: its lifecycle hooks, its mailbox and its futures.
//!
//! Data comes through a bounded queue that the pump serves in turns; the actix address carries only the root's ping,
//! which goes before everything else, so that a flooded actor is not taken for a hung one.

use crate::envelope::{Envelope, Meta};
use crate::faults::Where;
use crate::life::Life;
use crate::message::Reply;
use crate::promise::Owing;
use crate::pump::Pump;
use crate::slot::Shared;
use crate::{Child, Cx};
use actix::{Actor, ActorContext, ActorState, AsyncContext, Context, Running};
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// What a future of the actor leaves to be done with its state.
pub(crate) enum Step<C: Child> {
    Done,
    Replied,
    Then(Continuation<C>),
}

pub(crate) type Continuation<C> = Box<dyn FnOnce(&mut C, &mut Cx<'_, C>)>;

/// The parts of a host that a handler may change besides the child's state.
pub(crate) struct Core<C: Child> {
    pub(crate) shared: Arc<Shared<C>>,
    pub(crate) life: Life,
    pub(crate) inbox: mpsc::Receiver<Envelope<C>>,
    pub(crate) work: FuturesUnordered<LocalBoxFuture<'static, Step<C>>>,
    /// The ask that is being handled.
    pub(crate) asked: Option<Meta>,
    /// Replies that are still to be given by futures,
    pub(crate) owed: usize,
    /// and those that are promised.
    pub(crate) owing: Owing,
    /// What is left to do once the mailbox is empty and no reply is owed; set when an orderly shutdown has begun.
    pub(crate) farewell: Option<LocalBoxFuture<'static, Option<()>>>,
}

impl<C: Child> Core<C> {
    pub(crate) fn push(&self, future: impl Future<Output = Step<C>> + 'static) {
        self.work.push(Box::pin(future));
    }
}

/// A child in its actor.
pub(crate) struct Host<C: Child> {
    pub(crate) child: C,
    pub(crate) core: Core<C>,
    door: Option<mpsc::Sender<Envelope<C>>>,
    ready: Option<oneshot::Sender<()>>,
    /// Set when a panic was caught: the state is suspect, so no hook of the child runs any more.
    broken: Rc<Cell<bool>>,
}

impl<C: Child> Host<C> {
    pub(crate) fn new(
        child: C,
        shared: Arc<Shared<C>>,
        life: Life,
        ready: oneshot::Sender<()>,
        broken: Rc<Cell<bool>>,
    ) -> Self {
        let (tx, inbox) = mpsc::channel(shared.spec.mailbox.max(1) + crate::options::CONTROL_SLOTS);
        let core = Core {
            shared,
            life,
            inbox,
            work: FuturesUnordered::new(),
            asked: None,
            owed: 0,
            owing: Owing::default(),
            farewell: None,
        };
        Self { child, core, door: Some(tx), ready: Some(ready), broken }
    }

    /// Hears when the incarnation is to end: at once when it is doomed, in order when its supervisor says so.
    fn hear_the_end(core: &Core<C>) {
        let doomed = core.life.doom.token();
        core.push(async move {
            doomed.cancelled().await;
            Step::Then(Box::new(|_child, cx| cx.stop()))
        });
        let stop = core.life.stop.clone();
        core.push(async move {
            stop.cancelled().await;
            Step::Then(Box::new(retire))
        });
    }
}

/// Begins an orderly shutdown.
fn retire<C: Child>(child: &mut C, cx: &mut Cx<'_, C>) {
    cx.core.shared.close_door(cx.core.life.incarnation);
    cx.core.inbox.close();
    let farewell: Reply<()> = child.shutdown(cx);
    cx.core.farewell = Some(farewell.into_future());
}

impl<C: Child> Actor for Host<C> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.core.shared.faults.strike(Where::Started, self.core.shared.spec.name);
        Self::hear_the_end(&self.core);
        self.child.started(&mut Cx { ctx, core: &mut self.core });
        if ctx.state() != ActorState::Running {
            return;
        }
        ctx.spawn(Pump);
        if let (Some(door), Some(ready)) = (self.door.take(), self.ready.take()) {
            self.core.shared.open_door(self.core.life.incarnation, door);
            let _ = ready.send(());
        }
    }

    fn stopping(&mut self, _ctx: &mut Context<Self>) -> Running {
        self.core.shared.close_door(self.core.life.incarnation);
        self.core.life.token.cancel();
        if !self.broken.get() && !std::thread::panicking() {
            self.child.stopping();
        }
        Running::Stop
    }
}

/// The supervisor's question whether the actor still turns.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub(crate) struct Ping;

impl<C: Child> actix::Handler<Ping> for Host<C> {
    type Result = ();

    fn handle(&mut self, _ping: Ping, _ctx: &mut Context<Self>) {}
}
