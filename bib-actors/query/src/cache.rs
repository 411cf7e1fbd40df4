//! A small cache in memory for what was computed from immutable versions: the least recently used is forgotten first,
//! and who asks for what is being computed waits for it instead of computing it again.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// Values by key, so many at most.
pub(crate) struct Cache<K, V> {
    slots: Mutex<VecDeque<(K, Arc<OnceCell<V>>)>>,
    most: usize,
}

impl<K: PartialEq, V: Clone> Cache<K, V> {
    /// Keeps `most` values.
    pub(crate) fn new(most: usize) -> Self {
        Self { slots: Mutex::default(), most: most.max(1) }
    }

    /// The value of `key`; computed by `make` when it is not known. A failure is not remembered.
    ///
    /// Cancel-safe: when the one that computes is dropped, one of those that wait goes on with a `make` of its own.
    pub(crate) async fn get_or<E>(&self, key: K, make: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        let slot = self.slot(key);
        slot.get_or_try_init(|| make).await.cloned()
    }

    fn slot(&self, key: K) -> Arc<OnceCell<V>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let known = slots.iter().position(|(known, _)| *known == key).and_then(|at| slots.remove(at));
        let entry = known.unwrap_or_else(|| (key, Arc::default()));
        let slot = Arc::clone(&entry.1);
        if slots.len() >= self.most {
            slots.pop_front();
        }
        slots.push_back(entry);
        slot
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    async fn ask(cache: &Cache<u8, u8>, key: u8, made: &AtomicUsize) -> u8 {
        let make = async {
            tokio::task::yield_now().await;
            made.fetch_add(1, Ordering::Relaxed);
            Ok::<u8, ()>(key * 2)
        };
        cache.get_or(key, make).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_known_is_not_made_again_and_the_oldest_is_forgotten() {
        let (cache, made) = (Cache::new(2), AtomicUsize::new(0));
        let (a, b) = tokio::join!(ask(&cache, 1, &made), ask(&cache, 1, &made));
        assert_eq!((a, b, made.load(Ordering::Relaxed)), (2, 2, 1), "two at once make it once");
        ask(&cache, 2, &made).await;
        ask(&cache, 1, &made).await;
        assert_eq!(made.load(Ordering::Relaxed), 2);
        ask(&cache, 3, &made).await;
        ask(&cache, 1, &made).await;
        assert_eq!(made.load(Ordering::Relaxed), 3, "2 was the least recently used");
        ask(&cache, 2, &made).await;
        assert_eq!(made.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered() {
        let cache: Cache<u8, u8> = Cache::new(2);
        assert_eq!(cache.get_or(1, async { Err("no") }).await, Err("no"));
        assert_eq!(cache.get_or(1, async { Ok::<_, &str>(7) }).await, Ok(7));
    }
}
