//! The versions that a node still has to fetch, and which peers hold them.
//!
//! A bounded queue with memory of failures: what failed is tried again later, ever later. It owns the order and the
//! holders; it fetches nothing, and whether a version is wanted at all is decided in [`crate::want`].

use crate::backoff::Backoff;
use crate::{DatasetRef, NodeId, VersionId};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

/// The bounds of a backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BacklogRules {
    /// How many versions may wait. Beyond it the catalogue is not read on; what was not read is not lost.
    pub capacity: usize,
    /// How long to wait after a failure.
    pub retry: Backoff,
}

impl Default for BacklogRules {
    fn default() -> Self {
        let retry = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(60) };
        Self { capacity: 65_536, retry }
    }
}

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It is in the queue now.
    Queued,
    /// It was in the queue; its holder is noted.
    Known,
    /// There is no room: offer it again later.
    Full,
}

/// Where a version in the backlog stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It waits for its turn, for a holder, or for its next attempt.
    Queued,
    /// It is being fetched.
    Running,
}

#[derive(Debug, Clone)]
struct Item {
    dataset: DatasetRef,
    holders: BTreeSet<NodeId>,
    running: bool,
    failures: u32,
    not_before_ms: u64,
    error: String,
}

/// A version in the backlog, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacklogRow {
    /// Which version.
    pub version: VersionId,
    /// Of which dataset.
    pub dataset: DatasetRef,
    /// Where it stands.
    pub standing: Standing,
    /// Why the last attempt failed, empty if none did.
    pub error: String,
}

/// The versions that are wanted and not here.
#[derive(Debug, Clone)]
pub struct Backlog {
    rules: BacklogRules,
    items: HashMap<VersionId, Item>,
    order: VecDeque<VersionId>,
}

impl Backlog {
    /// An empty backlog.
    #[must_use]
    pub fn new(rules: BacklogRules) -> Self {
        Self { rules, items: HashMap::new(), order: VecDeque::new() }
    }

    /// How many versions are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is left to fetch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether this version is in it.
    #[must_use]
    pub fn contains(&self, version: &VersionId) -> bool {
        self.items.contains_key(version)
    }

    /// Adds a version, or a holder of one that is there. `holder` is `None` for one begun in an earlier life of the
    /// node, whose holders are to be found again.
    pub fn offer(&mut self, version: VersionId, dataset: &DatasetRef, holder: Option<&NodeId>) -> Offered {
        let known = self.items.contains_key(&version);
        if !known && self.items.len() >= self.rules.capacity {
            return Offered::Full;
        }
        let order = &mut self.order;
        let item = self.items.entry(version).or_insert_with(|| {
            order.push_back(version);
            let (holders, error) = (BTreeSet::new(), String::new());
            Item { dataset: dataset.clone(), holders, running: false, failures: 0, not_before_ms: 0, error }
        });
        if let Some(holder) = holder
            && item.holders.insert(holder.clone())
        {
            // somebody new has it: no reason to wait any longer
            item.not_before_ms = 0;
        }
        if known { Offered::Known } else { Offered::Queued }
    }

    /// Takes the first version that may be fetched now from a peer for which `usable` holds, and marks it running.
    /// Versions of one dataset take turns: they share most of their chunks, which would come twice otherwise.
    pub fn start_next(&mut self, now_ms: u64, usable: impl Fn(&NodeId) -> bool) -> Option<(VersionId, DatasetRef)> {
        let busy: BTreeSet<&DatasetRef> =
            self.items.values().filter(|item| item.running).map(|item| &item.dataset).collect();
        let ready = |item: &Item| {
            !item.running
                && item.not_before_ms <= now_ms
                && !busy.contains(&item.dataset)
                && item.holders.iter().any(&usable)
        };
        let version = self.order.iter().copied().find(|version| self.items.get(version).is_some_and(ready))?;
        let item = self.items.get_mut(&version)?;
        item.running = true;
        Some((version, item.dataset.clone()))
    }

    /// The peers that are known to hold a version.
    pub fn holders(&self, version: &VersionId) -> impl Iterator<Item = &NodeId> {
        self.items.get(version).into_iter().flat_map(|item| &item.holders)
    }

    /// Whether some version in it waits without a holder for which `usable` holds.
    pub fn lacks_holders(&self, usable: impl Fn(&NodeId) -> bool) -> bool {
        self.items.values().any(|item| !item.holders.iter().any(&usable))
    }

    /// A version is whole.
    pub fn finished(&mut self, version: &VersionId) {
        self.remove(version);
    }

    /// An attempt failed: it goes to the end of the queue and waits.
    pub fn failed(&mut self, version: &VersionId, error: String, now_ms: u64, random: u64) {
        let Some(item) = self.items.get_mut(version) else { return };
        item.running = false;
        item.failures = item.failures.saturating_add(1);
        let delay = self.rules.retry.delay(item.failures, random).as_millis();
        item.not_before_ms = now_ms.saturating_add(u64::try_from(delay).unwrap_or(u64::MAX));
        item.error = error;
        self.order.retain(|other| other != version);
        self.order.push_back(*version);
    }

