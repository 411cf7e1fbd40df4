//! When the catalogue of a peer is read, and how much of it at a time: what a peer says costs no more than is allowed.
//!
//! Pure: told are moments in milliseconds and why somebody wants a reading. A peer may announce, connect and go on
//! without end as often as it likes; what it causes has pauses. What people of this node want has none.

#[cfg(test)]
mod tests;

use crate::NodeId;
use crate::backoff::Backoff;
use std::collections::BTreeMap;
use std::time::Duration;

/// The bounds of reading a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadingRules {
    /// Pages of one reading. The rest is read in the next one, after a pause.
    pub pages: u32,
    /// Pages after which the position is written down. At the end of a reading it is, too.
    pub pages_per_position: u32,
    /// The least time between the end of a reading and the next one of the same peer that the peer causes.
    pub rest: Duration,
    /// How long to wait before a catalogue that did not end is read on, after so many readings in a row.
    pub unended: Backoff,
    /// How long to wait before a catalogue of which something was passed over is read again from its beginning.
    pub passed_over: Backoff,
}

impl Default for ReadingRules {
    fn default() -> Self {
        Self {
            pages: 1000,
            pages_per_position: 50,
            rest: Duration::from_millis(500),
            unended: Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) },
            passed_over: Backoff { first: Duration::from_secs(30), max: Duration::from_secs(3600) },
        }
    }
}

impl ReadingRules {
    /// Whether a reading ends after so many pages.
    #[must_use]
    pub fn is_over(&self, pages: u32) -> bool {
        pages >= self.pages.max(1)
    }

    /// Whether the position is written down after so many pages of a reading that goes on.
    #[must_use]
    pub fn keeps_position(&self, pages: u32) -> bool {
        pages.is_multiple_of(self.pages_per_position.max(1))
    }
}

/// Why a catalogue is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The peer says that it has something new, or came.
    Peer,
    /// It is time to look.
    Poll,
    /// Somebody of this node wants it, or other things are wanted now than before.
    Asked,
}

/// How a reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// At the end of the catalogue.
    Whole,
    /// Before it: there were more pages than one reading takes.
    Unended,
    /// Too much waits to be fetched.
    Full,
    /// It broke.
    Failed,
}

/// The readings of one peer's catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pace {
    reading: bool,
    /// The best reason to read again that came meanwhile.
    again: Option<Why>,
    ended_ms: Option<u64>,
    due_ms: Option<u64>,
    /// Whatever the peer says, it is not read before it is due.
    held: bool,
    /// It is to be read when there is room for what it has.
    wants_room: bool,
    failures: u32,
    unended: u32,
    passed_over: u32,
    busy: u32,
    from_beginning_ms: Option<u64>,
}

impl Pace {
    /// Whether it is being read.
    #[must_use]
    pub const fn is_reading(&self) -> bool {
        self.reading
    }

    /// How often in a row it could not be read.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether a reading may begin now for this reason. If not, it is remembered.
    pub fn ask(&mut self, why: Why, now_ms: u64, rules: &ReadingRules) -> bool {
        if self.reading {
            self.again = self.again.max(Some(why));
            return false;
        }
        if why == Why::Asked {
            return true;
        }
        if self.held && self.due_ms.is_some() {
            return false;
        }
        let from_ms = self.ended_ms.map_or(0, |ended| after(ended, rules.rest));
        if now_ms >= from_ms {
            return true;
        }
        self.due_ms = Some(self.due_ms.map_or(from_ms, |due| due.min(from_ms)));
        false
    }

    /// Whether the time of a reading that had to wait has come. What was passed over takes no pause away.
    #[must_use]
    pub fn is_due(&self, now_ms: u64, has_room: bool) -> bool {
        let due = self.due_ms.is_some_and(|due| due <= now_ms) || (self.wants_room && has_room);
        let pauses = self.held && self.due_ms.is_some();
        !self.reading && (due || (!pauses && self.wants_beginning(now_ms)))
    }

    /// Where the next reading begins; `None` is the position that was written down. One that did not end goes on first:
    /// what wants the beginning comes again and again, and a long catalogue would never be read to its end.
    #[must_use]
    pub fn start(&self, resume: Option<u64>, from_beginning: bool, now_ms: u64) -> Option<u64> {
        resume.or_else(|| (from_beginning || self.wants_beginning(now_ms)).then_some(0))
    }

    /// Whether the next reading is to go from the beginning, for what was passed over.
    #[must_use]
    pub fn wants_beginning(&self, now_ms: u64) -> bool {
        self.from_beginning_ms.is_some_and(|at| at <= now_ms)
    }

