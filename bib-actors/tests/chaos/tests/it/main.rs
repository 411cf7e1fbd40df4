//! Every scenario with reduced numbers. One that fails prints the seed with which it can be repeated.
//!
//! Those that load the machine, or measure what a loaded node takes, run one at a time. Those that mostly wait - for a
//! flag, a deadline, a peer that comes back - run beside them: a test whose turn has not come does the work of one that
//! can run meanwhile, and that one finds it done.

use bib_chaos::scenarios::{self, Scenario};
use bib_chaos::{Extent, Setting};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How much of the machine a scenario wants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// No other of its kind at the same time.
    Machine,
    /// Little.
    Time,
}

const ALL: [(&str, Wants); 13] = [
    ("flood-api", Wants::Machine),
    ("flood-pages", Wants::Machine),
    ("flood-peers", Wants::Machine),
    ("kill", Wants::Machine),
    ("panics", Wants::Machine),
    ("postgres", Wants::Machine),
    ("receiver", Wants::Machine),
    ("sender", Wants::Machine),
    ("damage", Wants::Time),
    ("clock", Wants::Time),
    ("slow-disk", Wants::Time),
    ("stopped", Wants::Time),
    ("liar", Wants::Time),
];

/// Their reduced forms are tests of `bib-node-tests`, which has these faults: here they would be run once more.
const ELSEWHERE: [&str; 5] = ["full-disk", "lost-sync", "lost-sync-start", "many-files", "memory"];

/// What became of a scenario; else what its test is to say.
type Outcome = Result<(), String>;

struct Plan {
    /// Scenarios that run or have run; with what came of them once that is known.
    begun: BTreeMap<&'static str, Option<Outcome>>,
    /// Whether one of those runs that want the machine.
    loaded: bool,
}

static PLAN: Mutex<Plan> = Mutex::new(Plan { begun: BTreeMap::new(), loaded: false });
static CHANGED: Condvar = Condvar::new();

impl Plan {
    /// One that can begin now: `own`, or else, where all tests run, any other.
    fn next(&self, own: &str) -> Option<(&'static str, Wants)> {
        let may = |(name, wants): &&(&'static str, Wants)| {
            let waits = self.loaded && *wants == Wants::Machine;
            !(waits || self.begun.contains_key(name))
        };
        // what was left out on the command line is not begun
        let all = std::env::args().len() == 1;
        ALL.iter().filter(may).find(|(name, _)| *name == own).or_else(|| ALL.iter().filter(may).find(|_| all)).copied()
    }
}

fn plan() -> MutexGuard<'static, Plan> {
    PLAN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(name: &str) -> Outcome {
    let setting = Setting::new(Extent::Reduced);
    let scenario = Scenario::named(name).ok_or("there is no such scenario")?;
    let row = catch_unwind(AssertUnwindSafe(|| scenario.run(&setting))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
    })?;
    let _ = writeln!(std::io::stdout(), "{row}");
    let seed = setting.seed;
    if row.is_ok() {
        return Ok(());
    }
    Err(format!("repeat it with: BIB_CHAOS_SEED={seed} bib-chaos --reduced --scenarios {name}\n{row}"))
}

/// Sees to it that a scenario runs, and fails as it did.
fn holds(own: &'static str) {
    let mut plan = plan();
    loop {
        if let Some(Some(outcome)) = plan.begun.get_mut(own).map(Option::take) {
            drop(plan);
            return match outcome {
                Ok(()) => {}
                Err(text) => panic!("{own}: {text}"),
            };
        }
        let Some((name, wants)) = plan.next(own) else {
            plan = CHANGED.wait(plan).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        plan.begun.insert(name, None);
        plan.loaded |= wants == Wants::Machine;
        drop(plan);
        let outcome = run(name);
        plan = self::plan();
        plan.begun.insert(name, Some(outcome));
        plan.loaded &= wants != Wants::Machine;
        CHANGED.notify_all();
    }
}

#[test]
fn a_clock_that_jumps_harms_nobody() {
    holds("clock");
}

#[test]
fn a_flood_of_calls_is_survived() {
    holds("flood-api");
}

#[test]
fn a_flood_of_page_requests_is_survived() {
    holds("flood-pages");
}

#[test]
fn a_flood_of_peers_is_survived() {
    holds("flood-peers");
}

#[test]
fn a_liar_is_blamed_and_left() {
    holds("liar");
}

#[test]
fn a_slow_disk_is_flagged() {
    holds("slow-disk");
}

#[test]
fn bibd_is_killed_during_uploads() {
    holds("kill");
}

#[test]
fn every_scenario_is_run_in_its_reduced_form() {
    let known: BTreeSet<&str> = scenarios::ALL.iter().map(|scenario| scenario.name).collect();
    let here = ALL.iter().map(|(name, _)| *name);
    assert_eq!(here.chain(ELSEWHERE).collect::<BTreeSet<_>>(), known);
    assert_eq!(ALL.len() + ELSEWHERE.len(), scenarios::ALL.len());
}

#[test]
fn every_actor_panics_during_uploads() {
    holds("panics");
}

#[test]
fn hurt_chunks_are_found_and_mended() {
    holds("damage");
}

#[test]
fn postgres_is_killed_during_uploads() {
    holds("postgres");
}

#[test]
fn stopped_processes_go_on() {
    holds("stopped");
}

#[test]
fn the_receiver_of_a_transfer_is_killed() {
    holds("receiver");
}

#[test]
fn the_sender_of_a_transfer_is_killed() {
    holds("sender");
}
