//! `status`: the whole program `bib status`, at many versions and at few.

use super::catalog::Catalog;
use crate::context::Ctx;
use crate::measure::{Round, in_turn, median, one, seconds};
use crate::report::{Better, Row};
use bib_node_tests::Node;

/// Runs of the program in one round.
const RUNS: usize = 10;
/// What it may take, in milliseconds.
const BOUND: f64 = 100.0;

/// The bound, and the growth.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let mut catalog = Catalog::new()?;
    let (few, many) = (ctx.size(1_000, 120), ctx.size(100_000, 400));
    catalog.fill(few)?;
    let at_few = in_turn(ctx, vec![one(|_| status_ms(&catalog.node))])?.bound(0, BOUND);
    catalog.fill(many)?;
    let at_many = in_turn(ctx, vec![one(|_| status_ms(&catalog.node))])?.bound(0, BOUND);
    let mut growth = at_many.clone();
    for (round, few) in growth.rounds.iter_mut().zip(&at_few.rounds) {
        *round = Round { ours: round.ours, peer: few.ours };
    }
    Ok(vec![
        Row::new("status", "bound", "ms", Better::Lower, 1.0, at_many).remark(format!("at {many} versions")),
        Row::new("status.growth", &format!("at {few}"), "ms", Better::Lower, 0.9, growth)
            .remark("the two sizes one after the other: the node is restarted between them"),
    ])
}

/// The median of some runs.
pub(crate) fn status_ms(node: &Node) -> anyhow::Result<f64> {
    let runs: Vec<f64> =
        (0..RUNS).map(|_| Ok(seconds(|| node.bib(&["status"])?.ok())?.1 * 1e3)).collect::<anyhow::Result<_>>()?;
    Ok(median(runs))
}
