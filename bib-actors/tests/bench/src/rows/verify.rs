//! `verify-1g`: every chunk hashed again and checked against the manifest, beside `git annex fsck`.

use super::ingest_peers::Annex;
use super::{Place, noise, rate};
use crate::context::Ctx;
use crate::measure::{beside, seconds};
use crate::report::{Better, Row};

/// One peer.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let place = Place::new()?;
    let source = place.path("source.bin");
    noise(&source, 41, ctx.mib)?;
    place.upload(&source, "large")?;
    let peers = place.path("peers");
    std::fs::create_dir(&peers)?;
    let annex = Annex::new(&peers)?;
    annex.keep_file(&source, "large")?;
    let measured = beside(
        ctx,
        |_| Ok(rate(ctx.mib, seconds(|| place.verify("large"))?.1)),
        |_| Ok(rate(ctx.mib, annex.fsck("large")?)),
    )?;
    let row = Row::new("verify-1g", "git-annex", "MB/s", Better::Higher, 5.0, measured);
    Ok(vec![row.remark(
        "whole program; ours hashes every chunk and checks the signature; files were seen to follow from their chunks",
    )])
}
