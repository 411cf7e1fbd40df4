//! The group sync: bytes on the disk, then names, then the folders that hold the names.
//!
//! The order is the whole point. A failure at any step ends the group with an error; a file whose sync failed is
//! thrown away, never synced again. [`Placed`] stands between the last two steps: its chunks can be read, but nobody
//! may be told that they are kept.

use crate::ChunkError;
use crate::batch::BatchReport;
use crate::layout::Layout;
use crate::store::{Inner, Placing};
use crate::temp::TempFolder;
use bib_domain::ChunkHash;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A chunk in a temporary file, not synced yet.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) hash: ChunkHash,
    pub(crate) len: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    /// Whether its bytes are in the page cache.
    pub(crate) cached: bool,
}

/// Chunks whose bytes are on the disk and whose names may not be.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    report: BatchReport,
    chunks: Vec<ChunkHash>,
    leaves: BTreeSet<u32>,
}

impl Placed {
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Puts the bytes of `staged`, which lie in `folder`, on the disk and gives them their names.
    pub(crate) fn place(&mut self, inner: &Inner, folder: &TempFolder, staged: &[Staged]) -> Result<(), ChunkError> {
        let sync = |one: &Staged| inner.fs.sync(&one.file).map_err(ChunkError::io("sync", &one.path));
        in_parallel(inner.options.sync_threads, staged, sync)?;
        folder.unsettle();
        staged.iter().try_for_each(|one| self.name(inner, one)).inspect_err(|_| folder.keep())
    }

    fn name(&mut self, inner: &Inner, one: &Staged) -> Result<(), ChunkError> {
        let target = inner.layout.chunk(&one.hash);
        let mut placing = inner.placing.lock();
        let there = inner.size(&one.hash)?;
        if there == Some(one.len) && !placing.chunks.contains(&one.hash) {
            return Ok(()); // another writer was first, and it is on the disk
        }
        if let Some(len) = there.filter(|&len| len != one.len) {
            inner.put_away(&one.hash, &target, len);
        }
        let leaf = Layout::leaf_of(&one.hash);
        match inner.fs.rename(&one.path, &target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_leaf(inner, &mut placing, leaf)?;
                inner.fs.rename(&one.path, &target)
            }
            other => other,
        }
        .map_err(ChunkError::io("give its name to", &target))?;
        placing.chunks.insert(one.hash);
        self.chunks.push(one.hash);
        self.leaves.insert(leaf);
        if there != Some(one.len) {
            inner.counter.placed(&one.hash, one.len);
            self.report.new_chunks += 1;
            self.report.new_bytes += one.len;
        }
        drop(placing);
        inner.remember_written(&one.hash, &one.file);
        if one.cached {
            inner.warm.add(&inner.layout, one.hash, one.len);
        }
        Ok(())
    }

    /// Puts the names on the disk. Only when this returns may anybody be told that the chunks are kept.
    pub(crate) fn acknowledge(self, inner: &Inner, folder: &TempFolder) -> Result<BatchReport, ChunkError> {
        sync_names(inner, &self.leaves).inspect_err(|_| folder.keep())?;
        folder.settle();
        let mut placing = inner.placing.lock();
        self.chunks.iter().for_each(|hash| {
            placing.chunks.remove(hash);
        });
        Ok(self.report)
    }
}

fn make_leaf(inner: &Inner, placing: &mut Placing, leaf: u32) -> Result<(), ChunkError> {
    for path in [inner.layout.branch(leaf), inner.layout.leaf(leaf)] {
        match inner.fs.create_dir(&path) {
            Ok(()) => {
                placing.leaves.insert(leaf);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(ChunkError::io("make the folder", path)(error)),
        }
    }
    Ok(())
}

/// Syncs the leaves, and for leaves that were made lately the folders above them.
fn sync_names(inner: &Inner, leaves: &BTreeSet<u32>) -> Result<(), ChunkError> {
    let fresh: Vec<u32> = {
        let placing = inner.placing.lock();
        leaves.iter().copied().filter(|leaf| placing.leaves.contains(leaf)).collect()
    };
    let mut folders: Vec<PathBuf> = leaves.iter().map(|&leaf| inner.layout.leaf(leaf)).collect();
    let branches: BTreeSet<PathBuf> = fresh.iter().map(|&leaf| inner.layout.branch(leaf)).collect();
    folders.extend(branches);
    if !fresh.is_empty() {
        folders.push(inner.layout.root().to_owned());
    }
    let sync = |path: &PathBuf| inner.fs.sync_dir(path).map_err(ChunkError::io("sync the folder", path as &Path));
    in_parallel(inner.options.sync_threads, &folders, sync)?;
    let mut placing = inner.placing.lock();
    fresh.iter().for_each(|leaf| {
        placing.leaves.remove(leaf);
    });
    Ok(())
}

/// Runs `work` on all items with a few threads; stops at the first failure.
fn in_parallel<T: Sync>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<(), ChunkError> + Sync,
) -> Result<(), ChunkError> {
    if items.len() < 2 || threads < 2 {
        return items.iter().try_for_each(work);
    }
    let next = AtomicUsize::new(0);
    let run = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = work(item) {
                next.store(items.len(), Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(items.len())).map(|_| scope.spawn(run)).collect();
        let mine = run();
        let joined =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.fold(mine, Result::and)
    })
}
