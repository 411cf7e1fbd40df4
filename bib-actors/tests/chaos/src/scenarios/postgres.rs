//! `kill -9` of PostgreSQL's postmaster, its checkpointer or a backend while sixteen clients upload.
//!
//! bibd lives through it: the guardian starts the server again, or lets it recover by itself, and its pools connect
//! anew. There are never two postmasters, and nothing that was acknowledged is lost.

use super::kill::{check, everything, sabotage};
use crate::census::{children, cluster, postmasters, signal, the_postmaster};
use crate::clients::{Crowd, UPLOADERS};
use crate::dice::Dice;
use crate::nodes::{PATIENCE, full};
use crate::report::Row;
use crate::setting::Setting;
use crate::watch::{StopWatch, pause};
use anyhow::ensure;
use bib_node_tests::{Lab, Node, NodeSpec, until};
use nix::sys::signal::Signal;

/// How bibd ends when it wants to be started anew.
const START_ANEW: i32 = 70;

pub(super) fn run(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let mut node = full(&lab, NodeSpec::full("struck"))?;
    let mut dice = setting.dice();
    let mut crowd = Crowd::start(node.data_dir(), UPLOADERS, &dice.branch(1))?;
    let (mut checked, mut recoveries, mut ends) = (0, Vec::new(), 0);
    for run in 0..setting.runs(5, 100) {
        row.runs += 1;
        let before = crowd.ledger.count();
        if until("something is acknowledged", PATIENCE, || crowd.ledger.count() > before).is_err() {
            row.void += 1;
        }
        pause(dice.millis(400));
        let Some((name, pid)) = victim(&node, run, &mut dice) else {
            row.void += 1;
            continue;
        };
        let watch = StopWatch::start();
        signal(pid, Signal::SIGKILL);
        let acknowledged = crowd.ledger.count();
        let (mut most, mut failed) = (0, None);
        // two rounds of uploaders, so that every pool had to connect anew
        let again = until("uploads are acknowledged again", PATIENCE, || {
            most = most.max(postmasters(&cluster(&node)).len());
            if node.has_ended() {
                // too many failures of the guardian within its window: a service manager starts bibd anew
                ends += 1;
                failed = failed.take().or_else(|| start_anew(&mut node).err());
            }
            failed.is_some() || crowd.ledger.count() >= acknowledged + 2 * UPLOADERS
        });
        if let Some(error) = failed {
            row.violations.push(format!("run {run}, after kill -9 of {name}: {error:#}"));
            break;
        }
        recoveries.push(watch.millis());
        row.expect(again.is_ok(), || format!("run {run}: nothing is acknowledged after kill -9 of {name}"));
        row.expect(most <= 1, || format!("run {run}: {most} postmasters after kill -9 of {name}"));
        if let Err(error) = the_postmaster(&node) {
            row.violations.push(format!("run {run}: {error:#}"));
        }
        let fresh = crowd.ledger.since(checked);
        checked += fresh.len();
        check(&node, &crowd, &fresh, row, &format!("run {run}, {name}"))?;
        setting.tell(&format!("run {run}: {name}, {checked} acknowledged, {} violations", row.violations.len()));
    }
    crowd.stop();
    row.violations.extend(crowd.ledger.complaints());
    row.figure("ends with code 70", f64::from(ends));
    row.sample("32 uploads acknowledged after ms", recoveries);
    everything(&node, &crowd, &mut dice, row)?;
    sabotage(&node, &crowd, row)
}

fn start_anew(node: &mut Node) -> anyhow::Result<()> {
    let code = node.wait_end()?;
    ensure!(code == START_ANEW, "bibd ended with {code}");
    node.start()
}

/// Whom to kill: the postmaster, a helper, or a backend, in turn.
fn victim(node: &Node, run: u32, dice: &mut Dice) -> Option<(String, u32)> {
    let children = children(&cluster(node));
    let mut named = |word: &str| -> Option<(String, u32)> {
        let mut found: Vec<_> = children.iter().filter(|(_, title)| title.contains(word)).collect();
        dice.shuffle(&mut found);
        found.first().map(|(pid, title)| (title.trim().to_owned(), *pid))
    };
    match run % 4 {
        0 => the_postmaster(node).ok().map(|pid| ("the postmaster".to_owned(), pid)),
        1 => named("checkpointer"),
        2 => named("walwriter"),
        _ => named("bib"),
    }
}
