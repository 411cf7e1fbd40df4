//! Ingest against the size of one file.

use super::{Curve, median_of, sizes};
use crate::context::Ctx;
use crate::measure::seconds;
use crate::rows::{Place, float, noise_bytes};

/// Whole programs: MB/s, and milliseconds.
pub(super) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Curve>> {
    let place = Place::new()?;
    let source = place.path("source.bin");
    let full = [1 << 10, 64 << 10, 1 << 20, 64 << 20, 1 << 30, 8 << 30];
    let (mut rates, mut times) = (Vec::new(), Vec::new());
    for bytes in sizes(ctx, &full, &[1 << 10, 1 << 20]) {
        let took = median_of(ctx, |run| {
            noise_bytes(&source, (bytes + run) as u64, bytes)?;
            let (_, took) = seconds(|| place.upload(&source, &format!("b{bytes}-{run}")))?;
            Ok(took)
        })?;
        rates.push((bytes, float(bytes) / took / 1e6));
        times.push((bytes, took * 1e3));
    }
    let wanted = "at least 90 % of its highest from 64 MiB on";
    Ok(vec![
        Curve { along: "bytes of a file", figure: "ingest, MB/s", wanted, points: rates },
        Curve { along: "bytes of a file", figure: "ingest, ms", wanted: "linear", points: times },
    ])
}
