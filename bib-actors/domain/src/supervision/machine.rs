//! The supervisor's decisions: `(state, event, now) -> commands`.
//!
//! Owns each child's phase, its failures and the root's window. A child never has two incarnations at a time, is started
//! only when all it depends on is up, and is stopped before all it depends on. Never does anything itself.

use super::event::{Command, Ending, Event, Verdict};
use super::plan::{self, ChildPlan, Limits, PlanError};
use super::policy::{Beyond, Restart};
use std::time::Duration;

/// What a child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Has no incarnation and waits for what it depends on or for its turn to restart.
    Waiting,
    /// Failed and waits.
    Backoff {
        /// Until then.
        until: Duration,
    },
    /// Is being made.
    Starting {
        /// It must be ready by then.
        deadline: Duration,
    },
    /// Takes messages.
    Up,
    /// Was asked to end.
    Stopping {
        /// It must have ended by then.
        deadline: Duration,
    },
    /// Is being ended by force.
    Aborting {
        /// It must have ended by then.
        deadline: Duration,
        /// Its end counts as a failure.
        failure: bool,
    },
    /// Ended for good.
    Down,
}

struct Child {
    plan: ChildPlan,
    needs: Vec<usize>,
    phase: Phase,
    incarnation: u64,
    failures: Vec<Duration>,
}

/// The state of supervision.
pub struct Supervision {
    children: Vec<Child>,
    limits: Limits,
    escalations: Vec<Duration>,
    /// Why the node ends, once it does.
    closing: Option<Verdict>,
    finished: bool,
}

impl Supervision {
    /// Takes a plan.
    ///
    /// # Errors
    /// If the plan contradicts itself.
    pub fn new(plan: Vec<ChildPlan>, limits: Limits) -> Result<Self, PlanError> {
        let needs = plan::resolve(&plan)?;
        let children = plan
            .into_iter()
            .zip(needs)
            .map(|(plan, needs)| Child { plan, needs, phase: Phase::Waiting, incarnation: 0, failures: Vec::new() })
            .collect();
        Ok(Self { children, limits, escalations: Vec::new(), closing: None, finished: false })
    }

    /// Decides what follows from an event at `now`, a duration since the node started.
    pub fn decide(&mut self, event: Event, now: Duration) -> Vec<Command> {
        let mut commands = Vec::new();
        match event {
            Event::Boot => {}
            Event::Ready { child, incarnation } => self.ready(child, incarnation),
            Event::Ended { child, incarnation, ending, dice } => {
                if self.is_present(child, incarnation) {
                    self.ended(child, ending, dice, now, &mut commands);
                }
            }
            Event::Hung { child, incarnation } => {
                let up = self.is_present(child, incarnation) && self.children[child].phase == Phase::Up;
                if up {
                    self.abort(child, true, now, &mut commands);
                }
            }
            Event::Clock => self.overdue(now, &mut commands),
            Event::Shutdown => self.close(Verdict::Stopped),
        }
        if self.closing.is_some() {
            self.wind_down(now, &mut commands);
        } else {
            self.start_what_can(now, &mut commands);
        }
        commands
    }

