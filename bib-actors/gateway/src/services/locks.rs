//! One publication at a time for each dataset, so that numbers follow each other.

use bib_domain::DatasetRef;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// Locks by dataset. Uploads at the same time bound how many there are.
#[derive(Default)]
pub(crate) struct DatasetLocks {
    locks: Mutex<HashMap<DatasetRef, Arc<tokio::sync::Mutex<()>>>>,
}

impl DatasetLocks {
    /// Waits for its turn. Cancel-safe: who gives up loses its place, nothing else.
    pub(crate) async fn lock(&self, dataset: &DatasetRef) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock();
            // A lock that nobody else holds is nobody's: only this map has it.
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(locks.entry(dataset.clone()).or_default())
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_for_each_dataset_and_nothing_is_left() {
        let locks = DatasetLocks::default();
        let (a, b) = ("t/a".parse().unwrap(), "t/b".parse().unwrap());
        let held = locks.lock(&a).await;
        let other = locks.lock(&b).await;
        let waits = locks.lock(&a);
        tokio::pin!(waits);
        assert!(futures::poll!(&mut waits).is_pending());
        drop(held);
        let held = waits.await;
        drop((held, other));
        drop(locks.lock(&a).await);
        assert_eq!(locks.locks.lock().len(), 1);
    }
}