    /// A reading begins.
    pub fn begun(&mut self, from_beginning: bool) {
        (self.reading, self.again, self.due_ms, self.held, self.wants_room) = (true, None, None, false, false);
        if from_beginning {
            self.from_beginning_ms = None;
        }
    }

    /// A reading could not even begin.
    pub fn put_off(&mut self, now_ms: u64, pause: Duration) {
        self.due_ms = Some(after(now_ms, pause));
    }

    /// The peer came anew: whatever failed before, failed with another connection.
    pub fn met(&mut self) {
        self.failures = 0;
        if self.held && !self.wants_room && self.unended == 0 {
            (self.held, self.due_ms) = (false, None);
        }
    }

    /// A reading ended. Whether the next one is to begin at once.
    pub fn ended(&mut self, how: Ended, reading: Reading, now_ms: u64, waits: &Waits<'_>) -> bool {
        let again = self.again.take();
        (self.reading, self.ended_ms) = (false, Some(now_ms));
        self.failures = if how == Ended::Failed { self.failures.saturating_add(1) } else { 0 };
        self.unended = if how == Ended::Unended { self.unended.saturating_add(1) } else { 0 };
        self.look_again(how, reading, now_ms, waits);
        let pause = match how {
            Ended::Whole => None,
            Ended::Unended => Some(waits.rules.unended.delay(self.unended, waits.random)),
            Ended::Full => Some(waits.retry.max),
            Ended::Failed => Some(waits.retry.delay(self.failures, waits.random)),
        };
        self.wants_room = how == Ended::Full;
        if let Some(pause) = pause {
            self.held = true;
            self.due_ms = Some(after(now_ms, pause));
        }
        match again {
            Some(Why::Asked) => matches!(how, Ended::Whole | Ended::Unended),
            Some(why) if how == Ended::Whole => self.ask(why, now_ms, waits.rules),
            _ => false,
        }
    }

    /// When the catalogue is read again from its beginning for what this reading did not get. A peer that is busy gives
    /// it in a moment, so that says nothing about how long to wait for what a peer does not have.
    fn look_again(&mut self, how: Ended, reading: Reading, now_ms: u64, waits: &Waits<'_>) {
        let whole = reading.from_beginning && how == Ended::Whole;
        if reading.busy {
            let busy = self.busy.saturating_add(1);
            let at = after(now_ms, waits.retry.delay(busy, waits.random));
            if self.from_beginning_ms.is_none_or(|set| at < set) {
                (self.busy, self.from_beginning_ms) = (busy, Some(at));
            }
            return;
        }
        if whole {
            self.busy = 0;
        }
        if reading.passed_over && self.from_beginning_ms.is_none() {
            self.passed_over = self.passed_over.saturating_add(1);
            let pause = waits.rules.passed_over.delay(self.passed_over, waits.random);
            self.from_beginning_ms = Some(after(now_ms, pause));
        } else if whole && !reading.passed_over {
            self.passed_over = 0;
        }
    }
}

/// What a reading was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// It began at the beginning of the catalogue.
    pub from_beginning: bool,
    /// It left something out that may be had later.
    pub passed_over: bool,
    /// It left something out because the peer was busy.
    pub busy: bool,
}

/// How long to wait after a reading.
#[derive(Debug, Clone, Copy)]
pub struct Waits<'a> {
    /// The rules of reading.
    pub rules: &'a ReadingRules,
    /// After failures, for room, and for a peer that is busy.
    pub retry: Backoff,
    /// Any random number.
    pub random: u64,
}

/// How often each peer may cause something within a while, from the first time on.
#[derive(Debug, Clone)]
pub struct Quota {
    most: u32,
    within: Duration,
    used: BTreeMap<NodeId, (u64, u32)>,
}

impl Quota {
    /// At most `most` times `within` this time.
    #[must_use]
    pub const fn new(most: u32, within: Duration) -> Self {
        Self { most, within, used: BTreeMap::new() }
    }

    /// Whether it may happen once more. Only for peers that are paired: their number bounds the table.
    #[must_use]
    pub fn take(&mut self, peer: &NodeId, now_ms: u64) -> bool {
        let within = self.within;
        self.used.retain(|_, (since_ms, _)| after(*since_ms, within) > now_ms);
        let (_, used) = self.used.entry(peer.clone()).or_insert((now_ms, 0));
        let allowed = *used < self.most;
        *used = used.saturating_add(u32::from(allowed));
        allowed
    }
}

fn after(from_ms: u64, pause: Duration) -> u64 {
    from_ms.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
}
