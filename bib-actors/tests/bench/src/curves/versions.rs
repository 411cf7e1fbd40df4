//! The catalogue against the number of versions.

use super::{Curve, median_of, sizes};
use crate::context::Ctx;
use crate::measure::seconds;
use crate::peers::daemon::answering;
use crate::rows::Catalog;
use crate::rows::status::status_ms;
use bib_node_tests::Node;

/// From the start of the process until it is ready.
fn start_ms(node: &mut Node) -> anyhow::Result<f64> {
    node.stop()?;
    let port = node.web().port();
    let ((), took) = seconds(|| {
        node.launch()?;
        answering(port, "/readyz")
    })?;
    Ok(took * 1e3)
}

/// `bib status`, one dataset, one page of a list, a start.
pub(super) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Curve>> {
    let mut catalog = Catalog::new()?;
    let [mut status, mut get, mut list, mut start] = [const { Vec::new() }; 4];
    for count in sizes(ctx, &[100, 1_000, 10_000, 100_000], &[50, 150]) {
        catalog.fill(count)?;
        let node = &catalog.node;
        let ms = |words: &[&str]| Ok(seconds(|| node.bib(words)?.ok())?.1 * 1e3);
        status.push((count, median_of(ctx, |_| status_ms(node))?));
        get.push((count, median_of(ctx, |_| ms(&["dataset", "get", "bench/d0"]))?));
        list.push((count, median_of(ctx, |_| ms(&["dataset", "versions", "bench/d0"]))?));
        start.push((count, median_of(ctx, |_| start_ms(&mut catalog.node))?));
    }
    let along = "versions in the catalogue";
    let curve = |figure, wanted, points| Curve { along, figure, wanted, points };
    Ok(vec![
        curve("bib status, ms", "flat", status),
        curve("bib dataset get, ms", "flat", get),
        curve("bib dataset versions (at most 100 of them), ms", "flat", list),
        curve("start to ready, ms", "at most 20 % more", start),
    ])
}
