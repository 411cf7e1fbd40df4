//! `ingest-edit`: what a small change costs. One file of many edited, an insertion at the front of a large file, and the
//! same content again.

use super::{Place, float, hash, noise, rate, small_files};
use crate::context::Ctx;
use crate::measure::{Side, in_turn, one, seconds};
use crate::report::{Better, Row};
use anyhow::{Context, ensure};
use rustix::fs::inotify;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

const BYTES: usize = 4096;

/// Three rows.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let place = Place::new()?;
    let mut rows = one_of_many(ctx, &place)?;
    rows.extend(large(ctx, &place)?);
    Ok(rows)
}

fn one_of_many(ctx: &Ctx, place: &Place) -> anyhow::Result<Vec<Row>> {
    let count = ctx.size(20_000, 300);
    let folder = place.path("many");
    small_files(&folder, 31, count, BYTES)?;
    place.upload(&folder, "many")?;
    let edited = folder.join("0001/000150.bin");
    let side: Side<'_> = Box::new(|round| {
        let mut file = File::create(&edited)?;
        file.write_all(&vec![u8::try_from(round % 251)?; BYTES])?;
        file.sync_all()?;
        let watch = Watch::new(&folder)?;
        let (version, took) = seconds(|| place.upload(&folder, "many"))?;
        let read = watch.opened()?;
        ensure!(version["created"] == true && version["files"].as_u64() == Some(count as u64), "{version}");
        place.verify("many")?;
        Ok(vec![float(read), took])
    });
    let table = in_turn(ctx, vec![side])?;
    let row = Row::new("ingest-edit.one-file", "bound", "files", Better::Lower, 1.0, table.bound(0, 1.0));
    let seconds = crate::measure::median(table.bound(1, 1.0).rounds.iter().map(|round| round.ours).collect());
    Ok(vec![row.exact().remark(format!("files opened when 1 of {count} was edited; {seconds:.2} s"))])
}

fn large(ctx: &Ctx, place: &Place) -> anyhow::Result<Vec<Row>> {
    let (mib, source, edited) = (ctx.mib, place.path("large.bin"), place.path("edited.bin"));
    noise(&source, 77, mib)?;
    place.upload(&source, "large")?;
    let insert = place.path("insert.bin");
    let all = (mib as u64 + 1) << 20;
    let inserted: Side<'_> = one(|round| {
        noise(&insert, 900 + round as u64, 1)?;
        join(&[&insert, &source], &edited)?;
        let version = place.upload(&edited, "large")?;
        let new = version["newBytes"].as_u64().context("new bytes")?;
        ensure!(version["bytes"].as_u64() == Some(all), "{version}");
        place.verify("large")?;
        Ok(float(usize::try_from(new)?) * 100.0 / float(usize::try_from(all)?))
    });
    let front = in_turn(ctx, vec![inserted])?.bound(0, float(ctx.size(2, 60)));

    // the version before is that content, under another file that no cache has seen
    let again = in_turn(
        ctx,
        vec![
            one(|round| {
                std::fs::rename(&source, place.path("moved.bin"))?;
                join(&[&place.path("moved.bin")], &source)?;
                let (version, took) = seconds(|| place.upload(&source, "large"))?;
                ensure!(version["newBytes"].as_u64() == Some(0), "bytes were written in round {round}: {version}");
                std::fs::remove_file(place.path("moved.bin"))?;
                Ok(rate(mib, took))
            }),
            one(|_| Ok(rate(mib, seconds(|| hash(&source))?.1))),
        ],
    )?;
    let front = Row::new("ingest-edit.front", "bound", "%", Better::Lower, 1.0, front).exact();
    let again = Row::new("ingest-edit.again", "sha256", "MB/s", Better::Higher, 0.9, again.beside(1, 0));
    Ok(vec![
        front.remark("new bytes after 1 MiB was inserted at the front"),
        again.remark("whole program, 0 bytes written; the peer reads and hashes the file once with one thread"),
    ])
}

fn join(parts: &[&Path], target: &Path) -> anyhow::Result<()> {
    let mut out = File::create(target)?;
    for part in parts {
        std::io::copy(&mut File::open(part)?, &mut out)?;
    }
    Ok(out.sync_all()?)
}

/// Sees which files of a folder and those below are opened.
struct Watch(OwnedFd);

impl Watch {
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let queue = inotify::init(inotify::CreateFlags::NONBLOCK)?;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                inotify::add_watch(&queue, entry.path(), inotify::WatchFlags::OPEN)?;
            }
        }
        Ok(Self(queue))
    }

    /// How many files were opened, each counted once. More than the queue holds are as many as it holds at least.
    fn opened(&self) -> anyhow::Result<usize> {
        let mut buffer = vec![MaybeUninit::uninit(); 1 << 20];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        let mut names = BTreeSet::new();
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(inotify::ReadFlags::ISDIR) => {}
                Ok(event) => drop(event.file_name().map(|name| names.insert((event.wd(), name.to_owned())))),
                Err(rustix::io::Errno::AGAIN) => return Ok(names.len()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn opened_files_are_counted_once() {
        let dir = tempfile::tempdir().unwrap();
        small_files(dir.path(), 1, 5, 8).unwrap();
        let watch = Watch::new(dir.path()).unwrap();
        for _ in 0..2 {
            let mut byte = [0; 8];
            File::open(dir.path().join("0000/000003.bin")).unwrap().read_exact(&mut byte).unwrap();
        }
        assert_eq!(watch.opened().unwrap(), 1);
    }
}
