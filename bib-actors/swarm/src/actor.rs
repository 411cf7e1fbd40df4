//! The swarm actor: the link between the node's messages and the event loop's task.
//!
//! It owns the command queue and dies with its event loop. It never polls the swarm and never touches bytes of streams.
//! After a panic a new incarnation listens on the same ports; whoever consumes streams accepts again.

use crate::command::Command;
use crate::error::SwarmError;
use crate::event_loop::{EventLoop, Seed};
use crate::events::SwarmEvent;
use crate::gate::Gate;
use crate::handle::SwarmHandle;
use crate::identity::Identity;
use crate::listeners::ChosenPorts;
use crate::options::SwarmOptions;
use bib_kit::events::Topic;
use bib_kit::{CancellationToken, Child, ChildSpec, Cx, ManagedChild, Reply, Slot, StartArgs, StartError, Tasks};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The actor's state: everything else lives in the event loop.
pub struct SwarmActor {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) options: Arc<SwarmOptions>,
    tasks: Arc<Tasks>,
    end: CancellationToken,
}

/// What every incarnation is made from.
#[derive(Clone)]
struct Parts {
    identity: Identity,
    options: Arc<SwarmOptions>,
    events: Topic<SwarmEvent>,
    chosen: ChosenPorts,
}

/// Makes the swarm's handle and the child that the root supervises.
#[must_use]
pub fn child(
    spec: ChildSpec,
    identity: Identity,
    options: SwarmOptions,
    events: Topic<SwarmEvent>,
) -> (SwarmHandle, Box<dyn ManagedChild>) {
    let slot = Slot::<SwarmActor>::new(spec);
    let handle = SwarmHandle::new(slot.handle(), &options);
    let parts = Parts { identity, options: Arc::new(options), events, chosen: ChosenPorts::default() };
    let child = slot.child(move |args| start(parts.clone(), args));
    (handle, child)
}

async fn start(parts: Parts, args: StartArgs) -> Result<SwarmActor, StartError> {
    let Parts { identity, options, events, chosen } = parts;
    let gate = Arc::new(Gate::new(options.inbound_queue));
    let (commands, receiver) = mpsc::channel(options.command_queue.max(1));
    let end = args.token.child_token();
    let seed = Seed {
        identity,
        options: Arc::clone(&options),
        gate: Arc::clone(&gate),
        chosen,
        events,
        commands: receiver,
        token: end.clone(),
    };
    let (ready, started) = oneshot::channel();
    let doom = args.doom();
    // dropping the set ends the loop, a panic in the loop ends the incarnation
    let tasks = args.tasks(1);
    tasks.spawn("event loop", async move {
        match EventLoop::start(seed).await {
            Ok(event_loop) => {
                drop(ready.send(Ok(())));
                if let Err(reason) = event_loop.run().await {
                    doom.fail(reason);
                }
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    })?;
    started.await.unwrap_or(Err(SwarmError::Stopped))?;
    Ok(SwarmActor { commands, gate, options, tasks: Arc::new(tasks), end })
}

impl Child for SwarmActor {
    const NAME: &'static str = "swarm";

    fn shutdown(&mut self, _: &mut Cx<'_, Self>) -> Reply<()> {
        self.end.cancel();
        let tasks = Arc::clone(&self.tasks);
        Reply::later(async move { tasks.wait_idle().await })
    }

    fn stopping(&mut self) {
        self.gate.close();
    }
}
