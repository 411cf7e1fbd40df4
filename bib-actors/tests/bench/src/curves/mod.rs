//! `make bench CURVES=1`: how costs grow with sizes. Each point is the median of some runs; the slope counts, not the
//! height.

mod audit;
mod bytes;
mod files;
mod rows;
mod versions;

use crate::context::Ctx;
use crate::report::write_json;
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// Runs of each point.
const RUNS: usize = 3;

/// One curve: a figure at each of some sizes.
pub(crate) struct Curve {
    /// What grows, and in what.
    pub(crate) along: &'static str,
    /// What is measured, and in what.
    pub(crate) figure: &'static str,
    /// What must hold.
    pub(crate) wanted: &'static str,
    /// Size and figure.
    pub(crate) points: Vec<(usize, f64)>,
}

type Run = fn(&Ctx) -> anyhow::Result<Vec<Curve>>;

const ALL: [(&str, Run); 5] = [
    ("bytes", bytes::run),
    ("files", files::run),
    ("rows", rows::run),
    ("versions", versions::run),
    ("audit", audit::run),
];

/// Measures the curves that were asked for, prints them and writes them to `report`.
pub(crate) fn run(ctx: &Ctx, asked: &[String], report: &Path) -> anyhow::Result<()> {
    let known: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = asked.iter().find(|name| !known.contains(&name.as_str())) {
        anyhow::bail!("there is no curve {unknown}; there are {}", known.join(", "));
    }
    let mut all = Vec::new();
    for (name, run) in ALL {
        if !asked.is_empty() && !asked.iter().any(|wanted| wanted == name) {
            continue;
        }
        for curve in run(ctx)? {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{name}: {} along {}; {}", curve.figure, curve.along, curve.wanted)?;
            curve.points.iter().try_for_each(|(size, figure)| writeln!(out, "{size:>14} {figure:>14.3}"))?;
            let points: Vec<_> = curve.points.iter().map(|(size, figure)| json!([size, figure])).collect();
            all.push(json!({
                "name": name, "along": curve.along, "figure": curve.figure, "wanted": curve.wanted, "points": points,
                "measurement": !ctx.quick,
            }));
        }
        write_json(report, &json!(all))?;
    }
    writeln!(std::io::stdout(), "curves: {}", report.display())?;
    Ok(())
}

/// The sizes of a curve; few and small ones for a quick look.
pub(crate) fn sizes(ctx: &Ctx, full: &[usize], quick: &[usize]) -> Vec<usize> {
    if ctx.quick { quick.to_vec() } else { full.to_vec() }
}

/// The median of some runs, each told its number.
pub(crate) fn median_of(ctx: &Ctx, mut run: impl FnMut(usize) -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    let runs = if ctx.quick { 1 } else { RUNS };
    let values = (0..runs).map(&mut run).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(crate::measure::median(values))
}
