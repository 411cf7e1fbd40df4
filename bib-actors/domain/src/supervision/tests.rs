//! Tests of the supervisor's decisions: a table of stories, and random worlds in which the rules must hold.

use super::*;
use proptest::prelude::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

fn child(name: &'static str, rank: u8, depends_on: &[&'static str], policy: RestartPolicy) -> ChildPlan {
    ChildPlan { name, rank, policy, depends_on: depends_on.to_vec(), shutdown: Duration::from_secs(5) }
}

fn node() -> Supervision {
    let plan = vec![
        child("audit", 1, &[], RestartPolicy::one_retry()),
        child("guardian", 2, &["audit"], RestartPolicy::permanent()),
        child("swarm", 4, &[], RestartPolicy::permanent()),
        child("replicator", 5, &["guardian", "swarm"], RestartPolicy::permanent()),
        child("gateway", 7, &["guardian"], RestartPolicy::permanent()),
    ];
    Supervision::new(plan, Limits::default()).unwrap()
}

const AUDIT: usize = 0;
const GUARDIAN: usize = 1;
const SWARM: usize = 2;
const REPLICATOR: usize = 3;
const GATEWAY: usize = 4;

fn ready(machine: &mut Supervision, child: usize, now: Duration) -> Vec<Command> {
    let incarnation = machine.incarnation(child);
    machine.decide(Event::Ready { child, incarnation }, now)
}

fn ended(machine: &mut Supervision, child: usize, ending: Ending, now: Duration) -> Vec<Command> {
    let incarnation = machine.incarnation(child);
    machine.decide(Event::Ended { child, incarnation, ending, dice: 0.5 }, now)
}

fn booted() -> Supervision {
    let mut machine = node();
    machine.decide(Event::Boot, Duration::ZERO);
    for child in [AUDIT, SWARM, GUARDIAN, REPLICATOR, GATEWAY] {
        ready(&mut machine, child, MS);
    }
    assert!((0..5).all(|child| machine.phase(child) == Phase::Up));
    machine
}

#[test]
fn children_start_as_soon_as_what_they_need_is_up() {
    let mut machine = node();
    let start = |child| Command::Start { child, incarnation: 1 };
    assert_eq!(machine.decide(Event::Boot, Duration::ZERO), [start(AUDIT), start(SWARM)]);
    assert_eq!(ready(&mut machine, SWARM, MS), []);
    assert_eq!(ready(&mut machine, AUDIT, MS), [start(GUARDIAN)]);
    assert_eq!(ready(&mut machine, GUARDIAN, MS), [start(REPLICATOR), start(GATEWAY)]);
}

#[test]
fn a_failed_guardian_takes_its_dependents_along_and_nobody_else() {
    let mut machine = booted();
    let commands = ended(&mut machine, GUARDIAN, Ending::Failed, 10 * MS);
    assert_eq!(
        commands,
        [
            Command::Stop { child: REPLICATOR },
            Command::Stop { child: GATEWAY },
            Command::Start { child: GUARDIAN, incarnation: 2 },
        ]
    );
    assert_eq!(machine.phase(SWARM), Phase::Up);
    assert_eq!(ended(&mut machine, GATEWAY, Ending::Stopped, 11 * MS), [], "its guardian is not up yet");
    let again = ready(&mut machine, GUARDIAN, 12 * MS);
    assert_eq!(again, [Command::Start { child: GATEWAY, incarnation: 2 }]);
    let last = ended(&mut machine, REPLICATOR, Ending::Stopped, 13 * MS);
    assert_eq!(last, [Command::Start { child: REPLICATOR, incarnation: 2 }]);
}