    /// A peer is not to be used any more, or does not hold a version after all.
    pub fn forget_holder(&mut self, peer: &NodeId, version: Option<&VersionId>) {
        match version {
            Some(version) => {
                if let Some(item) = self.items.get_mut(version) {
                    item.holders.remove(peer);
                }
            }
            None => self.items.values_mut().for_each(|item| {
                item.holders.remove(peer);
            }),
        }
    }

    /// Drops what is not wanted any more and returns those of them that are being fetched.
    pub fn retain(&mut self, wanted: impl Fn(&DatasetRef) -> bool) -> Vec<VersionId> {
        let gone: Vec<(VersionId, bool)> = self
            .items
            .iter()
            .filter(|(_, item)| !wanted(&item.dataset))
            .map(|(version, item)| (*version, item.running))
            .collect();
        gone.iter().for_each(|(version, _)| self.remove(version));
        gone.into_iter().filter(|&(_, running)| running).map(|(version, _)| version).collect()
    }

    /// The first `limit` versions in order.
    #[must_use]
    pub fn rows(&self, limit: usize) -> Vec<BacklogRow> {
        let row = |version: &VersionId| {
            let item = self.items.get(version)?;
            let standing = if item.running { Standing::Running } else { Standing::Queued };
            Some(BacklogRow { version: *version, dataset: item.dataset.clone(), standing, error: item.error.clone() })
        };
        self.order.iter().take(limit).filter_map(row).collect()
    }

    fn remove(&mut self, version: &VersionId) {
        if self.items.remove(version).is_some() {
            // nearly always one of the first
            if let Some(at) = self.order.iter().position(|other| other == version) {
                self.order.remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(tail: char) -> NodeId {
        format!("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXT{tail}").parse().unwrap()
    }

    fn version(n: u8) -> VersionId {
        VersionId::from_bytes([n; 32])
    }

    fn dataset(name: &str) -> DatasetRef {
        name.parse().unwrap()
    }

    fn any(_: &NodeId) -> bool {
        true
    }

    #[test]
    fn fetches_in_order_from_those_who_can() {
        let mut backlog = Backlog::new(BacklogRules::default());
        assert_eq!(backlog.offer(version(1), &dataset("a/b"), Some(&node('a'))), Offered::Queued);
        assert_eq!(backlog.offer(version(2), &dataset("a/b"), Some(&node('b'))), Offered::Queued);
        assert_eq!(backlog.offer(version(3), &dataset("a/c"), Some(&node('b'))), Offered::Queued);
        assert_eq!(backlog.offer(version(1), &dataset("a/b"), Some(&node('b'))), Offered::Known);
        assert_eq!(backlog.holders(&version(1)).count(), 2);
        assert_eq!(backlog.start_next(0, |peer| *peer == node('b')).unwrap().0, version(1));
        assert_eq!(backlog.start_next(0, any).unwrap().0, version(3), "versions of one dataset take turns");
        assert!(backlog.start_next(0, any).is_none(), "both run");
        backlog.finished(&version(1));
        assert_eq!(backlog.start_next(0, any).unwrap().0, version(2));
        assert_eq!(backlog.rows(10).len(), 2);
    }

    #[test]
    fn waits_after_a_failure_unless_a_new_holder_comes() {
        let mut backlog = Backlog::new(BacklogRules::default());
        backlog.offer(version(1), &dataset("a/b"), Some(&node('a')));
        backlog.start_next(0, any).unwrap();
        backlog.failed(&version(1), "gone".into(), 1000, u64::MAX);
        assert!(backlog.start_next(1001, any).is_none());
        assert_eq!(backlog.rows(1)[0].error, "gone");
        backlog.offer(version(1), &dataset("a/b"), Some(&node('a')));
        assert!(backlog.start_next(1001, any).is_none(), "the same holder changes nothing");
        backlog.offer(version(1), &dataset("a/b"), Some(&node('b')));
        assert!(backlog.start_next(1001, any).is_some());
        backlog.failed(&version(1), "again".into(), 1000, u64::MAX);
        assert!(backlog.start_next(100_000, any).is_some());
    }

    #[test]
    fn is_bounded() {
        let mut backlog = Backlog::new(BacklogRules { capacity: 2, ..BacklogRules::default() });
        for n in 1..=2 {
            assert_eq!(backlog.offer(version(n), &dataset("a/b"), None), Offered::Queued);
        }
        assert_eq!(backlog.offer(version(3), &dataset("a/b"), None), Offered::Full);
        assert_eq!(backlog.offer(version(2), &dataset("a/b"), None), Offered::Known);
    }

    #[test]
    fn forgets_liars_and_what_is_not_wanted() {
        let mut backlog = Backlog::new(BacklogRules::default());
        backlog.offer(version(1), &dataset("a/b"), Some(&node('a')));
        backlog.offer(version(2), &dataset("c/d"), Some(&node('a')));
        backlog.start_next(0, any).unwrap();
        assert!(!backlog.lacks_holders(any));
        backlog.forget_holder(&node('a'), None);
        assert!(backlog.lacks_holders(any));
        assert!(backlog.start_next(0, any).is_none());
        let stopped = backlog.retain(|dataset| dataset.topic.as_str() == "c");
        assert_eq!(stopped, [version(1)]);
        assert!(backlog.contains(&version(2)) && backlog.len() == 1 && !backlog.is_empty());
    }
}
