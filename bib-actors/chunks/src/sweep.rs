//! The sweep: removes chunks that no version names and nobody works with, such as those of an upload that broke off.
//!
//! It goes in rounds. A round collects candidates: files of chunks that are older than a grace period and not held. Then
//! its owner reads **all** versions there are and strikes what they name. What is left is removed, each under the lock
//! under which chunks get their names and are held.
//!
//! # Why no chunk is removed that a version needs
//!
//! The grace period is a courtesy (an upload that is sent again finds what it sent before), not the proof; clocks may
//! jump. The proof rests on three rules:
//!
//! 1. Whoever publishes a version holds each of its chunks from before the look that found it in the store (or wrote it)
//!    until after the version is in the catalogue.
//! 2. Taking a hold, and releasing one, strikes the chunk off the candidates; a chunk that is held when a round collects
//!    is not collected.
//! 3. A round reads the versions after it has collected, and removes after it has read.
//!
//! Let a round collect chunk *c* at time *C*, read the versions at *R*, remove *c* at *D*: *C < R < D*. Let a version
//! that names *c* be published at *P*, and *c* be held from *H* to *E* for it: *H < P < E*.
//!
//! * *P ≤ R*: the version is read and *c* is struck.
//! * *P > R* and *H < D*: then *E > P > R > C*. If *H < C < E*, *c* is held at *C* and not collected. Otherwise
//!   *C ≤ H < D*, and taking the hold strikes it. (A release between *C* and *D* strikes, too; it covers who holds
//!   twice.)
//! * *H > D*: *c* was gone when it was looked for, since the look comes after *H*; so it was written anew.
//!
//! Steps under one lock do not overlap, so there is no fourth case. A version that is recorded before its chunks are here
//! (one that is being fetched from a peer, or of which queries fetch parts)
//! names them from the beginning. A version that expires takes its
//! names with it: who still reads it then may find a chunk missing, and is told so. If a manifest cannot be read, what it names is not known, and
//! the owner gives the round up: dropping a [`Sweep`] removes nothing.
//!
//! A removed file may come back after a power cut, since its folder is not synced: it is an orphan again, no harm.

use crate::ChunkError;
use crate::layout::Layout;
use crate::manifest::ChunkRef;
use crate::store::{ChunkStore, Inner};
use bib_domain::ChunkHash;
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Files removed at a time under the lock, so that writers get their turn in between.
const AT_ONCE: usize = 64;

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Chunks.
    pub chunks: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// A sweep under way. There is one at a time; dropping it ends it without removing more.
#[derive(Debug)]
pub struct Sweep {
    store: ChunkStore,
    before_ms: i64,
    most: usize,
    leaf: u32,
    given_up: Arc<AtomicBool>,
}

/// Whoever waits for a sweep: when it is dropped, a call that is under way on another thread ends after the folder or the
/// files that it has in hand.
#[derive(Debug)]
#[must_use = "the sweep is given up when this is dropped"]
pub struct SweepOwner(Arc<AtomicBool>);

impl Drop for SweepOwner {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl ChunkStore {
    /// Begins a sweep of chunks whose files were written before a time, in milliseconds since 1970, with at most `most`
    /// candidates at once (and those of one more folder). `None` while another sweep is under way.
    #[must_use]
    pub fn sweep(&self, before_ms: i64, most: usize) -> Option<Sweep> {
        let mut placing = self.inner.placing.lock();
        if placing.holds.candidates.is_some() {
            return None;
        }
        placing.holds.candidates = Some(HashSet::new());
        drop(placing);
        Some(Sweep { store: self.clone(), before_ms, most: most.max(1), leaf: 0, given_up: Arc::default() })
    }
}

impl Sweep {
    /// Its owner. A sweep whose owner was never taken is never given up.
    pub fn owner(&self) -> SweepOwner {
        SweepOwner(Arc::clone(&self.given_up))
    }

    /// Begins the next round: collects candidates. How many; 0 at the end of the store, or when it was given up.
    ///
    /// # Errors
    /// What the file system says.
    pub fn collect(&mut self) -> Result<usize, ChunkError> {
        let inner = &*self.store.inner;
        loop {
            let mut placing = inner.placing.lock();
            let count = placing.holds.candidates.as_ref().map_or(0, HashSet::len);
            if self.given_up.load(Ordering::Relaxed) {
                return Ok(0);
            }
            if self.leaf >= Layout::LEAVES || count >= self.most {
                return Ok(count);
            }
            if self.leaf & 0xff == 0 && !inner.layout.branch(self.leaf).exists() {
                self.leaf += 0x100;
                continue;
            }
            let old = old_chunks(inner, self.leaf, self.before_ms)?;
            let free: Vec<_> = old.into_iter().filter(|hash| !placing.holds.is_held(hash)).collect();
            if let Some(candidates) = &mut placing.holds.candidates {
                candidates.extend(free);
            }
            self.leaf += 1;
        }
    }

    /// A version names these chunks: they stay.
    pub fn keep(&self, chunks: &[ChunkRef]) {
        for some in chunks.chunks(AT_ONCE) {
            let mut placing = self.store.inner.placing.lock();
            some.iter().for_each(|chunk| placing.holds.strike(&chunk.hash));
        }
    }

    /// How many candidates are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.store.inner.placing.lock().holds.candidates.as_ref().map_or(0, HashSet::len)
    }

    /// Removes the candidates that are left, and ends the round. Fewer when it is given up meanwhile.
    ///
    /// # Errors
    /// What the file system says; what was removed before stays removed.
    pub fn remove(&mut self) -> Result<SweepReport, ChunkError> {
        let inner = &*self.store.inner;
        let mut report = SweepReport::default();
        loop {
            let mut placing = inner.placing.lock();
            let Some(candidates) = &mut placing.holds.candidates else { return Ok(report) };
            let some: Vec<ChunkHash> = candidates.iter().take(AT_ONCE).copied().collect();
            if some.is_empty() || self.given_up.load(Ordering::Relaxed) {
                return Ok(report);
            }
            for hash in some {
                candidates.remove(&hash);
                let Some(len) = inner.size(&hash)? else { continue };
                let path = inner.layout.chunk(&hash);
                std::fs::remove_file(&path).map_err(ChunkError::io("remove the orphan", &path))?;
                inner.counter.removed(&hash, len);
                report.chunks += 1;
                report.bytes += len;
            }
        }
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        self.store.inner.placing.lock().holds.candidates = None;
    }
}

/// The chunks of one folder whose files were written before a time.
fn old_chunks(inner: &Inner, leaf: u32, before_ms: i64) -> Result<Vec<ChunkHash>, ChunkError> {
    let folder = inner.layout.leaf(leaf);
    let io = |error| ChunkError::io("list", &folder as &Path)(error);
    let files = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(io)?,
    };
    let mut found = Vec::new();
    for file in files {
        let file = file.map_err(io)?;
        let about = file.metadata().map_err(io)?;
        let written_ms = about.mtime().saturating_mul(1000).saturating_add(about.mtime_nsec() / 1_000_000);
        if about.is_file()
            && written_ms < before_ms
            && let Some(hash) = file.file_name().to_str().and_then(|name| name.parse().ok())
        {
            found.push(hash);
        }
    }
    Ok(found)
}
