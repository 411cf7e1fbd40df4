//! The transfers that are under way.
//!
//! Each has a number of its own: a version may be begun anew before the end of a transfer of it that was stopped is
//! heard of, and that end is not the end of the new one.

use crate::report::Progress;
use bib_domain::{DatasetRef, NodeId, VersionId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A transfer that is under way.
pub(super) struct Underway {
    pub(super) dataset: DatasetRef,
    pub(super) progress: Arc<Progress>,
    /// Dropping it ends the transfer.
    pub(super) sources: watch::Sender<BTreeSet<NodeId>>,
    /// Cancelled when its place is to go to another version.
    pub(super) give_way: CancellationToken,
}

/// All of them.
#[derive(Default)]
pub(super) struct Transfers {
    by_version: BTreeMap<VersionId, (u64, Underway)>,
    begun: u64,
}

impl Transfers {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_version.len()
    }

    /// The number of the next one.
    pub(super) const fn number(&mut self) -> u64 {
        self.begun += 1;
        self.begun
    }

    /// One has begun, with a number of its own.
    pub(super) fn begin(&mut self, version: VersionId, number: u64, underway: Underway) {
        self.by_version.insert(version, (number, underway));
    }

    pub(super) fn get(&self, version: &VersionId) -> Option<&Underway> {
        self.by_version.get(version).map(|(_, underway)| underway)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&VersionId, &Underway)> {
        self.by_version.iter().map(|(version, (_, underway))| (version, underway))
    }

    /// Takes the one of this version out, to stop it.
    pub(super) fn stop(&mut self, version: &VersionId) -> Option<Underway> {
        self.by_version.remove(version).map(|(_, underway)| underway)
    }

    /// Takes out the one that ended; `None` if it was stopped before, whatever was begun since.
    pub(super) fn ended(&mut self, version: &VersionId, number: u64) -> Option<Underway> {
        let present = self.by_version.get(version).is_some_and(|(present, _)| *present == number);
        if present { self.stop(version) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn underway(dataset: &str) -> Underway {
        Underway {
            dataset: dataset.parse().unwrap(),
            progress: Arc::default(),
            sources: watch::Sender::default(),
            give_way: CancellationToken::new(),
        }
    }

    #[test]
    fn the_end_of_a_stopped_one_is_not_that_of_the_next() {
        let (mut transfers, version) = (Transfers::default(), VersionId::from_bytes([1; 32]));
        let first = transfers.number();
        transfers.begin(version, first, underway("a/b"));
        assert!(transfers.stop(&version).is_some());
        let second = transfers.number();
        transfers.begin(version, second, underway("a/b"));
        assert!(transfers.ended(&version, first).is_none());
        assert!(transfers.get(&version).is_some_and(|underway| underway.sources.receiver_count() == 0));
        assert!(transfers.ended(&version, second).is_some() && transfers.len() == 0);
        assert!(transfers.ended(&version, second).is_none(), "once");
    }
}
