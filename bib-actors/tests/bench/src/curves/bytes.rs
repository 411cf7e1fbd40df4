//! Ingest against the size of one file, beside a plain copy of it.

use super::{Curve, RUNS, sizes};
use crate::context::Ctx;
use crate::measure::{median, seconds};
use crate::rows::{Place, copy, float, noise_bytes};

/// Whole programs: MB/s, milliseconds, and how many times faster than `dd conv=fsync` in the same run.
pub(super) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Curve>> {
    let place = Place::new()?;
    let source = place.path("source.bin");
    let full = [1 << 10, 64 << 10, 1 << 20, 64 << 20, 1 << 30, 8 << 30];
    let (mut rates, mut times, mut plain, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for bytes in sizes(ctx, &full, &[1 << 10, 1 << 20]) {
        let (mut ours, mut theirs, mut beside) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..if ctx.quick { 1 } else { RUNS } {
            noise_bytes(&source, (bytes + run) as u64, bytes)?;
            let (_, took) = seconds(|| place.upload(&source, &format!("b{bytes}-{run}")))?;
            // copies stay as long as our versions of the size: removed ones leave memory behind that the next one finds
            let dd = copy(&source, &place.path(&format!("copy-{run}")))?;
            ours.push(took);
            theirs.push(dd);
            beside.push(dd / took);
        }
        for run in 0..ours.len() {
            std::fs::remove_file(place.path(&format!("copy-{run}")))?;
        }
        let took = median(ours);
        rates.push((bytes, float(bytes) / took / 1e6));
        times.push((bytes, took * 1e3));
        plain.push((bytes, median(theirs) * 1e3));
        ratios.push((bytes, median(beside)));
    }
    let along = "bytes of a file";
    let wanted = "at least 90 % of its highest from 64 MiB on";
    Ok(vec![
        Curve { along, figure: "ingest, MB/s", wanted, points: rates },
        Curve { along, figure: "ingest, ms", wanted: "linear", points: times },
        Curve { along, figure: "dd conv=fsync, ms", wanted: "nothing: what the machine takes for it", points: plain },
        Curve { along, figure: "times as fast as dd", wanted: "at least 0.9 from 64 MiB on", points: ratios },
    ])
}
