//! Ingest against the number of files.

use super::{Curve, median_of, sizes};
use crate::context::Ctx;
use crate::measure::seconds;
use crate::rows::{Place, float, small_files};

/// Whole programs: microseconds a file.
pub(super) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Curve>> {
    let place = Place::new()?;
    let mut points = Vec::new();
    for count in sizes(ctx, &[1, 10, 100, 1_000, 10_000, 100_000], &[1, 100]) {
        let each = median_of(ctx, |run| {
            let name = format!("f{count}-{run}");
            let folder = place.path(&name);
            small_files(&folder, (count * 10 + run) as u64, count, 4096)?;
            let (_, took) = seconds(|| place.upload(&folder, &name))?;
            std::fs::remove_dir_all(&folder)?;
            Ok(took * 1e6 / float(count))
        })?;
        points.push((count, each));
    }
    let wanted = "falling to a level and flat there";
    Ok(vec![Curve { along: "files of 4 KiB", figure: "ingest, us a file", wanted, points }])
}
