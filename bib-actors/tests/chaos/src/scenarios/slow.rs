//! A disk whose every sync takes a second longer, while clients upload: flagged in the health, nothing restarts, small
//! calls are still answered, nothing is lost; and the flag goes when the disk is quick again.

use super::kill::{check, everything, sabotage};
use crate::clients::{Crowd, connect};
use crate::nodes::{Inquiry, PATIENCE, full, restarts};
use crate::report::Row;
use crate::setting::Setting;
use crate::tracer::Tracer;
use crate::watch::{StopWatch, pause};
use anyhow::Context;
use bib_node_tests::{Lab, NodeSpec, until};
use std::time::Duration;

const UPLOADERS: usize = 4;
const DELAY: Duration = Duration::from_millis(1000);

pub(super) fn run(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let node = full(&lab, NodeSpec::full("slow"))?;
    let mut dice = setting.dice();
    let mut crowd = Crowd::start(node.data_dir(), UPLOADERS, &dice.branch(1))?;
    let inquiry = Inquiry::begin(&crowd.runtime, &node.data_dir())?;
    until("something is acknowledged", PATIENCE, || crowd.ledger.count() > UPLOADERS)?;
    let is_flagged = || inquiry.health().is_ok_and(|health| health.warnings.iter().any(|w| w.contains("disk is slow")));
    // a machine that is busy may have been slow by itself
    let quick = until("the disk is quick before", PATIENCE, || !is_flagged());
    row.self_check(quick.is_ok(), "a flag before there was a reason");
    let before = restarts(&inquiry.health()?);
    let (mut flagged, mut calls) = (Vec::new(), Vec::new());
    let runs = setting.runs(1, 3);
    for run in 0..runs {
        row.runs += 1;
        let slow = Tracer::slow_syncs(node.pid().context("the node runs")?, DELAY)?;
        let (watch, acknowledged) = (StopWatch::start(), crowd.ledger.count());
        let told = until("the slow disk is flagged", PATIENCE, is_flagged);
        flagged.push(watch.elapsed().as_secs_f64());
        row.expect(told.is_ok(), || format!("run {run}: a slow disk is not flagged"));
        let end = setting.pick(Duration::from_secs(3), Duration::from_secs(120));
        let watch = StopWatch::start();
        while watch.elapsed() < end {
            let call = StopWatch::start();
            let answered = crowd.runtime.block_on(async {
                let client = connect(&node.data_dir()).await?;
                client.health().get_health(bib_proto::v1::GetHealthRequest {}).await.ok()
            });
            calls.push(call.millis());
            row.expect(answered.is_some(), || format!("run {run}: a small call was not answered"));
            pause(Duration::from_millis(100));
        }
        let more = until("uploads are acknowledged on a slow disk", PATIENCE, || crowd.ledger.count() > acknowledged);
        row.void += u32::from(more.is_err());
        drop(slow);
        let gone = until("the flag goes", PATIENCE, || !is_flagged());
        row.expect(gone.is_ok(), || format!("run {run}: the flag stays though the disk is quick"));
        let now = crowd.ledger.count();
        let again = until("uploads are quick again", PATIENCE, || crowd.ledger.count() > now + UPLOADERS);
        row.expect(again.is_ok(), || format!("run {run}: uploads do not come back"));
        setting.tell(&format!("run {run}: flagged after {:.1} s", flagged.last().unwrap_or(&0.0)));
    }
    let after = restarts(&inquiry.health()?);
    row.expect(before == after, || format!("actors were restarted: {before:?} became {after:?}"));
    row.sample("flagged after s", flagged);
    row.sample("small calls ms", calls);
    let all = crowd.ledger.since(0);
    check(&node, &crowd, &all, row, "at the end")?;
    crowd.stop();
    row.violations.extend(crowd.ledger.complaints());
    everything(&node, &crowd, &mut dice, row)?;
    sabotage(&node, &crowd, row)
}
