//! Chunks in memory alone, for a node that keeps nothing: as many bytes as are allowed, those that were not read for the
//! longest time going first.
//!
//! A chunk comes here only after its bytes were compared with its name. What is handed out shares the bytes, so that a
//! reader keeps those that it has, whatever goes meanwhile.

use crate::ChunkError;
use bib_domain::ChunkHash;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};

/// What a chunk costs beside its bytes: its places in both maps, rounded up.
const OVERHEAD: u64 = 256;

/// The chunks that are in memory.
#[derive(Debug)]
pub(crate) struct Shelf {
    most: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    chunks: HashMap<ChunkHash, (Bytes, u64)>,
    /// The chunks by when they were read or put last.
    turns: BTreeMap<u64, ChunkHash>,
    turn: u64,
    bytes: u64,
}

impl Shelf {
    pub(crate) fn new(most: u64) -> Self {
        Self { most, kept: Mutex::default() }
    }

    /// Keeps a chunk, and lets go of what has no room beside it. False if it was here.
    pub(crate) fn put(&self, hash: ChunkHash, bytes: &[u8]) -> bool {
        let mut kept = self.kept.lock();
        if kept.touch(&hash).is_some() {
            return false;
        }
        let turn = kept.next_turn();
        kept.chunks.insert(hash, (Bytes::copy_from_slice(bytes), turn));
        kept.turns.insert(turn, hash);
        kept.bytes += bytes.len() as u64 + OVERHEAD;
        while kept.bytes > self.most
            && let Some((_, oldest)) = kept.turns.pop_first()
        {
            kept.let_go(&oldest);
        }
        true
    }

    /// The bytes of a chunk, if it is here.
    pub(crate) fn get(&self, hash: &ChunkHash) -> Option<Bytes> {
        self.kept.lock().touch(hash)
    }

    /// How many bytes a chunk has, if it is here. That is no use of it.
    pub(crate) fn size(&self, hash: &ChunkHash) -> Option<u64> {
        self.kept.lock().chunks.get(hash).map(|(bytes, _)| bytes.len() as u64)
    }

    /// How many chunks there are, and their bytes.
    pub(crate) fn holds(&self) -> (u64, u64) {
        let kept = self.kept.lock();
        let chunks = kept.chunks.len() as u64;
        (chunks, kept.bytes - chunks * OVERHEAD)
    }
}

impl Kept {
    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    fn touch(&mut self, hash: &ChunkHash) -> Option<Bytes> {
        let now = self.next_turn();
        let (bytes, turn) = self.chunks.get_mut(hash)?;
        let before = std::mem::replace(turn, now);
        let bytes = bytes.clone();
        self.turns.remove(&before);
        self.turns.insert(now, *hash);
        Some(bytes)
    }

    fn let_go(&mut self, hash: &ChunkHash) {
        if let Some((bytes, _)) = self.chunks.remove(hash) {
            self.bytes -= bytes.len() as u64 + OVERHEAD;
        }
    }
}

/// A part of a chunk's bytes.
pub(crate) fn part(hash: &ChunkHash, bytes: &Bytes, offset: u64, len: u64) -> Result<Bytes, ChunkError> {
    let size = bytes.len() as u64;
    let end = offset.checked_add(len).filter(|&end| end <= size);
    match (end.and_then(|end| usize::try_from(end).ok()), usize::try_from(offset)) {
        (Some(end), Ok(from)) => Ok(bytes.slice(from..end)),
        _ => Err(ChunkError::Range { hash: *hash, offset, len, size }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash_of;
    use proptest::prelude::*;

    fn room_for(chunks: u64, len: u64) -> Shelf {
        Shelf::new(chunks * (len + OVERHEAD))
    }

    #[test]
    fn what_was_not_read_for_longest_goes_first() {
        let shelf = room_for(2, 3);
        let [a, b, c] = [b"aaa", b"bbb", b"ccc"].map(|bytes| (hash_of(bytes), bytes));
        assert!(shelf.put(a.0, a.1) && shelf.put(b.0, b.1));
        assert!(!shelf.put(a.0, a.1), "it is here");
        assert!(shelf.put(c.0, c.1));
        assert_eq!(shelf.get(&b.0), None, "a was put again after b");
        assert_eq!(shelf.get(&a.0).unwrap(), a.1.as_slice());
        assert_eq!(shelf.size(&c.0), Some(3));
        assert!(shelf.put(b.0, b.1));
        assert_eq!((shelf.size(&c.0), shelf.size(&a.0)), (None, Some(3)), "a was read after c");
        assert_eq!(shelf.holds(), (2, 6));
    }

    #[test]
    fn bytes_in_hand_stay_and_too_large_a_chunk_does_not() {
        let shelf = room_for(1, 3);
        let (one, large) = (hash_of(b"one"), hash_of(b"large"));
        shelf.put(one, b"one");
        let held = shelf.get(&one).unwrap();
        shelf.put(large, b"large");
        assert_eq!((held.as_ref(), shelf.holds()), (b"one".as_slice(), (0, 0)));
    }

    proptest! {
        #[test]
        fn it_never_holds_more_than_it_may(lens in prop::collection::vec(1_usize..3000, 1..80), most in 0_u64..20_000) {
            let shelf = Shelf::new(most);
            for (at, len) in lens.iter().enumerate() {
                let bytes = vec![at.to_le_bytes()[0]; *len];
                let hash = hash_of(&bytes);
                shelf.put(hash, &bytes);
                let fits = *len as u64 + OVERHEAD <= most;
                prop_assert_eq!(shelf.get(&hash).is_some(), fits, "the newest stays if it fits at all");
                let (chunks, held) = shelf.holds();
                prop_assert!(held + chunks * OVERHEAD <= most);
                let kept = shelf.kept.lock();
                prop_assert_eq!(kept.chunks.len(), kept.turns.len());
            }
        }
    }
}
