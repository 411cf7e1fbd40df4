//! Storage that fails, runs full or is asked for much: syncs that fail one at a time, in an upload and in a first start; a
//! full disk under each part of a node; a lot of data and a lot of files in little memory.
//!
//! The faults are those of `bib_node_tests::faults`, which end at the first promise that is broken. `make test` runs their
//! reduced forms there.

use crate::report::Row;
use crate::room;
use crate::setting::Setting;
use crate::watch::StopWatch;
use bib_node_tests::faults::{self, PORTION, Place, SmallDisk, Swept};

/// The most that a node may take, in KiB.
const BOUND_KIB: u64 = 512 << 10;
/// Small files that share a chunk, at least.
const SHARING: usize = 50;
/// The most that is new after one small file was edited.
const NEW_BYTES: u64 = 4 << 20;

pub(super) fn lost_sync(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let most = setting.runs(6, u32::MAX) as usize;
    take(row, &faults::lost_sync(most, setting.seed, &|text| setting.tell(text))?);
    Ok(())
}

pub(super) fn lost_sync_at_first_start(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let most = setting.runs(4, u32::MAX) as usize;
    take(row, &faults::lost_sync_at_first_start(most, setting.seed, &|text| setting.tell(text))?);
    Ok(())
}

fn take(row: &mut Row, swept: &Swept) {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    row.runs = number(swept.runs);
    row.void = number(swept.runs - swept.failed);
    row.figure("syncs without a fault", swept.steps as f64);
    row.figure("acknowledged all the same", swept.acknowledged as f64);
    for (part, count) in &swept.hit {
        row.figure(&format!("failed in {part}"), *count as f64);
    }
    row.self_check(swept.notices, "a sync that was left out, or a chunk that is gone,");
}

pub(super) fn full_disk(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    row.runs = setting.runs(4, 4);
    if let Err(error) = SmallDisk::may_mount() {
        row.void = row.runs;
        row.note(format!("{error:#}"));
        return Ok(());
    }
    let mut places = Place::ALL;
    setting.dice().shuffle(&mut places);
    let mut reopened = Vec::new();
    for run in 0..row.runs {
        let place = places[run as usize % places.len()];
        match faults::full_disk(place, setting.seed.wrapping_add(u64::from(run))) {
            Ok(survived) => {
                row.void += u32::from(survived.acknowledged == 0);
                reopened.push(survived.reopened_after.as_secs_f64());
                row.self_check(survived.notices, "a disk that is not full");
                setting.tell(&format!("run {run}: {place:?}, {} acknowledged before", survived.acknowledged));
            }
            Err(error) => row.violations.push(format!("run {run}, {place:?}: {error:#}")),
        }
    }
    row.sample("seconds until it wrote again", reopened);
    Ok(())
}

pub(super) fn memory(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let portions = setting.runs(3, 40);
    row.runs = portions;
    // both nodes keep all, and a third of it is for what PostgreSQL and the file systems add
    let needed = u64::from(portions) * PORTION * 3 + (5 << 30);
    if let Some(lacking) = room::lacking(&std::env::temp_dir(), needed)? {
        row.void = row.runs;
        row.note(lacking);
        return Ok(());
    }
    let peaks = faults::memory(portions, setting.seed, &|text| setting.tell(text))?;
    row.figure("MiB that went through", (peaks.bytes >> 20) as f64);
    for (node, kib) in [("the first", peaks.first_kib), ("the second", peaks.second_kib)] {
        row.figure(&format!("MiB of {node} node at most"), (kib >> 10) as f64);
        row.expect(kib < BOUND_KIB, || format!("{node} node took {kib} KiB, and may take {BOUND_KIB}"));
    }
    // this process takes more for a moment
    let hoard = vec![1_u8; (BOUND_KIB as usize) << 10];
    let own = faults::peak_kib(std::process::id())?;
    row.self_check(own >= BOUND_KIB && hoard.len() > 1, "a process that takes more than that");
    Ok(())
}

pub(super) fn many_files(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let files = setting.runs(10_000, 100_000);
    row.runs = files;
    let watch = StopWatch::start();
    let packed = faults::many_files(files as usize, setting.seed)?;
    row.figure("chunks", packed.chunks as f64);
    row.figure("bytes new after an edit", packed.new_bytes as f64);
    row.figure("MiB of the node at most", (packed.peak_kib >> 10) as f64);
    row.figure("us a file, for all", watch.elapsed().as_secs_f64() * 1e6 / f64::from(files.max(1)));
    row.expect(packed.chunks < 20 + packed.files / SHARING, || format!("{} chunks", packed.chunks));
    row.expect(packed.new_bytes < NEW_BYTES, || format!("{} bytes are new after an edit", packed.new_bytes));
    row.expect(packed.peak_kib < BOUND_KIB, || format!("the node took {} KiB", packed.peak_kib));
    row.self_check(packed.notices, "a chunk that is gone");
    Ok(())
}
