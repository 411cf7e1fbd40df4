//! Queries against the number of rows.

use super::{Curve, median_of, sizes};
use crate::context::Ctx;
use crate::measure::seconds;
use crate::peers::duckdb::DuckDb;
use crate::rows::query::sums;
use crate::rows::{Place, float};
use anyhow::ensure;

/// A broad filter and a selective one, nanoseconds a row of the table.
pub(super) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Curve>> {
    let place = Place::new()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = place.local(&runtime)?;
    let (mut broad, mut selective) = (Vec::new(), Vec::new());
    for rows in sizes(ctx, &[100_000, 1_000_000, 10_000_000, 50_000_000], &[10_000, 100_000]) {
        let folder = place.path(&format!("t{rows}"));
        std::fs::create_dir(&folder)?;
        drop(DuckDb::start(ctx, &folder, rows, false)?);
        let name = format!("t{rows}");
        place.upload(&folder.join("table.parquet"), &name)?;
        std::fs::remove_dir_all(&folder)?;
        let all =
            format!(r#"dataset("bench/{name}").filter(r, r.a > 500 && r.b == 3).aggregate(r, {{}}, {{"n": count()}})"#);
        let few = format!(r#"dataset("bench/{name}").filter(r, r.id >= {0} && r.id < {0} + 100)"#, rows / 2);
        let took = median_of(ctx, |_| Ok(seconds(|| runtime.block_on(sums(&client, &all)))?.1))?;
        broad.push((rows, took * 1e9 / float(rows)));
        let took = median_of(ctx, |_| {
            let ((found, _), took) = seconds(|| runtime.block_on(sums(&client, &few)))?;
            ensure!(found == 100, "{found} rows instead of 100");
            Ok(took)
        })?;
        selective.push((rows, took * 1e3));
    }
    let along = "rows of the table";
    Ok(vec![
        Curve { along, figure: "broad filter, ns a row", wanted: "falling to a level", points: broad },
        Curve { along, figure: "100 rows by their id, ms", wanted: "flat: row groups are skipped", points: selective },
    ])
}