#[test]
fn at_most_two_children_restart_at_a_time() {
    let plan = (0..5).map(|i| child(["a", "b", "c", "d", "e"][i], 1, &[], RestartPolicy::permanent())).collect();
    let mut machine = Supervision::new(plan, Limits::default()).unwrap();
    assert_eq!(machine.decide(Event::Boot, Duration::ZERO).len(), 5, "the first start is no restart");
    for child in 0..5 {
        ready(&mut machine, child, MS);
    }
    let started: usize = (0..5).map(|child| ended(&mut machine, child, Ending::Failed, MS).len()).sum();
    assert_eq!(started, 2);
    assert_eq!(ready(&mut machine, 0, MS), [Command::Start { child: 2, incarnation: 2 }]);
}

#[test]
fn a_second_failure_of_the_audit_chain_stops_the_node_in_order() {
    let mut machine = booted();
    ended(&mut machine, AUDIT, Ending::Failed, MS);
    assert_eq!(machine.phase(AUDIT), Phase::Starting { deadline: MS + Duration::from_secs(120) });
    for child in [GATEWAY, REPLICATOR, GUARDIAN] {
        ended(&mut machine, child, Ending::Stopped, 2 * MS);
    }
    assert_eq!(ended(&mut machine, AUDIT, Ending::Failed, 3 * MS), [Command::Stop { child: SWARM }]);
    let last = ended(&mut machine, SWARM, Ending::Stopped, 4 * MS);
    assert_eq!(last, [Command::Finish(Verdict::BeyondWindow { child: AUDIT })]);
}

