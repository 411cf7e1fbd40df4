//! `ingest-1g`: a large file becomes a signed version, beside a plain copy and programs that keep versions.

use super::ingest_peers::{Annex, Borg, Dvc, Restic};
use super::{Place, hash, noise, rate};
use crate::context::Ctx;
use crate::measure::{Side, in_turn, one, seconds};
use crate::peers::run as run_peer;
use crate::report::{Better, NO_GOAL, Row};
use anyhow::ensure;
use std::path::Path;
use std::process::Command;

/// Ours, then each peer, in each round.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let place = Place::new()?;
    let source = place.path("source.bin");
    let peers = place.path("peers");
    std::fs::create_dir(&peers)?;
    let (annex, dvc) = (Annex::new(&peers)?, Dvc::new(ctx, &peers)?);
    let (restic, borg) = (Restic::new(&peers)?, Borg::new(&peers)?);
    let mib = ctx.mib;

    let sides: Vec<Side<'_>> = vec![
        one(|round| {
            noise(&source, 1 + round as u64, mib)?;
            let (name, bytes) = (format!("r{round}"), (mib as u64) << 20);
            let (version, took) = seconds(|| place.upload(&source, &name))?;
            ensure!(version["newBytes"].as_u64() == Some(bytes), "not all of it was new: {version}");
            place.verify(&name)?;
            Ok(rate(mib, took))
        }),
        one(|_| {
            let target = place.path("copy.bin");
            let took = copy(&source, &target)?;
            std::fs::remove_file(target)?;
            Ok(rate(mib, took))
        }),
        one(|round| Ok(rate(mib, annex.add_file(&source, &format!("x{round}"))?))),
        one(|round| Ok(rate(mib, dvc.add_file(&source, &format!("x{round}"))?))),
        one(|_| Ok(rate(mib, restic.back_up(&source)?))),
        one(|_| Ok(rate(mib, borg.create(&source)?))),
    ];
    let table = in_turn(ctx, sides)?;
    let row = |peer: usize, name: &str, goal: Option<f64>, remark: &str| {
        Row::new("ingest-1g", name, "MB/s", Better::Higher, goal, table.beside(peer, 0)).remark(remark)
    };
    Ok(vec![
        row(1, "dd", Some(0.9), "dd conv=fsync neither chunks, hashes nor signs"),
        row(2, "git-annex", Some(2.2), "git-annex neither chunks nor signs"),
        row(3, "dvc", NO_GOAL, "dvc does not sync"),
        row(4, "restic", NO_GOAL, "restic also encrypts"),
        row(5, "borg", NO_GOAL, "without encryption and compression"),
    ])
}

/// Seconds of a copy that is on the disk and is the same.
pub(crate) fn copy(source: &Path, target: &Path) -> anyhow::Result<f64> {
    let mut command = Command::new("dd");
    command.arg(format!("if={}", source.display())).arg(format!("of={}", target.display()));
    let ((), took) = seconds(|| run_peer(command.args(["bs=1M", "conv=fsync"])))?;
    ensure!(hash(source)? == hash(target)?, "dd made another file");
    Ok(took)
}
