//! What one peer owes a transfer, and how fast it delivers.

use super::Rules;
use std::collections::{BTreeSet, VecDeque};

/// Weight of the newest measurement of throughput, in percent: high enough to notice within a second that a peer
/// became slow, low enough not to jump with every chunk.
const NEWEST_WEIGHT: u64 = 30;

/// A peer that is in use for a transfer.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    asked: VecDeque<u32>,
    asked_bytes: u64,
    absent: BTreeSet<u32>,
    failures: u32,
    last_progress_ms: u64,
    measured_ms: u64,
    bytes_since: u64,
    /// Bytes a second; `None` until first measured.
    rate: Option<u64>,
}

impl Peer {
    pub(super) const fn new(now_ms: u64) -> Self {
        Self {
            asked: VecDeque::new(),
            asked_bytes: 0,
            absent: BTreeSet::new(),
            failures: 0,
            last_progress_ms: now_ms,
            measured_ms: now_ms,
            bytes_since: 0,
            rate: None,
        }
    }

    /// What it owes, in the order in which it was asked.
    pub(super) fn asked(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.asked.iter().copied()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }

    pub(super) fn is_without(&self, chunk: u32) -> bool {
        self.absent.contains(&chunk)
    }

    pub(super) fn has_room(&self, length: u32, rules: &Rules) -> bool {
        let window = self.rate.map_or(rules.first_window_bytes, |rate| {
            (rate.saturating_mul(rules.queue_ms) / 1000).max(rules.min_window_bytes).min(rules.max_window_bytes)
        });
        let fits = self.asked_bytes + u64::from(length) <= window;
        self.is_idle() || (self.asked.len() < rules.window_chunks && fits)
    }

    pub(super) fn ask(&mut self, chunk: u32, length: u32, now_ms: u64) {
        if self.is_idle() {
            self.last_progress_ms = now_ms;
            self.measured_ms = now_ms;
        }
        self.asked.push_back(chunk);
        self.asked_bytes += u64::from(length);
    }

    /// A chunk has come. False when this peer does not owe it.
    pub(super) fn take(&mut self, chunk: u32, length: u32, now_ms: u64) -> bool {
        self.last_progress_ms = now_ms;
        self.give_back(chunk, length)
    }

    /// A chunk is not owed any more. False when it was not.
    pub(super) fn give_back(&mut self, chunk: u32, length: u32) -> bool {
        let Some(at) = self.asked.iter().position(|&other| other == chunk) else { return false };
        self.asked.remove(at);
        self.asked_bytes = self.asked_bytes.saturating_sub(u64::from(length));
        true
    }

    pub(super) fn lacks(&mut self, chunk: u32) -> usize {
        self.absent.insert(chunk);
        self.absent.len()
    }

    pub(super) const fn failed(&mut self) -> u32 {
        self.failures += 1;
        self.failures
    }

    pub(super) const fn gave_a_chunk(&mut self) {
        self.failures = 0;
    }

    pub(super) const fn progress(&mut self, bytes: u64, now_ms: u64) {
        if bytes > 0 {
            self.bytes_since += bytes;
            self.last_progress_ms = now_ms;
        }
    }

    /// Takes the throughput since the last measurement into account. Time in which nothing was asked does not count.
    pub(super) fn measure(&mut self, now_ms: u64) {
        let elapsed = now_ms.saturating_sub(self.measured_ms);
        if elapsed == 0 || (self.is_idle() && self.bytes_since == 0) {
            return;
        }
        let newest = self.bytes_since.saturating_mul(1000) / elapsed;
        self.rate = match self.rate {
            // nothing has come yet: the first chunk may still be on its way over a long line
            None if newest == 0 => None,
            None => Some(newest),
            Some(old) => Some((old * (100 - NEWEST_WEIGHT) + newest * NEWEST_WEIGHT) / 100),
        };
        self.bytes_since = 0;
        self.measured_ms = now_ms;
    }

    pub(super) fn is_stalled(&self, now_ms: u64, stall_ms: u64) -> bool {
        !self.is_idle() && now_ms.saturating_sub(self.last_progress_ms) >= stall_ms
    }

    /// How long it will take to bring all that it owes. One that was never measured is given the benefit of the
    /// doubt for `patience_ms`.
    pub(super) fn time_left_ms(&self, now_ms: u64, patience_ms: u64) -> u64 {
        let unknown = self.rate.is_none() && now_ms.saturating_sub(self.last_progress_ms) < patience_ms;
        if unknown { 0 } else { self.time_of(self.asked_bytes) }
    }

    /// How long it would take to bring a chunk of this length.
    pub(super) fn time_for_ms(&self, length: u32) -> u64 {
        match self.rate {
            None => 0,
            Some(_) => self.time_of(u64::from(length)),
        }
    }

    fn time_of(&self, bytes: u64) -> u64 {
        match (bytes, self.rate) {
            (0, _) => 0,
            (_, None | Some(0)) => u64::MAX,
            (bytes, Some(rate)) => bytes.saturating_mul(1000) / rate,
        }
    }
}