    /// When the clock must be looked at next.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        let wake = |child: &Child| match child.phase {
            Phase::Backoff { until } => Some(until),
            Phase::Starting { deadline } | Phase::Stopping { deadline } | Phase::Aborting { deadline, .. } => {
                Some(deadline)
            }
            Phase::Waiting | Phase::Up | Phase::Down => None,
        };
        self.children.iter().filter_map(wake).min()
    }

    /// What a child is doing.
    #[must_use]
    pub fn phase(&self, child: usize) -> Phase {
        self.children[child].phase
    }

    /// The number of a child's present or last incarnation.
    #[must_use]
    pub fn incarnation(&self, child: usize) -> u64 {
        self.children[child].incarnation
    }

    /// Whether the node is on its way out, and why.
    #[must_use]
    pub const fn closing(&self) -> Option<Verdict> {
        self.closing
    }

    /// Whether a child failed beyond its window a short while ago.
    #[must_use]
    pub fn is_uneasy(&self, now: Duration) -> bool {
        self.escalations.last().is_some_and(|&at| now.saturating_sub(at) < self.limits.calm_after)
    }

    fn is_present(&self, child: usize, incarnation: u64) -> bool {
        let alive = |phase| !matches!(phase, Phase::Waiting | Phase::Backoff { .. } | Phase::Down);
        self.children.get(child).is_some_and(|child| child.incarnation == incarnation && alive(child.phase))
    }

    fn ready(&mut self, child: usize, incarnation: u64) {
        if self.is_present(child, incarnation) {
            let child = &mut self.children[child];
            if matches!(child.phase, Phase::Starting { .. }) {
                child.phase = Phase::Up;
            }
        }
    }

    fn ended(&mut self, child: usize, ending: Ending, dice: f64, now: Duration, commands: &mut Vec<Command>) {
        if ending == Ending::Stale {
            self.children[child].phase = Phase::Down;
            self.close(Verdict::Stuck { child });
            return;
        }
        if self.closing.is_some() {
            self.children[child].phase = Phase::Down;
            return;
        }
        let restart = self.children[child].plan.policy.restart;
        let first = self.children[child].incarnation == 1;
        match self.children[child].phase {
            Phase::Stopping { .. } | Phase::Aborting { failure: false, .. } => {
                self.children[child].phase = Phase::Waiting;
            }
            _ if ending == Ending::Refused && first => {
                self.children[child].phase = Phase::Down;
                self.close(Verdict::Refused { child });
            }
            _ if restart == Restart::Temporary || (restart == Restart::Transient && ending == Ending::Stopped) => {
                self.children[child].phase = Phase::Down;
            }
            _ => self.failed(child, dice, now, commands),
        }
    }

    fn failed(&mut self, child: usize, dice: f64, now: Duration, commands: &mut Vec<Command>) {
        let limits = self.limits;
        let Child { plan, failures, .. } = &mut self.children[child];
        let policy = plan.policy;
        let count = policy.intensity.note(failures, now);
        let mut delay = policy.backoff.delay(count, dice);
        if count > policy.intensity.max {
            failures.clear();
            let allowed = policy.beyond == Beyond::Escalate
                && limits.escalations.note(&mut self.escalations, now) <= limits.escalations.max;
            if !allowed {
                self.children[child].phase = Phase::Down;
                self.close(Verdict::BeyondWindow { child });
                return;
            }
            delay = limits.escalation_pause;
        }
        self.children[child].phase = Phase::Backoff { until: now + delay };
        for dependent in self.dependents(child) {
            let limit = self.children[dependent].plan.shutdown.min(limits.dependent_stop);
            self.stop(dependent, now + limit, commands);
        }
    }

    /// Everything that depends on a child, directly or not.
    fn dependents(&self, child: usize) -> Vec<usize> {
        let mut reached = vec![false; self.children.len()];
        reached[child] = true;
        let mut order: Vec<usize> = (0..self.children.len()).collect();
        order.sort_by_key(|&index| self.children[index].plan.rank);
        for index in order {
            if self.children[index].needs.iter().any(|&need| reached[need]) {
                reached[index] = true;
            }
        }
        (0..self.children.len()).filter(|&index| index != child && reached[index]).collect()
    }

    fn stop(&mut self, child: usize, deadline: Duration, commands: &mut Vec<Command>) {
        let state = &mut self.children[child];
        if matches!(state.phase, Phase::Starting { .. } | Phase::Up) {
            state.phase = Phase::Stopping { deadline };
            commands.push(Command::Stop { child });
        }
    }

    fn abort(&mut self, child: usize, failure: bool, now: Duration, commands: &mut Vec<Command>) {
        self.children[child].phase = Phase::Aborting { deadline: now + self.limits.abort_grace, failure };
        commands.push(Command::Abort { child });
    }

    fn overdue(&mut self, now: Duration, commands: &mut Vec<Command>) {
        for child in 0..self.children.len() {
            match self.children[child].phase {
                Phase::Starting { deadline } if deadline <= now => self.abort(child, true, now, commands),
                Phase::Stopping { deadline } if deadline <= now => self.abort(child, false, now, commands),
                Phase::Aborting { deadline, .. } if deadline <= now => {
                    self.children[child].phase = Phase::Down;
                    self.close(Verdict::Stuck { child });
                }
                _ => {}
            }
        }
    }

    /// The node ends; the first reason stands, except that a failure outweighs an order to stop.
    fn close(&mut self, verdict: Verdict) {
        if matches!(self.closing, None | Some(Verdict::Stopped)) {
            self.closing = Some(verdict);
        }
    }

    fn start_what_can(&mut self, now: Duration, commands: &mut Vec<Command>) {
        for child in 0..self.children.len() {
            if matches!(self.children[child].phase, Phase::Backoff { until } if until <= now) {
                self.children[child].phase = Phase::Waiting;
            }
        }
        let mut restarting = self.children.iter().filter(|child| child.is_restarting()).count();
        for child in 0..self.children.len() {
            let state = &self.children[child];
            let may = state.phase == Phase::Waiting
                && state.needs.iter().all(|&need| self.children[need].phase == Phase::Up)
                && (state.incarnation == 0 || restarting < self.limits.restarts_at_once);
            if may {
                let state = &mut self.children[child];
                state.incarnation += 1;
                state.phase = Phase::Starting { deadline: now + state.plan.policy.start_within };
                restarting += usize::from(state.incarnation > 1);
                commands.push(Command::Start { child, incarnation: state.incarnation });
            }
        }
    }

    /// Stops what is left, the highest rank first, each rank when the one above it has ended.
    fn wind_down(&mut self, now: Duration, commands: &mut Vec<Command>) {
        for child in &mut self.children {
            if matches!(child.phase, Phase::Waiting | Phase::Backoff { .. }) {
                child.phase = Phase::Down;
            }
        }
        let alive = self.children.iter().filter(|child| child.phase != Phase::Down);
        let Some(rank) = alive.map(|child| child.plan.rank).max() else {
            if let (false, Some(verdict)) = (self.finished, self.closing) {
                self.finished = true;
                commands.push(Command::Finish(verdict));
            }
            return;
        };
        for child in 0..self.children.len() {
            if self.children[child].plan.rank == rank {
                let limit = self.children[child].plan.shutdown;
                self.stop(child, now + limit, commands);
            }
        }
    }
}

impl Child {
    const fn is_restarting(&self) -> bool {
        matches!(self.phase, Phase::Starting { .. }) && self.incarnation > 1
    }
}
