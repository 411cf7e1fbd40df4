//! What the clients were told is done, and what they saw that must not be.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A version that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) dataset: String,
    pub(crate) version: String,
    /// What its one file holds follows from this.
    pub(crate) content: u64,
    pub(crate) length: usize,
}

/// Shared by all clients of a scenario.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    acknowledged: Mutex<Vec<Acknowledged>>,
    broken: Mutex<Vec<String>>,
    tries: AtomicU64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    pub(crate) fn add(&self, version: Acknowledged) {
        locked(&self.acknowledged).push(version);
    }

    pub(crate) fn complain(&self, what: String) {
        locked(&self.broken).push(what);
    }

    pub(crate) fn tried(&self) {
        self.tries.fetch_add(1, Relaxed);
    }

    pub(crate) fn tries(&self) -> u64 {
        self.tries.load(Relaxed)
    }

    pub(crate) fn count(&self) -> usize {
        locked(&self.acknowledged).len()
    }

    /// Everything that was acknowledged from the `from`th on.
    pub(crate) fn since(&self, from: usize) -> Vec<Acknowledged> {
        locked(&self.acknowledged).get(from..).unwrap_or_default().to_vec()
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        std::mem::take(&mut *locked(&self.broken))
    }
}
