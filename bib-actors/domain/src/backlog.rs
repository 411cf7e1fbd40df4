//! The versions that a node still has to fetch, and which peers hold them.
//!
//! A bounded queue with memory of failures: what failed is tried again later, ever later. It owns the order and the
//! holders; it fetches nothing, and whether a version is wanted at all is decided in [`crate::want`].

#[cfg(test)]
mod tests;

use crate::backoff::Backoff;
use crate::{DatasetRef, NodeId, VersionId};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

/// The bounds of a backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BacklogRules {
    /// How many versions may wait. Beyond it the catalogue is not read on; what was not read is not lost.
    pub capacity: usize,
    /// How much of it must be free before a catalogue is read on that did not fit in, in percent.
    pub room_percent: u8,
    /// How long to wait after a failure, and at most for room.
    pub retry: Backoff,
    /// A version that failed more often than this waits until a place is free: no slow one gives way to it.
    pub insist_limit: u32,
    /// A version that gave way so often is not put off any more: it has its turn, and gives way to nobody.
    pub give_way_limit: u32,
    /// For how long that turn is its own. Without an end, a peer that drips would keep the place of a transfer for ever.
    pub own_turn: Duration,
}

impl Default for BacklogRules {
    fn default() -> Self {
        let retry = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(60) };
        let own_turn = Duration::from_secs(30 * 60);
        Self { capacity: 65_536, room_percent: 10, retry, insist_limit: 8, give_way_limit: 4, own_turn }
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
    /// The holders from which it came too slowly.
    slow: BTreeSet<NodeId>,
    /// How often it gave way since it last had a turn of its own.
    gave_way: u32,
    running: bool,
    started_ms: u64,
    failures: u32,
    not_before_ms: u64,
    error: String,
}

impl Item {
    const fn new(dataset: DatasetRef) -> Self {
        Self {
            dataset,
            holders: BTreeSet::new(),
            slow: BTreeSet::new(),
            gave_way: 0,
            running: false,
            started_ms: 0,
            failures: 0,
            not_before_ms: 0,
            error: String::new(),
        }
    }

    const fn is_due(&self, now_ms: u64) -> bool {
        !self.running && self.not_before_ms <= now_ms
    }

    /// Whether somebody has it who was not too slow with it before.
    fn is_swift(&self, usable: impl Fn(&NodeId) -> bool) -> bool {
        self.holders.iter().any(|peer| usable(peer) && !self.slow.contains(peer))
    }
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
    /// From whom the version that gave its place away came too slowly: the place is not for one that comes from there.
    slow_line: BTreeSet<NodeId>,
}

impl Backlog {
    /// An empty backlog.
    #[must_use]
    pub fn new(rules: BacklogRules) -> Self {
        Self { rules, items: HashMap::new(), order: VecDeque::new(), slow_line: BTreeSet::new() }
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

    /// Whether so much of it is free that it is worth reading a catalogue on.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let free = self.rules.capacity.saturating_sub(self.items.len());
        free > 0 && free.saturating_mul(100) >= self.rules.capacity.saturating_mul(self.rules.room_percent.into())
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
            Item::new(dataset.clone())
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
    /// Versions of one dataset take turns: they share most of their chunks, which would come twice otherwise. One that
    /// gave way comes after those that did not, and a place that was given away goes to one that another peer has.
    pub fn start_next(&mut self, now_ms: u64, usable: impl Fn(&NodeId) -> bool) -> Option<(VersionId, DatasetRef)> {
        let busy = self.busy(None);
        let (mut swift, mut slow) = (None, None);
        let mut best = None;
        for version in &self.order {
            let Some(item) = self.items.get(version) else { continue };
            if !item.is_due(now_ms) || busy.contains(&item.dataset) {
                continue;
            }
            if item.is_swift(|peer| usable(peer) && !self.slow_line.contains(peer)) {
                best = Some(*version);
                break;
            }
            if swift.is_none() && item.is_swift(&usable) {
                swift = Some(*version);
            }
            if slow.is_none() && item.holders.iter().any(&usable) {
                slow = Some(*version);
            }
        }
        let version = best.or(swift).or(slow)?;
        let item = self.items.get_mut(&version)?;
        (item.running, item.started_ms) = (true, now_ms);
        self.slow_line.clear();
        Some((version, item.dataset.clone()))
    }

    /// Whether another version could be started to some use if this one did not run. One does not count that would come
    /// only from where this one comes, since the line is slow and not the version; nor from those alone that were too
    /// slow with it before; nor one that failed or gave way too often. So each makes others give way a few times at
    /// most, and what is slow gets its time in the end: after it gave way a few times it has a turn of its own.
    pub fn is_in_the_way(&self, version: &VersionId, now_ms: u64, usable: impl Fn(&NodeId) -> bool) -> bool {
        let Some(running) = self.items.get(version).filter(|running| !self.has_own_turn(running, now_ms)) else {
            return false;
        };
        let busy = self.busy(Some(version));
        self.items.values().any(|item| {
            item.is_due(now_ms)
                && item.failures <= self.rules.insist_limit
                && item.gave_way < self.rules.give_way_limit
                && !busy.contains(&item.dataset)
                && item.is_swift(|peer| usable(peer) && !running.holders.contains(peer))
        })
    }

    fn has_own_turn(&self, running: &Item, now_ms: u64) -> bool {
        let own_turn_ms = u64::try_from(self.rules.own_turn.as_millis()).unwrap_or(u64::MAX);
        running.gave_way >= self.rules.give_way_limit && now_ms.saturating_sub(running.started_ms) < own_turn_ms
    }

    /// The datasets of which a version is fetched, but for this one.
    fn busy(&self, but: Option<&VersionId>) -> BTreeSet<&DatasetRef> {
        let running = self.items.iter().filter(|&(version, item)| item.running && Some(version) != but);
        running.map(|(_, item)| &item.dataset).collect()
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
        self.move_last(version);
    }

    /// A version came too slowly from these peers and gave its place away: no failure, but it goes to the end of the
    /// queue, and lets others go first. Not for ever: when it has done so often enough, it waits for its turn as they do.
    pub fn gave_way(&mut self, version: &VersionId, slow: impl IntoIterator<Item = NodeId>) {
        let Some(item) = self.items.get_mut(version) else { return };
        let limit = self.rules.give_way_limit;
        item.running = false;
        // else its own turn is over, and it begins anew
        item.gave_way = if item.gave_way < limit { item.gave_way.saturating_add(1) } else { 1 };
        self.slow_line = slow.into_iter().collect();
        item.slow.extend(self.slow_line.iter().cloned());
        item.slow.retain(|peer| item.holders.contains(peer));
        if item.gave_way >= limit {
            item.slow.clear();
        }
        item.error = "it came slowly and let others go first".to_owned();
        self.move_last(version);
    }

    fn move_last(&mut self, version: &VersionId) {
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
