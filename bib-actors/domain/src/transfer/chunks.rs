//! Where each chunk of a transfer stands.

use std::collections::VecDeque;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has to come.
    Open,
    /// Its bytes were found right.
    Verified,
    /// It is on the disk.
    Durable,
}

#[derive(Debug, Clone)]
struct Slot {
    length: u32,
    stage: Stage,
    /// Of how many peers it is asked now.
    asked: u8,
    /// How many copies of it have come and are being checked.
    checking: u8,
}

/// The chunks of one version, and the queue of those that nobody was asked for.
#[derive(Debug, Clone)]
pub(super) struct ChunkTable {
    slots: Vec<Slot>,
    missing: VecDeque<u32>,
    left: usize,
    in_flight: u64,
    open_asks: usize,
}

impl ChunkTable {
    pub(super) fn new(lengths: Vec<u32>, missing: &[u32]) -> Self {
        let here = |length| Slot { length, stage: Stage::Durable, asked: 0, checking: 0 };
        let mut slots: Vec<Slot> = lengths.into_iter().map(here).collect();
        let mut queue = VecDeque::with_capacity(missing.len());
        for &chunk in missing {
            if let Some(slot) = slots.get_mut(chunk as usize).filter(|slot| slot.stage == Stage::Durable) {
                slot.stage = Stage::Open;
                queue.push_back(chunk);
            }
        }
        Self { slots, left: queue.len(), missing: queue, in_flight: 0, open_asks: 0 }
    }

    pub(super) fn length(&self, chunk: u32) -> u32 {
        self.slots.get(chunk as usize).map_or(0, |slot| slot.length)
    }

    pub(super) fn copies(&self, chunk: u32) -> u8 {
        self.slots.get(chunk as usize).map_or(u8::MAX, |slot| slot.asked.saturating_add(slot.checking))
    }

    pub(super) fn is_verified(&self, chunk: u32) -> bool {
        self.slots.get(chunk as usize).is_none_or(|slot| slot.stage != Stage::Open)
    }

    pub(super) const fn all_durable(&self) -> bool {
        self.left == 0
    }

    pub(super) fn nothing_missing(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether nothing was asked of anyone and nothing waits for the disk either.
    pub(super) fn idle(&self) -> bool {
        self.open_asks == 0 && self.missing.len() == self.left
    }

    pub(super) const fn in_flight_bytes(&self) -> u64 {
        self.in_flight
    }

    /// The first chunk in the queue that `suits`. Few chunks fail the test: a peer that lacks many is left.
    pub(super) fn first_missing(&self, suits: impl Fn(u32) -> bool) -> Option<u32> {
        self.missing.iter().copied().find(|&chunk| suits(chunk))
    }

    pub(super) fn take_missing(&mut self, chunk: u32) -> u32 {
        if let Some(at) = self.missing.iter().position(|&other| other == chunk) {
            self.missing.remove(at);
        }
        chunk
    }

    pub(super) fn asked(&mut self, chunk: u32) {
        if let Some(slot) = self.slots.get_mut(chunk as usize) {
            slot.asked += 1;
            self.in_flight += u64::from(slot.length);
            self.open_asks += 1;
        }
    }

    pub(super) fn arrived(&mut self, chunk: u32) {
        if let Some(slot) = self.slots.get_mut(chunk as usize) {
            slot.asked = slot.asked.saturating_sub(1);
            slot.checking += 1;
        }
    }

    /// An ask came to nothing.
    pub(super) fn returned(&mut self, chunk: u32) {
        if let Some(slot) = self.slots.get_mut(chunk as usize) {
            slot.asked = slot.asked.saturating_sub(1);
            self.settle(chunk);
        }
    }

    /// A copy that had come was checked, with either result.
    pub(super) fn checked(&mut self, chunk: u32) {
        if let Some(slot) = self.slots.get_mut(chunk as usize) {
            slot.checking = slot.checking.saturating_sub(1);
            self.settle(chunk);
        }
    }

    /// Bytes of this chunk were found right, whoever sent them.
    pub(super) fn verified(&mut self, chunk: u32) {
        if let Some(slot) = self.slots.get_mut(chunk as usize).filter(|slot| slot.stage == Stage::Open) {
            slot.stage = Stage::Verified;
            if slot.asked == 0 && slot.checking == 0 {
                self.take_missing(chunk);
            }
        }
    }

    pub(super) fn durable(&mut self, chunk: u32) {
        if let Some(slot) = self.slots.get_mut(chunk as usize).filter(|slot| slot.stage == Stage::Verified) {
            slot.stage = Stage::Durable;
            self.left -= 1;
        }
    }

    /// One ask has ended: its bytes are no longer in flight, and the chunk is queued again if no other ask is open.
    fn settle(&mut self, chunk: u32) {
        let slot = &self.slots[chunk as usize];
        self.in_flight = self.in_flight.saturating_sub(u64::from(slot.length));
        self.open_asks = self.open_asks.saturating_sub(1);
        if slot.stage == Stage::Open && slot.asked == 0 && slot.checking == 0 {
            self.missing.push_front(chunk);
        }
    }
}
