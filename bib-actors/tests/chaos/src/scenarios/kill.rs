//! `kill -9` of bibd at random moments while sixteen clients upload, some of them while it starts.
//!
//! After each restart: the same postmaster, adopted; the audit log whole; every version that was acknowledged since the
//! last look there and whole. At the end all of them once more, and a part of them byte by byte.

use crate::census::the_postmaster;
use crate::clients::{Crowd, UPLOADERS, content_of};
use crate::dice::Dice;
use crate::ledger::Acknowledged;
use crate::nodes::{Inquiry, PATIENCE, full};
use crate::report::Row;
use crate::setting::Setting;
use crate::watch::{StopWatch, pause};
use anyhow::Context;
use bib_node_tests::{Lab, Node, NodeSpec, chunk_files, until};

/// Versions that are downloaded and compared at the end.
const COMPARED: usize = 200;

pub(super) fn run(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let mut node = full(&lab, NodeSpec::full("struck"))?;
    let postmaster = the_postmaster(&node)?;
    let mut dice = setting.dice();
    let mut crowd = Crowd::start(node.data_dir(), UPLOADERS, &dice.branch(1))?;
    let (mut checked, mut restarts) = (0, Vec::new());
    for run in 0..setting.runs(20, 300) {
        row.runs += 1;
        let before = crowd.ledger.count();
        // a node that acknowledges nothing at all has nothing to lose
        let some = until("something is acknowledged", PATIENCE, || crowd.ledger.count() > before);
        if some.is_err() {
            row.void += 1;
        }
        pause(dice.millis(700));
        node.kill9()?;
        if dice.one_in(4) {
            // in the middle of its start, and once more
            node.launch()?;
            pause(dice.millis(900));
            node.kill9()?;
        }
        let watch = StopWatch::start();
        node.start()?;
        restarts.push(watch.millis());
        match the_postmaster(&node) {
            Ok(now) => row.expect(now == postmaster, || format!("run {run}: PostgreSQL {postmaster} became {now}")),
            Err(error) => row.violations.push(format!("run {run}: {error:#}")),
        }
        let fresh = crowd.ledger.since(checked);
        checked += fresh.len();
        check(&node, &crowd, &fresh, row, &format!("run {run}"))?;
        setting.tell(&format!("run {run}: {checked} versions acknowledged, {} violations", row.violations.len()));
    }
    crowd.stop();
    row.violations.extend(crowd.ledger.complaints());
    row.sample("restart ms", restarts);
    everything(&node, &crowd, &mut dice, row)?;
    sabotage(&node, &crowd, row)
}

/// What must hold after every fault.
pub(super) fn check(
    node: &Node,
    crowd: &Crowd,
    fresh: &[Acknowledged],
    row: &mut Row,
    when: &str,
) -> anyhow::Result<()> {
    crowd.hold(true);
    let inquiry = Inquiry::begin(&crowd.runtime, &node.data_dir())?;
    row.violations.extend(inquiry.lost(fresh).into_iter().map(|lost| format!("{when}: {lost}")));
    if let Err(error) = inquiry.audit() {
        row.violations.push(format!("{when}: {error:#}"));
    }
    crowd.hold(false);
    Ok(())
}

/// The last look: all that was ever acknowledged, and the bytes of a part of it.
pub(super) fn everything(node: &Node, crowd: &Crowd, dice: &mut Dice, row: &mut Row) -> anyhow::Result<()> {
    let mut all = crowd.ledger.since(0);
    let inquiry = Inquiry::begin(&crowd.runtime, &node.data_dir())?;
    row.violations.extend(inquiry.lost(&all));
    row.figure("acknowledged", all.len() as f64);
    row.figure("tries", crowd.ledger.tries() as f64);
    row.figure("audit records", inquiry.audit()? as f64);
    row.violations.extend(inquiry.untold(&all)?);
    dice.shuffle(&mut all);
    all.truncate(COMPARED);
    row.violations.extend(inquiry.changed(&all));
    let panics = node.log().matches("panicked").count();
    row.expect(panics == 0 || row.scenario == "panics", || format!("{panics} panics in the log of bibd"));
    Ok(())
}

/// The checks see a version that was never published, bytes that are not those, and a chunk that is gone.
pub(super) fn sabotage(node: &Node, crowd: &Crowd, row: &mut Row) -> anyhow::Result<()> {
    let inquiry = Inquiry::begin(&crowd.runtime, &node.data_dir())?;
    let small = |version: &Acknowledged| version.length < 1 << 20;
    let victim = crowd.ledger.since(0).into_iter().rfind(small).context("no small version was acknowledged")?;
    let never = Acknowledged { version: format!("sha256:{}", "ab".repeat(32)), ..victim.clone() };
    row.self_check(!inquiry.lost(&[never]).is_empty(), "a version that is not there");
    let other = Acknowledged { content: victim.content ^ 1, ..victim.clone() };
    row.self_check(!inquiry.changed(&[other]).is_empty(), "a file with other bytes");
    // a small file is a chunk of its own
    let bytes = content_of(victim.content, victim.length);
    for chunk in chunk_files(node) {
        if std::fs::metadata(&chunk).is_ok_and(|file| file.len() == bytes.len() as u64)
            && std::fs::read(&chunk)? == bytes
        {
            std::fs::remove_file(&chunk)?;
        }
    }
    row.self_check(!inquiry.lost(&[victim]).is_empty(), "a chunk that was removed");
    Ok(())
}
