//! An injected panic in every place of every actor of a node that is a process of its own, while sixteen clients
//! upload.
//!
//! `bibd` has no door for this: the node is `bib-chaos-node`, the same node with injected faults enabled. Only the
//! actor and its dependents start again, except where the audit chain fails twice or the root once: then the process
//! ends with code 70, as a service manager expects it. Uploads and pages go on each time.

use super::floods::livez;
use super::kill::{check, everything, sabotage};
use crate::clients::{Crowd, UPLOADERS};
use crate::dice::Dice;
use crate::nodes::{Inquiry, PATIENCE, full};
use crate::report::Row;
use crate::setting::Setting;
use crate::watch::{StopWatch, pause};
use anyhow::{Context, ensure};
use bib_node_tests::{ACTORS, Lab, Node, NodeSpec, ROOT, dependents, until, until_some};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

const PLACES: [&str; 5] = ["handler", "spawned", "task", "started", "factory"];
/// The root is started once, so its start has no place among them.
const PLACES_OF_ROOT: [&str; 3] = ["handler", "spawned", "task"];
/// How a node ends that a service manager should start anew.
const START_ANEW: i32 = 70;

pub(super) fn run(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let door = lab.path().join("faults.sock");
    let env = vec![("BIB_CHAOS_FAULTS".to_owned(), door.display().to_string())];
    let mut node = full(&lab, NodeSpec { daemon: "bib-chaos-node", env, ..NodeSpec::full("struck") })?;
    let mut dice = setting.dice();
    let mut crowd = Crowd::start(node.data_dir(), UPLOADERS, &dice.branch(1))?;
    let health = Inquiry::begin(&crowd.runtime, &node.data_dir())?.health()?;
    let names: Vec<_> = health.actors.iter().map(|actor| actor.name.as_str()).collect();
    ensure!(names == ACTORS, "the node has the actors {names:?}, and those that are made to fail are {ACTORS:?}");
    let all = order(&mut dice);
    let (mut checked, mut recoveries, mut ends) = (0, Vec::new(), 0);
    for (run, (actor, place)) in all.iter().cycle().take(setting.runs(7, 100) as usize).enumerate() {
        row.runs += 1;
        let before = crowd.ledger.count();
        if until("something is acknowledged", PATIENCE, || crowd.ledger.count() > before).is_err() {
            row.void += 1;
        }
        pause(dice.millis(300));
        let old = incarnations(&crowd, &node)?;
        let watch = StopWatch::start();
        inject(&mut node, &door, actor, place)?;
        let mut failures = 1;
        if matches!(*place, "started" | "factory") {
            // what is planned for the next start needs one
            inject(&mut node, &door, actor, "handler")?;
            failures = 2;
        }
        let mut ended = false;
        until(&format!("the node gets over a panic in {place} of {actor}"), PATIENCE, || {
            ended = node.has_ended();
            let is_over = |now: u64| old.get(*actor).is_some_and(|old| now >= old + failures);
            ended || incarnation(&crowd, &node, actor).is_ok_and(is_over)
        })?;
        let acknowledged = crowd.ledger.count();
        let mut again = Ok(());
        if !ended {
            again = until("uploads are acknowledged again", PATIENCE, || {
                ended = node.has_ended();
                ended || crowd.ledger.count() >= acknowledged + UPLOADERS
            });
        }
        if ended {
            ends += 1;
            let code = node.wait_end()?;
            row.expect(code == START_ANEW, || format!("run {run}: {place} of {actor}: the node ended with {code}"));
            let said = node.log().contains("the root actor failed");
            row.expect(said || *actor != ROOT, || format!("run {run}: the log does not say that the root failed"));
            node.start()?;
        } else {
            recoveries.push(watch.millis());
            row.expect(again.is_ok(), || format!("run {run}: {place} of {actor}: nothing is acknowledged any more"));
            let wrong = spread(actor, &old, &incarnations(&crowd, &node)?);
            row.violations.extend(wrong.into_iter().map(|wrong| format!("run {run}: {place} of {actor}: {wrong}")));
        }
        let served = until("the pages are served", PATIENCE, || livez(node.web()).is_ok());
        row.expect(served.is_ok(), || format!("run {run}: {place} of {actor}: the pages are not served any more"));
        let fresh = crowd.ledger.since(checked);
        checked += fresh.len();
        check(&node, &crowd, &fresh, row, &format!("run {run}, {place} of {actor}"))?;
        if *actor == "audit" && !ended {
            // its second failure within the window would end the node, whoever is to fail next
            node.stop()?;
            node.start()?;
        }
        setting.tell(&format!("run {run}: {place} of {actor}, {checked} acknowledged"));
    }
    crowd.stop();
    row.violations.extend(crowd.ledger.complaints());
    row.sample("16 uploads acknowledged after ms", recoveries);
    row.figure("ends with code 70", f64::from(ends));
    everything(&node, &crowd, &mut dice, row)?;
    sabotage(&node, &crowd, row)
}

