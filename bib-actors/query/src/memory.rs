//! What was read of immutable versions, kept in memory within so many bytes: the least recently used is forgotten first,
//! and who asks for what is being read waits for it instead of reading it again.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// Something that knows how much of the memory it takes.
pub(crate) trait Weighed {
    /// Its bytes, those behind pointers too.
    fn bytes(&self) -> usize;
}

impl Weighed for String {
    fn bytes(&self) -> usize {
        self.len() + size_of::<Self>()
    }
}

/// What a place takes beside its key and value.
const PLACE: usize = 256;

/// Values by key, so many bytes at most.
pub(crate) struct Memory<K, V> {
    places: Mutex<Places<K, V>>,
    most: usize,
}

struct Places<K, V> {
    known: HashMap<Arc<K>, Place<V>>,
    /// When each was used last.
    order: BTreeMap<u64, Arc<K>>,
    clock: u64,
    bytes: usize,
}

struct Place<V> {
    cell: Arc<OnceCell<V>>,
    used: u64,
    bytes: usize,
    /// Whether the value is among `bytes`.
    weighed: bool,
}

impl<K: Eq + Hash + Weighed, V: Clone + Weighed> Memory<K, V> {
    /// Keeps `most` bytes; with 0 it keeps nothing.
    pub(crate) fn new(most: usize) -> Self {
        let places = Places { known: HashMap::new(), order: BTreeMap::new(), clock: 0, bytes: 0 };
        Self { places: Mutex::new(places), most }
    }

    /// The value of `key`; made by `make` when it is not known. A failure is not remembered, nor is a value that would
    /// take more than a quarter of the memory.
    ///
    /// Cancel-safe: when the one that makes it is dropped, one of those that wait goes on with a `make` of its own.
    pub(crate) async fn get_or<E>(&self, key: K, make: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        let key = Arc::new(key);
        let cell = self.place(&key);
        if let Some(value) = cell.get() {
            return Ok(value.clone());
        }
        let made = cell.get_or_try_init(|| make).await;
        self.settle(&key, &cell, made.as_ref().ok().map(|value| value.bytes()));
        made.cloned()
    }

    fn place(&self, key: &Arc<K>) -> Arc<OnceCell<V>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let places = &mut *places;
        places.clock += 1;
        let now = places.clock;
        if let Some(place) = places.known.get_mut(key) {
            let before = std::mem::replace(&mut place.used, now);
            if let Some(key) = places.order.remove(&before) {
                places.order.insert(now, key);
            }
            return Arc::clone(&place.cell);
        }
        let bytes = PLACE + key.bytes();
        let cell = Arc::default();
        let place = Place { cell: Arc::clone(&cell), used: now, bytes, weighed: false };
        places.known.insert(Arc::clone(key), place);
        places.order.insert(now, Arc::clone(key));
        places.bytes += bytes;
        places.shrink(self.most);
        cell
    }

    /// Counts a value that was made; forgets the place when there is none, or one that is too large.
    fn settle(&self, key: &Arc<K>, cell: &Arc<OnceCell<V>>, value: Option<usize>) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let places = &mut *places;
        let Some(place) = places.known.get_mut(key).filter(|place| Arc::ptr_eq(&place.cell, cell)) else { return };
        match value {
            Some(bytes) if bytes <= self.most / 4 => {
                if !place.weighed {
                    place.weighed = true;
                    place.bytes += bytes;
                    places.bytes += bytes;
                    places.shrink(self.most);
                }
            }
            // somebody else may have made it meanwhile
            None if place.weighed => {}
            _ => {
                let used = place.used;
                places.forget(used);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

impl<K: Eq + Hash, V> Places<K, V> {
    fn shrink(&mut self, most: usize) {
        while self.bytes > most
            && let Some((&oldest, _)) = self.order.first_key_value()
        {
            self.forget(oldest);
        }
    }

    fn forget(&mut self, used: u64) {
        if let Some(place) = self.order.remove(&used).and_then(|key| self.known.remove(&key)) {
            self.bytes -= place.bytes;
        }
    }
}

impl<K, V> fmt::Debug for Memory<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    impl Weighed for u32 {
        fn bytes(&self) -> usize {
            0
        }
    }

    impl Weighed for Vec<u8> {
        fn bytes(&self) -> usize {
            self.len()
        }
    }

    async fn ask(memory: &Memory<u32, Vec<u8>>, key: u32, size: usize, made: &AtomicUsize) {
        let make = async {
            tokio::task::yield_now().await;
            made.fetch_add(1, Ordering::Relaxed);
            Ok::<_, ()>(vec![7; size])
        };
        assert_eq!(memory.get_or(key, make).await.unwrap().len(), size);
    }

    #[tokio::test]
    async fn so_many_bytes_are_kept_and_the_oldest_are_forgotten() {
        let (most, made) = (10 * (PLACE + 1_000), AtomicUsize::new(0));
        let memory = Memory::new(most);
        tokio::join!(ask(&memory, 0, 1_000, &made), ask(&memory, 0, 1_000, &made));
        assert_eq!(made.load(Ordering::Relaxed), 1, "two at once make it once");
        for key in 0..100 {
            ask(&memory, key, 1_000, &made).await;
            ask(&memory, 0, 1_000, &made).await;
            assert!(memory.kept() <= most, "{} bytes", memory.kept());
        }
        assert_eq!(made.load(Ordering::Relaxed), 100, "what is used again stays");
        ask(&memory, 50, 1_000, &made).await;
        assert_eq!(made.load(Ordering::Relaxed), 101, "what is not used goes");
    }

    #[tokio::test]
    async fn what_is_too_large_or_fails_is_not_kept() {
        let (memory, made) = (Memory::new(10_000), AtomicUsize::new(0));
        ask(&memory, 1, 5_000, &made).await;
        ask(&memory, 1, 5_000, &made).await;
        assert_eq!(made.load(Ordering::Relaxed), 2);
        assert!(memory.get_or(2, async { Err("no") }).await.is_err());
        assert_eq!(memory.kept(), 0);
        let nothing = Memory::new(0);
        ask(&nothing, 1, 1, &made).await;
        assert_eq!(nothing.kept(), 0);
    }
}
