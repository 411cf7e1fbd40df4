//! A process that is stopped for a while and goes on: bibd, the postmaster, a peer that is giving data.
//!
//! It is flagged, nothing panics or is lost, there is never a second postmaster, and all works again afterwards.

use super::kill::{check, everything, sabotage};
use crate::census::{cluster, postmasters, signal, the_postmaster};
use crate::clients::{Crowd, TOPIC};
use crate::nodes::{Inquiry, PATIENCE, full, subscribe};
use crate::report::Row;
use crate::setting::Setting;
use crate::watch::{StopWatch, pause};
use anyhow::Context;
use bib_node_tests::{Lab, Node, NodeSpec, chunk_files, has, pair, until};
use nix::sys::signal::Signal;
use std::time::Duration;

const UPLOADERS: usize = 4;

pub(super) fn run(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let node = full(&lab, NodeSpec::full("stopped"))?;
    let mut dice = setting.dice();
    let mut crowd = Crowd::start(node.data_dir(), UPLOADERS, &dice.branch(1))?;
    let inquiry = Inquiry::begin(&crowd.runtime, &node.data_dir())?;
    for run in 0..setting.runs(1, 5) {
        until("something is acknowledged", PATIENCE, || crowd.ledger.count() > UPLOADERS)?;
        node_stops(&node, &inquiry, row, run, &mut |row| goes_on(&crowd, row, run, "bibd"))?;
        postmaster_stops(&node, &inquiry, row, run, setting)?;
        goes_on(&crowd, row, run, "PostgreSQL");
        setting.tell(&format!("run {run}: {} acknowledged", crowd.ledger.count()));
    }
    crowd.hold(true);
    if setting.pick(false, true) {
        peer_stops(&lab, &node, &mut dice, row)?;
    }
    let all = crowd.ledger.since(0);
    check(&node, &crowd, &all, row, "at the end")?;
    crowd.stop();
    row.violations.extend(crowd.ledger.complaints());
    everything(&node, &crowd, &mut dice, row)?;
    sabotage(&node, &crowd, row)
}

fn goes_on(crowd: &Crowd, row: &mut Row, run: u32, who: &str) {
    let (watch, now) = (StopWatch::start(), crowd.ledger.count());
    let again = until("uploads are acknowledged again", PATIENCE, || crowd.ledger.count() > now + UPLOADERS);
    row.expect(again.is_ok(), || format!("run {run}: nothing is acknowledged after {who} was stopped and went on"));
    row.figure(&format!("ms to go on after {who} {run}"), watch.millis());
}

fn warned(inquiry: &Inquiry<'_>, words: &str) -> bool {
    inquiry.health().is_ok_and(|health| health.warnings.iter().any(|warning| warning.contains(words)))
}

fn node_stops(
    node: &Node,
    inquiry: &Inquiry<'_>,
    row: &mut Row,
    run: u32,
    goes_on: &mut dyn FnMut(&mut Row),
) -> anyhow::Result<()> {
    row.runs += 1;
    let pid = node.pid().context("the node runs")?;
    let postmaster = the_postmaster(node)?;
    signal(pid, Signal::SIGSTOP);
    pause(Duration::from_secs(9));
    signal(pid, Signal::SIGCONT);
    let told = until("the stop is flagged", PATIENCE, || warned(inquiry, "stood still"));
    row.expect(told.is_ok(), || format!("run {run}: that bibd stood still is not flagged"));
    goes_on(row);
    let recorded = node.json(&["admin", "audit", "list", "--action", "node.stood-still"])?;
    row.expect(recorded.as_array().is_some_and(|all| !all.is_empty()), || format!("run {run}: it is not recorded"));
    let now = postmasters(&cluster(node));
    row.expect(now == [postmaster], || format!("run {run}: the postmasters {now:?} after bibd was stopped"));
    Ok(())
}

fn postmaster_stops(
    node: &Node,
    inquiry: &Inquiry<'_>,
    row: &mut Row,
    run: u32,
    setting: &Setting,
) -> anyhow::Result<()> {
    row.runs += 1;
    let postmaster = the_postmaster(node)?;
    signal(postmaster, Signal::SIGSTOP);
    let told = until("the stop is flagged", PATIENCE, || warned(inquiry, "stopped by a signal"));
    pause(setting.pick(Duration::from_secs(2), Duration::from_secs(20)));
    let most = postmasters(&cluster(node));
    signal(postmaster, Signal::SIGCONT);
    row.expect(told.is_ok(), || format!("run {run}: a stopped PostgreSQL is not flagged"));
    row.expect(most == [postmaster], || format!("run {run}: the postmasters {most:?} while one was stopped"));
    let gone = until("the flag goes", PATIENCE, || !warned(inquiry, "stopped by a signal"));
    row.expect(gone.is_ok(), || format!("run {run}: the flag of PostgreSQL stays"));
    Ok(())
}

/// The peer that gives is stopped in the middle; the taker says so, and has all of it once the peer goes on.
fn peer_stops(lab: &Lab, giver: &Node, dice: &mut crate::dice::Dice, row: &mut Row) -> anyhow::Result<()> {
    row.runs += 1;
    let mut taker = lab.node(NodeSpec::cache("taker"))?;
    taker.start()?;
    pair(giver, &taker)?;
    let path = lab.path().join("big.bin");
    std::fs::write(&path, dice.bytes(256 << 20))?;
    let words = ["dataset", "upload", path.to_str().context("a UTF-8 folder")?, "--topic", TOPIC, "--name", "big"];
    giver.bib(&words)?.ok()?;
    subscribe(&taker, TOPIC)?;
    until("the first chunks arrive", PATIENCE, || chunk_files(&taker).len() > 4)?;
    let pid = giver.pid().context("the giver runs")?;
    signal(pid, Signal::SIGSTOP);
    row.void += u32::from(has(&taker, "chaos/big"));
    let told = until("the silence is noticed", PATIENCE, || {
        let nodes = taker.json(&["node", "list"]).unwrap_or_default();
        let status = taker.json(&["status"]).unwrap_or_default();
        let gone = nodes.as_array().is_some_and(|all| all.iter().all(|node| node["connected"] == false));
        let said = status["transfers"].as_array().is_some_and(|all| all.iter().any(|one| one["error"] != ""));
        gone || said
    });
    signal(pid, Signal::SIGCONT);
    row.expect(told.is_ok(), || "a peer that was stopped is not noticed".to_owned());
    let whole = until("the version is whole", PATIENCE * 3, || has(&taker, "chaos/big"));
    row.expect(whole.is_ok(), || "the version does not come after the peer went on".to_owned());
    let report = taker.json(&["dataset", "verify", "chaos/big"])?;
    row.expect(report["ok"] == true, || format!("after the peer went on: {report}"));
    Ok(())
}
