//! `replicate-small`: a folder of many small files from one node to another, beside an rsync daemon with sync.

use super::{Pair, count_files, small_files};
use crate::context::Ctx;
use crate::measure::{beside, seconds};
use crate::peers::rsync::Rsync;
use crate::report::{Better, Row};
use anyhow::ensure;

/// Bytes of each file.
const BYTES: usize = 4096;

/// One peer.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let pair = Pair::new()?;
    let served = pair.path("served");
    std::fs::create_dir(&served)?;
    let rsync = Rsync::serve(&pair.path(""), &served)?;
    let count = ctx.size(20_000, 200);
    small_files(&served.join("fixed"), 8000, count, BYTES)?;
    let (source, got) = (pair.path("source"), pair.path("got"));
    let measured = beside(
        ctx,
        |round| {
            small_files(&source, 8001 + round as u64, count, BYTES)?;
            let topic = format!("s{round}");
            pair.publish(&source, &topic)?;
            std::fs::remove_dir_all(&source)?;
            let ((), took) = seconds(|| pair.fetch(&topic))?;
            pair.prove(&topic)?;
            Ok(took)
        },
        |_| {
            std::fs::create_dir(&got)?;
            let ((), took) = seconds(|| rsync.fetch("fixed", &got))?;
            ensure!(count_files(&got)? == (count, (count * BYTES) as u64), "rsync did not fetch all");
            std::fs::remove_dir_all(&got)?;
            Ok(took)
        },
    )?;
    let row = Row::new("replicate-small", "rsync", "s", Better::Lower, 1.5, measured);
    Ok(vec![row.remark("rsync neither encrypts nor verifies")])
}
