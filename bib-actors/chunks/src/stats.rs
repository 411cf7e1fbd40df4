//! How many chunks the store has, kept up to date without looking at the disk again.
//!
//! The first count walks the folders in the background, one leaf at a time under the store's placing lock. A chunk
//! that is placed or removed meanwhile is counted by whoever comes later: by this module if its leaf was walked
//! already, else by the walk.

use crate::layout::Layout;
use crate::store::Placing;
use bib_domain::ChunkHash;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreStats {
    /// Chunks.
    pub chunks: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Whether the count made at the start is complete; until then the figures are too small.
    pub counted: bool,
}

/// The running count.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    chunks: AtomicU64,
    bytes: AtomicU64,
    walked: AtomicU32,
    stop: AtomicBool,
}

impl Counter {
    pub(crate) fn read(&self) -> StoreStats {
        let counted = self.walked.load(Ordering::Acquire) >= Layout::LEAVES;
        StoreStats { chunks: self.chunks.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed), counted }
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// A chunk was placed. Call under the placing lock.
    pub(crate) fn placed(&self, hash: &ChunkHash, len: u64) {
        if Layout::leaf_of(hash) < self.walked.load(Ordering::Acquire) {
            self.add(1, len);
        }
    }

    /// A chunk was taken away. Call under the placing lock.
    pub(crate) fn removed(&self, hash: &ChunkHash, len: u64) {
        if Layout::leaf_of(hash) < self.walked.load(Ordering::Acquire) {
            let _ = self.chunks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| Some(n.saturating_sub(1)));
            let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| Some(n.saturating_sub(len)));
        }
    }

    fn add(&self, chunks: u64, bytes: u64) {
        self.chunks.fetch_add(chunks, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Walks all leaves. Runs on a thread of its own until it is done or stopped.
    pub(crate) fn walk(&self, layout: &Layout, placing: &Arc<Mutex<Placing>>) {
        let mut leaf = 0;
        while leaf < Layout::LEAVES && !self.stop.load(Ordering::Relaxed) {
            let held = placing.lock();
            if leaf & 0xff == 0 && !layout.branch(leaf).exists() {
                leaf += 0x100;
            } else {
                let (chunks, bytes) = count_leaf(layout, leaf);
                self.add(chunks, bytes);
                leaf += 1;
            }
            self.walked.store(leaf, Ordering::Release);
            drop(held);
        }
    }
}

fn count_leaf(layout: &Layout, leaf: u32) -> (u64, u64) {
    let Ok(files) = std::fs::read_dir(layout.leaf(leaf)) else { return (0, 0) };
    let sizes = files.flatten().filter_map(|file| file.metadata().ok()).filter(std::fs::Metadata::is_file);
    sizes.fold((0, 0), |(chunks, bytes), file| (chunks + 1, bytes + file.len()))
}
