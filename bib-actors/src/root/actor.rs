//! The root as an actor: carries out what the supervision decides and tells it what happened.
//!
//! All children stand in one list, in the order of the supervisor's plan. No decision is taken here.

use super::builder::RootBuilder;
use super::options::RootOptions;
use super::reason::ExitReason;
use bib_domain::supervision::{Command, Ending, Event, Phase, Supervision, Verdict};
use bib_kit::CancellationToken;
use bib_kit::{
    ActorState, AskError, Control, Cx, Exit, ExitReport, FaultError, Handles, HealthBoard, ManagedChild, Message,
    NodeHealth, Reply, StartEnv, Where, clock,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// The root actor. Made by its builder, reached through its handle.
pub struct Root {
    pub(super) machine: Supervision,
    pub(super) children: Vec<Child>,
    pub(super) env: StartEnv,
    pub(super) options: RootOptions,
    pub(super) board: HealthBoard,
    pub(super) begun: Instant,
    /// For when a look at the clock is arranged already.
    pub(super) wake_at: Option<Duration>,
    pub(super) been_ready: bool,
    pub(super) shutdown: CancellationToken,
    pub(super) verdict: Arc<Mutex<Option<ExitReason>>>,
}

/// A child and what runs of it.
pub(super) struct Child {
    managed: Box<dyn ManagedChild>,
    name: &'static str,
    control: Option<Control>,
    pinged: bool,
    misses: u32,
    last_failure: Option<String>,
}

impl Child {
    pub(super) fn new(managed: Box<dyn ManagedChild>) -> Self {
        let name = managed.spec().name;
        Self { managed, name, control: None, pinged: false, misses: 0, last_failure: None }
    }
}

/// Makes a child fail, or the root itself.
pub(super) struct Inject {
    pub(super) child: &'static str,
    pub(super) fault: Where,
}

impl Message for Inject {
    type Reply = Result<(), FaultError>;
}

impl Root {
    /// Begins to put a node together. `runtime` is the shared multi-thread runtime for everything that is not an actor.
    #[must_use]
    pub fn builder(runtime: Handle) -> RootBuilder {
        RootBuilder::new(runtime)
    }

    fn now(&self) -> Duration {
        clock::since(self.begun)
    }

    /// Tells the supervision what happened and does what it says.
    fn feed(&mut self, event: Event, cx: &mut Cx<'_, Self>) {
        for command in self.machine.decide(event, self.now()) {
            match command {
                Command::Start { child, incarnation } => self.start(child, incarnation, cx),
                Command::Stop { child } => self.stop(child),
                Command::Abort { child } => self.abort(child),
                Command::Finish(verdict) => self.finish(verdict, cx),
            }
        }
        self.arrange_wake(cx);
        self.show();
    }

    fn start(&mut self, child: usize, incarnation: u64, cx: &mut Cx<'_, Self>) {
        let state = &mut self.children[child];
        tracing::info!(actor = state.name, incarnation, "starting");
        let running = state.managed.start(&self.env, incarnation);
        state.control = Some(running.control);
        state.misses = 0;
        state.pinged = false;
        self.board.update(state.name, |health| {
            health.restarts = incarnation - 1;
            health.incarnation = incarnation;
        });
        cx.spawn_then(running.ready, move |root, ready, cx| {
            if ready.is_ok() {
                root.feed(Event::Ready { child, incarnation }, cx);
            }
        });
        cx.spawn_then(running.exit, move |root, report, cx| {
            let gone = ExitReport { incarnation, exit: Exit::ThreadGone, stale_work: false };
            root.ended(child, &report.unwrap_or(gone), cx);
        });
    }

    fn ended(&mut self, child: usize, report: &ExitReport, cx: &mut Cx<'_, Self>) {
        let ending = match report.exit {
            _ if report.stale_work => Ending::Stale,
            Exit::Stopped => Ending::Stopped,
            Exit::Refused(_) => Ending::Refused,
            Exit::Failed(_) | Exit::Panicked(_) | Exit::Aborted | Exit::ThreadGone => Ending::Failed,
        };
        let state = &mut self.children[child];
        let incarnation = report.incarnation;
        if report.exit.is_failure() {
            tracing::warn!(actor = state.name, incarnation, reason = %report.exit, "ended");
            state.fails(report.exit.to_string(), &self.board);
        } else {
            tracing::info!(actor = state.name, incarnation, "ended");
        }
        if report.stale_work {
            tracing::error!(actor = state.name, incarnation, "background work could not be ended");
        }
        self.feed(Event::Ended { child, incarnation, ending, dice: clock::dice() }, cx);
    }

    fn stop(&self, child: usize) {
        if let Some(control) = &self.children[child].control {
            control.stop();
        }
    }

    fn abort(&mut self, child: usize) {
        let state = &self.children[child];
        tracing::warn!(actor = state.name, incarnation = self.machine.incarnation(child), "aborting");
        if let Some(control) = &state.control {
            control.abort();
        }
    }

    fn finish(&mut self, verdict: Verdict, cx: &mut Cx<'_, Self>) {
        let text =
            |child: usize| self.children[child].last_failure.clone().unwrap_or_else(|| "without a word".to_owned());
        let reason = match verdict {
            Verdict::Stopped => ExitReason::Stopped,
            Verdict::Refused { child } => ExitReason::Refused { child: self.children[child].name, text: text(child) },
            Verdict::BeyondWindow { child } => {
                ExitReason::BeyondWindow { child: self.children[child].name, text: text(child) }
            }
            Verdict::Stuck { child } => ExitReason::Stuck { child: self.children[child].name },
        };
        *self.verdict.lock() = Some(reason);
        for child in &mut self.children {
            child.managed.close();
        }
        cx.stop();
    }

    /// Sees to it that the clock is looked at when the supervision wants it.
    fn arrange_wake(&mut self, cx: &mut Cx<'_, Self>) {
        let Some(at) = self.machine.next_wake() else { return };
        if self.wake_at.is_some_and(|arranged| arranged <= at) {
            return;
        }
        self.wake_at = Some(at);
        let wait = at.saturating_sub(self.now());
        cx.spawn_then(tokio::time::sleep(wait), move |root, (), cx| {
            if root.wake_at == Some(at) {
                root.wake_at = None;
            }
            root.feed(Event::Clock, cx);
        });
    }

    /// Asks each child that is up whether it turns.
    fn ping_all(&mut self, cx: &mut Cx<'_, Self>) {
        // the answer must be in before the next question
        let deadline = self.options.ping_every.mul_f64(0.875);
        for (child, state) in self.children.iter_mut().enumerate() {
            if state.pinged || self.machine.phase(child) != Phase::Up {
                continue;
            }
            let Some(control) = state.control.clone() else { continue };
            state.pinged = true;
            let incarnation = self.machine.incarnation(child);
            let ping = async move { control.ping(deadline).await };
            cx.spawn_then(ping, move |root, answered, cx| root.pinged(child, incarnation, answered, cx));
        }
        self.show();
    }

    fn pinged(&mut self, child: usize, incarnation: u64, answered: bool, cx: &mut Cx<'_, Self>) {
        if self.machine.incarnation(child) != incarnation {
            return;
        }
        let state = &mut self.children[child];
        state.pinged = false;
        state.misses = if answered { 0 } else { state.misses + 1 };
        if state.misses >= self.options.ping_misses && self.machine.phase(child) == Phase::Up {
            state.misses = 0;
            state.fails(format!("did not answer {} pings", self.options.ping_misses), &self.board);
            self.feed(Event::Hung { child, incarnation }, cx);
        }
    }

    /// Brings the health board up to date.
    fn show(&mut self) {
        let mut all_up = true;
        for (index, child) in self.children.iter().enumerate() {
            let phase = self.machine.phase(index);
            all_up &= matches!(phase, Phase::Up | Phase::Down);
            self.board.update(child.name, |health| health.state = state_of(phase));
        }
        self.been_ready |= all_up;
        self.board.set_node(if self.machine.closing().is_some() {
            NodeHealth::Stopping
        } else if !self.been_ready {
            NodeHealth::Starting
        } else if all_up && !self.machine.is_uneasy(self.now()) {
            NodeHealth::Ready
        } else {
            NodeHealth::Degraded
        });
    }
}

impl Child {
    fn fails(&mut self, text: String, board: &HealthBoard) {
        board.update(self.name, |health| {
            health.last_failure = Some(text.clone());
            health.last_failure_ms = Some(clock::unix_ms());
        });
        self.last_failure = Some(text);
    }
}

const fn state_of(phase: Phase) -> ActorState {
    match phase {
        Phase::Waiting => ActorState::Waiting,
        Phase::Backoff { .. } => ActorState::Backoff,
        Phase::Starting { .. } => ActorState::Starting,
        Phase::Up => ActorState::Up,
        Phase::Stopping { .. } | Phase::Aborting { .. } => ActorState::Stopping,
        Phase::Down => ActorState::Down,
    }
}

impl bib_kit::Child for Root {
    const NAME: &'static str = "root";

    fn started(&mut self, cx: &mut Cx<'_, Self>) {
        let told = self.shutdown.clone();
        cx.spawn_then(async move { told.cancelled().await }, |root, (), cx| root.feed(Event::Shutdown, cx));
        cx.every(self.options.ping_every, Self::ping_all);
        self.feed(Event::Boot, cx);
    }
}

impl Handles<Inject> for Root {
    fn handle(&mut self, Inject { child, fault }: Inject, cx: &mut Cx<'_, Self>) -> Reply<Result<(), FaultError>> {
        if child == <Self as bib_kit::Child>::NAME {
            // it strikes after this answer
            return Reply::now(cx.me().inject_panic(fault));
        }
        let found = self.children.iter().find(|other| other.name == child);
        Reply::now(match found {
            Some(found) => found.managed.inject(fault),
            None => Err(FaultError::Ask(AskError::NotDelivered { actor: child })),
        })
    }
}