#[test]
fn a_crash_loop_is_restarted_five_times_then_escalates_three_times_then_the_node_ends() {
    let plan = vec![child("swarm", 4, &[], RestartPolicy::permanent())];
    let mut machine = Supervision::new(plan, Limits::default()).unwrap();
    let mut commands = machine.decide(Event::Boot, Duration::ZERO);
    let mut now = Duration::ZERO;
    let mut waits = Vec::new();
    let mut starts = 0;
    loop {
        match commands.pop() {
            Some(Command::Start { .. }) => {
                starts += 1;
                now += MS;
                commands = ended(&mut machine, 0, Ending::Failed, now);
            }
            Some(Command::Finish(verdict)) => {
                assert_eq!(verdict, Verdict::BeyondWindow { child: 0 });
                break;
            }
            None => {
                let wake = machine.next_wake().unwrap();
                waits.push((wake - now).as_millis());
                now = wake;
                commands = machine.decide(Event::Clock, now);
                assert!(machine.is_uneasy(now) == (starts > 5));
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    let round = [50, 100, 200, 400];
    let escalated = [2000, 50, 100, 200, 400];
    assert_eq!(waits, [round.to_vec(), escalated.repeat(3)].concat());
    assert_eq!(starts, 4 * 6, "six starts in each of four rounds");
}

#[test]
fn a_factory_that_refuses_ends_the_node_at_its_first_start_only() {
    let mut machine = node();
    machine.decide(Event::Boot, Duration::ZERO);
    ready(&mut machine, SWARM, MS);
    assert_eq!(ended(&mut machine, AUDIT, Ending::Refused, MS), [Command::Stop { child: SWARM }]);
    assert_eq!(ended(&mut machine, SWARM, Ending::Stopped, MS), [Command::Finish(Verdict::Refused { child: AUDIT })]);

    let mut machine = booted();
    ended(&mut machine, SWARM, Ending::Failed, MS);
    ended(&mut machine, SWARM, Ending::Refused, MS);
    assert!(matches!(machine.phase(SWARM), Phase::Backoff { .. }));
}

#[test]
fn one_that_cannot_be_made_just_now_is_tried_again_also_the_first_time() {
    let mut machine = node();
    machine.decide(Event::Boot, Duration::ZERO);
    for child in [AUDIT, SWARM, GUARDIAN, REPLICATOR] {
        ready(&mut machine, child, MS);
    }
    let again = ended(&mut machine, GATEWAY, Ending::Failed, 2 * MS);
    assert_eq!(again, [Command::Start { child: GATEWAY, incarnation: 2 }]);
    assert_eq!(machine.closing(), None);
    assert_eq!(ready(&mut machine, GATEWAY, 3 * MS), []);
    assert_eq!(machine.phase(GATEWAY), Phase::Up);
}

#[test]
fn a_hung_child_is_aborted_and_a_stuck_one_ends_the_node() {
    let mut machine = booted();
    let hung = Event::Hung { child: SWARM, incarnation: 1 };
    assert_eq!(machine.decide(hung, MS), [Command::Abort { child: SWARM }]);
    let commands = ended(&mut machine, SWARM, Ending::Failed, 2 * MS);
    assert!(commands.contains(&Command::Start { child: SWARM, incarnation: 2 }));
    assert_eq!(machine.decide(hung, 3 * MS), [], "the first incarnation is history");
    ready(&mut machine, SWARM, 3 * MS);
    machine.decide(Event::Hung { child: SWARM, incarnation: 2 }, 4 * MS);
    let later = machine.next_wake().unwrap();
    machine.decide(Event::Clock, later + Duration::from_secs(60));
    assert_eq!(machine.closing(), Some(Verdict::Stuck { child: SWARM }));
}

#[test]
fn the_end_of_the_node_goes_down_the_ranks() {
    let mut machine = booted();
    let mut order = Vec::new();
    let mut commands = machine.decide(Event::Shutdown, MS);
    while let Some(command) = commands.pop() {
        match command {
            Command::Stop { child } => {
                assert!(commands.is_empty(), "one rank at a time");
                order.push(child);
                commands = ended(&mut machine, child, Ending::Stopped, 2 * MS);
            }
            other => assert_eq!(other, Command::Finish(Verdict::Stopped)),
        }
    }
    assert_eq!(order, [GATEWAY, REPLICATOR, SWARM, GUARDIAN, AUDIT]);
}

#[test]
fn one_that_does_not_stop_in_time_is_aborted() {
    let mut machine = booted();
    machine.decide(Event::Shutdown, MS);
    assert_eq!(machine.decide(Event::Clock, Duration::from_secs(6)), [Command::Abort { child: GATEWAY }]);
}

#[test]
fn plans_that_contradict_themselves_are_refused() {
    let policy = RestartPolicy::permanent();
    let new = |plan| Supervision::new(plan, Limits::default()).map(|_| ());
    assert_eq!(new(vec![child("a", 1, &["b"], policy)]), Err(PlanError::Unknown { name: "a", on: "b" }));
    let twice = vec![child("a", 1, &[], policy), child("a", 2, &[], policy)];
    assert_eq!(new(twice), Err(PlanError::Duplicate { name: "a" }));
    let up = vec![child("a", 1, &["b"], policy), child("b", 1, &[], policy)];
    assert_eq!(new(up), Err(PlanError::Upward { name: "a", on: "b" }));
}

/// What really runs, as the machine can only guess: the incarnation, and whether it is ready.
struct World {
    machine: Supervision,
    alive: Vec<Option<(u64, bool)>>,
    last: Vec<u64>,
    now: Duration,
    closing: bool,
    finished: Option<Verdict>,
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const RANKS: [u8; 6] = [1, 2, 2, 4, 5, 7];

impl World {
    fn new(edges: u32, strict: u32) -> Self {
        let plan = (0..6)
            .map(|i| {
                let lower = (0..i).filter(|&j| RANKS[j] < RANKS[i] && edges >> (i * 5 + j) & 1 == 1);
                let needs: Vec<_> = lower.map(|j| NAMES[j]).collect();
                let policy = if strict >> i & 1 == 1 { RestartPolicy::one_retry() } else { RestartPolicy::permanent() };
                child(NAMES[i], RANKS[i], &needs, policy)
            })
            .collect();
        let machine = Supervision::new(plan, Limits::default()).unwrap();
        let mut world =
            Self { machine, alive: vec![None; 6], last: vec![0; 6], now: MS, closing: false, finished: None };
        world.feed(Event::Boot);
        world
    }

    fn feed(&mut self, event: Event) {
        let commands = self.machine.decide(event, self.now);
        self.closing |= self.machine.closing().is_some();
        for command in commands {
            self.obey(command);
        }
    }

    fn obey(&mut self, command: Command) {
        assert_eq!(self.finished, None, "nothing follows the end");
        match command {
            Command::Start { child, incarnation } => {
                assert!(!self.closing, "nothing is started while the node ends");
                assert_eq!(self.alive[child], None, "two incarnations of one child");
                assert!(incarnation > self.last[child], "numbers go up");
                self.last[child] = incarnation;
                self.alive[child] = Some((incarnation, false));
                let restarting = self.alive.iter().flatten().filter(|(number, up)| *number > 1 && !up).count();
                // a child that is starting while it is told to stop has given its turn away
                let leaving = (0..6).filter(|&c| self.alive[c].is_some() && !self.is_started(c)).count();
                assert!(restarting <= Limits::default().restarts_at_once + leaving);
            }
            Command::Stop { child } | Command::Abort { child } => {
                assert!(self.alive[child].is_some(), "what is not there cannot be stopped");
                if self.closing {
                    let above = (0..6).find(|&c| RANKS[c] > RANKS[child] && self.alive[c].is_some());
                    let stopping = matches!(command, Command::Stop { .. });
                    let stuck = above.is_some_and(|c| self.machine.phase(c) == Phase::Down);
                    assert!(!stopping || above.is_none() || stuck, "a lower rank is stopped before {above:?}");
                }
            }
            Command::Finish(verdict) => self.finished = Some(verdict),
        }
    }

    fn is_started(&self, child: usize) -> bool {
        matches!(self.machine.phase(child), Phase::Starting { .. } | Phase::Up)
    }

    fn ends(&mut self, child: usize, ending: Ending) {
        if let Some((incarnation, _)) = self.alive[child].take() {
            self.feed(Event::Ended { child, incarnation, ending, dice: 0.3 });
        }
    }

    fn becomes_ready(&mut self, child: usize) {
        if let Some((incarnation, ready)) = &mut self.alive[child] {
            *ready = true;
            let incarnation = *incarnation;
            self.feed(Event::Ready { child, incarnation });
        }
    }
}

proptest! {
    #[test]
    fn the_rules_hold_whatever_happens(
        edges: u32,
        strict: u32,
        story in prop::collection::vec((0_u8..16, 0_usize..6, 0_u64..3000), 1..200),
    ) {
        let mut world = World::new(edges, strict & 0b1001);
        for (what, child, wait) in story {
            match what {
                0..=5 => world.becomes_ready(child),
                6..=8 => world.ends(child, Ending::Failed),
                9 => world.ends(child, Ending::Stopped),
                10 => world.ends(child, Ending::Refused),
                11 => world.feed(Event::Hung { child, incarnation: world.last[child] }),
                12..=14 => {
                    world.now += Duration::from_millis(wait);
                    world.feed(Event::Clock);
                }
                _ if wait < 150 => world.feed(Event::Shutdown),
                _ => {}
            }
        }
        // from here on nothing fails any more: either everything comes up or the node ends
        for _ in 0..200 {
            for child in 0..6 {
                match world.machine.phase(child) {
                    Phase::Starting { .. } => world.becomes_ready(child),
                    Phase::Stopping { .. } | Phase::Aborting { .. } => world.ends(child, Ending::Stopped),
                    _ => {}
                }
            }
            let waits = |child| matches!(world.machine.phase(child), Phase::Waiting | Phase::Backoff { .. });
            let settled = |child| waits(child) || matches!(world.machine.phase(child), Phase::Up | Phase::Down);
            if let (true, Some(wake)) = ((0..6).all(settled), world.machine.next_wake()) {
                world.now = world.now.max(wake);
                world.feed(Event::Clock);
            }
        }
        let all_up = (0..6).all(|child| world.machine.phase(child) == Phase::Up);
        prop_assert!(all_up != world.finished.is_some(), "up {all_up}, finished {:?}", world.finished);
        prop_assert_eq!(world.finished.is_some(), world.machine.closing().is_some());
    }
}
