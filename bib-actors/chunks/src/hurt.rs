//! The chunks that were found damaged or missing, until somebody who can mend them takes the list.
//!
//! Bounded: what does not fit is found again by the next read or verification.

use bib_domain::ChunkHash;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// The list.
#[derive(Debug)]
pub(crate) struct Hurt {
    capacity: usize,
    list: Mutex<BTreeMap<ChunkHash, String>>,
}

impl Hurt {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { capacity, list: Mutex::new(BTreeMap::new()) }
    }

    pub(crate) fn add(&self, hash: ChunkHash, why: String) {
        let mut list = self.list.lock();
        if list.len() < self.capacity {
            list.insert(hash, why);
        }
    }

    /// Takes at most `most` entries off the list.
    pub(crate) fn take(&self, most: usize) -> Vec<(ChunkHash, String)> {
        let mut list = self.list.lock();
        (0..most).map_while(|_| list.pop_first()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded_and_is_taken_once() {
        let hurt = Hurt::new(2);
        for n in 0..3 {
            hurt.add(ChunkHash::from_bytes([n; 32]), n.to_string());
        }
        let first = hurt.take(1);
        assert_eq!(first, [(ChunkHash::from_bytes([0; 32]), "0".to_owned())]);
        assert_eq!(hurt.take(9).len(), 1);
        assert!(hurt.take(9).is_empty());
    }
}
