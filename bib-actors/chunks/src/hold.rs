//! Holds: chunks that somebody works with before a version names them, and which a sweep must leave alone.
//!
//! Whoever is about to write a chunk, or finds it in the store and means to name it, holds it first and looks then. The
//! hold ends when the version is published or given up. See [`crate::sweep`] for why that order is enough.

use crate::store::Placing;
use bib_domain::ChunkHash;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Releases at a time under the lock, so that writers get their turn in between.
const AT_ONCE: usize = 1024;

/// Chunks that are held until the last clone of this is dropped.
#[derive(Debug, Clone)]
pub struct Hold(Arc<Held>);

#[derive(Debug)]
struct Held {
    placing: Arc<Mutex<Placing>>,
    own: Mutex<HashSet<ChunkHash>>,
}

impl Hold {
    pub(crate) fn new(placing: &Arc<Mutex<Placing>>) -> Self {
        Self(Arc::new(Held { placing: Arc::clone(placing), own: Mutex::default() }))
    }

    /// Holds a chunk, whether it is in the store or not; false if this hold has it already. Look for the chunk after
    /// this, never before.
    pub(crate) fn add(&self, hash: ChunkHash) -> bool {
        let mut own = self.0.own.lock();
        if !own.insert(hash) {
            return false;
        }
        self.0.placing.lock().holds.add(hash);
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let own: Vec<ChunkHash> = std::mem::take(self.own.get_mut()).into_iter().collect();
        for some in own.chunks(AT_ONCE) {
            let mut placing = self.placing.lock();
            some.iter().for_each(|hash| placing.holds.release(hash));
        }
    }
}

/// What is held in a store, and what a sweep that is under way may remove.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    held: HashMap<ChunkHash, u32>,
    /// `Some` while a sweep is under way.
    pub(crate) candidates: Option<HashSet<ChunkHash>>,
}

impl Holds {
    fn add(&mut self, hash: ChunkHash) {
        *self.held.entry(hash).or_default() += 1;
        self.strike(&hash);
    }

    fn release(&mut self, hash: &ChunkHash) {
        if let Some(count) = self.held.get_mut(hash) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(hash);
            }
        }
        // it may have been published since the sweep read what is named
        self.strike(hash);
    }

    /// Takes a chunk off the list of those to be removed.
    pub(crate) fn strike(&mut self, hash: &ChunkHash) {
        if let Some(candidates) = &mut self.candidates {
            candidates.remove(hash);
        }
    }

    pub(crate) fn is_held(&self, hash: &ChunkHash) -> bool {
        self.held.contains_key(hash)
    }
}