/// All places of all actors. Every actor is hit once before one is hit again, so that a few runs reach each.
fn order(dice: &mut Dice) -> Vec<(&'static str, &'static str)> {
    let mut places = ACTORS.map(|actor| (actor, PLACES.to_vec())).to_vec();
    places.push((ROOT, PLACES_OF_ROOT.to_vec()));
    places.iter_mut().for_each(|(_, places)| dice.shuffle(places));
    let round = |n: usize| {
        dice.shuffle(&mut places);
        places.iter().filter_map(|(actor, places)| Some((*actor, *places.get(n)?))).collect::<Vec<_>>()
    };
    (0..PLACES.len()).flat_map(round).collect()
}

type Incarnations = BTreeMap<&'static str, u64>;

/// The incarnations of all actors, as soon as all of them run.
fn incarnations(crowd: &Crowd, node: &Node) -> anyhow::Result<Incarnations> {
    until_some("all actors run", PATIENCE, || {
        let each = |actor: &'static str| incarnation(crowd, node, actor).ok().map(|now| (actor, now));
        ACTORS.into_iter().map(each).collect::<Option<Incarnations>>()
    })
}

/// What must not be when one actor has failed: another one failed that does not build on it, or one did not that does.
fn spread(failed: &str, before: &Incarnations, now: &Incarnations) -> Vec<String> {
    let wrong = |actor: &&'static str| {
        let must = *actor == failed || dependents(failed).contains(actor);
        must != (now.get(actor) > before.get(actor))
    };
    let tell =
        |actor: &'static str| format!("{actor} was incarnation {:?} and is {:?}", before.get(actor), now.get(actor));
    ACTORS.into_iter().filter(wrong).map(tell).collect()
}

fn incarnation(crowd: &Crowd, node: &Node, actor: &str) -> anyhow::Result<u64> {
    let health = Inquiry::begin(&crowd.runtime, &node.data_dir())?.health()?;
    let found = health.actors.iter().find(|health| health.name == actor).context("no such actor")?;
    ensure!(found.state == "running", "{actor} is {}", found.state);
    Ok(found.incarnation)
}

/// Tells the node which actor is to fail, and where. One that ends with it may do so before it answers.
fn inject(node: &mut Node, door: &Path, actor: &str, place: &str) -> anyhow::Result<()> {
    let mut answer = String::new();
    // an actor that restarts just now cannot be hit
    until("the fault is taken", PATIENCE, || {
        let ask = || -> std::io::Result<String> {
            let mut stream = UnixStream::connect(door)?;
            writeln!(stream, "{actor} {place}")?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line)?;
            Ok(line)
        };
        answer = ask().unwrap_or_else(|error| error.to_string());
        answer.trim() == "ok" || node.has_ended()
    })
    .with_context(|| answer.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_actor_is_hit_early_and_each_place_once() {
        for seed in 0..20 {
            let all = order(&mut Dice::new(seed));
            let first: BTreeSet<_> = all.iter().take(ACTORS.len() + 1).map(|(actor, _)| *actor).collect();
            assert_eq!(first, ACTORS.into_iter().chain([ROOT]).collect::<BTreeSet<_>>());
            let places = ACTORS.len() * PLACES.len() + PLACES_OF_ROOT.len();
            assert_eq!((all.iter().collect::<BTreeSet<_>>().len(), all.len()), (places, places));
        }
    }

    #[test]
    fn only_what_builds_on_the_failed_one_starts_again() {
        let before: Incarnations = ACTORS.map(|actor| (actor, 3)).into();
        let after = |again: &[&'static str]| {
            let mut now = before.clone();
            again.iter().for_each(|actor| *now.entry(*actor).or_default() += 1);
            now
        };
        assert!(spread("swarm", &before, &after(&["swarm"])).is_empty());
        assert!(spread("guardian", &before, &after(&["guardian", "replicator", "gateway"])).is_empty());
        assert_eq!(
            spread("swarm", &before, &after(&["swarm", "pages"])).len(),
            1,
            "one that has nothing to do with it"
        );
        assert_eq!(spread("guardian", &before, &after(&["guardian", "gateway"])).len(), 1, "one that went on");
    }
}
