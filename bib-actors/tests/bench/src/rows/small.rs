//! `ingest-small`: a folder of many small files, beside programs that keep versions; and what a file costs in a larger
//! folder.

use super::ingest_peers::{Annex, Dvc};
use super::{Place, float, small_files};
use crate::context::Ctx;
use crate::measure::{Side, in_turn, one, seconds};
use crate::report::{Better, Row};
use anyhow::ensure;
use std::path::Path;

/// Bytes of each file.
const BYTES: usize = 4096;

/// Both peers, and the growth.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let place = Place::new()?;
    let peers = place.path("peers");
    std::fs::create_dir(&peers)?;
    let (annex, dvc) = (Annex::new(&peers)?, Dvc::new(ctx, &peers)?);
    let count = ctx.size(20_000, 200);
    let sides: Vec<Side<'_>> = vec![
        one(|round| upload(&place, &format!("small-{round}"), 100 + round as u64, count)),
        one(|round| {
            let name = format!("d{round}");
            small_files(&dvc.folder(&name), 200 + round as u64, count, BYTES)?;
            dvc.add(&name)
        }),
        one(|round| {
            let name = format!("d{round}");
            small_files(&annex.folder(&name), 300 + round as u64, count, BYTES)?;
            let took = annex.add(&name)?;
            annex.forget(&name)?;
            Ok(took)
        }),
    ];
    let table = in_turn(ctx, sides)?;
    let row = |peer: usize, name: &str, goal: f64, remark: &str| {
        Row::new("ingest-small", name, "s", Better::Lower, goal, table.beside(peer, 0)).remark(remark)
    };
    let mut rows = vec![
        row(1, "dvc", 10.0, "dvc does not sync"),
        row(2, "git-annex", 30.0, "git-annex packs nothing and signs nothing"),
    ];

    let (few, many) = (ctx.size(1_000, 100), ctx.size(100_000, 400));
    let side: Side<'_> = Box::new(|round| {
        let few_took = upload(&place, &format!("few-{round}"), 400 + round as u64, few)?;
        let many_took = upload(&place, &format!("many-{round}"), 500 + round as u64, many)?;
        Ok(vec![many_took * 1e6 / float(many), few_took * 1e6 / float(few)])
    });
    let growth = in_turn(ctx, vec![side])?.own(0, 1);
    let peer = format!("at {few}");
    let growth = Row::new("ingest-small.growth", &peer, "us", Better::Lower, 1.0 / 1.5, growth);
    rows.push(growth.remark(format!("cost of a file among {many}, beside that among {few}, whole program")));
    Ok(rows)
}

/// Seconds of putting in a new folder of small files.
fn upload(place: &Place, name: &str, seed: u64, count: usize) -> anyhow::Result<f64> {
    let folder = place.path(name);
    small_files(&folder, seed, count, BYTES)?;
    let took = put(place, &folder, name, count)?;
    std::fs::remove_dir_all(&folder)?;
    Ok(took)
}

fn put(place: &Place, folder: &Path, name: &str, count: usize) -> anyhow::Result<f64> {
    let (version, took) = seconds(|| place.upload(folder, name))?;
    ensure!(version["files"].as_u64() == Some(count as u64), "not all files are there: {version}");
    ensure!(version["newBytes"].as_u64() == Some((count * BYTES) as u64), "not all of it was new: {version}");
    place.verify(name)?;
    Ok(took)
}
