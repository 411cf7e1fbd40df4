//! When the catalogue of a peer is read, and how much of it at a time: what a peer says costs no more than is allowed.
//!
//! Pure: told are moments in milliseconds and why somebody wants a reading. A peer may announce, connect and go on
//! without end as often as it likes; what it causes has pauses. What people of this node want has none.

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

    /// Whether the time of a reading that had to wait has come.
    #[must_use]
    pub fn is_due(&self, now_ms: u64, has_room: bool) -> bool {
        let due = self.due_ms.is_some_and(|due| due <= now_ms) || (self.wants_room && has_room);
        !self.reading && (due || self.wants_beginning(now_ms))
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

    /// A reading ended. `from_beginning` is where it began, `passed_over` whether it left something out that may be had
    /// later, `retry` the wait after failures. Whether the next one is to begin at once.
    pub fn ended(&mut self, how: Ended, reading: Reading, now_ms: u64, waits: &Waits<'_>) -> bool {
        let again = self.again.take();
        (self.reading, self.ended_ms) = (false, Some(now_ms));
        self.failures = if how == Ended::Failed { self.failures.saturating_add(1) } else { 0 };
        self.unended = if how == Ended::Unended { self.unended.saturating_add(1) } else { 0 };
        if reading.passed_over && self.from_beginning_ms.is_none() {
            self.passed_over = self.passed_over.saturating_add(1);
            let pause = waits.rules.passed_over.delay(self.passed_over, waits.random);
            self.from_beginning_ms = Some(after(now_ms, pause));
        } else if reading.from_beginning && !reading.passed_over && how == Ended::Whole {
            self.passed_over = 0;
        }
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
}

/// What a reading was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// It began at the beginning of the catalogue.
    pub from_beginning: bool,
    /// It left something out that may be had later.
    pub passed_over: bool,
}

/// How long to wait after a reading.
#[derive(Debug, Clone, Copy)]
pub struct Waits<'a> {
    /// The rules of reading.
    pub rules: &'a ReadingRules,
    /// After failures, and for room.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RETRY: Backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(60) };
    const WHOLE: Reading = Reading { from_beginning: false, passed_over: false };

    fn waits(rules: &ReadingRules) -> Waits<'_> {
        // the shortest delays
        Waits { rules, retry: RETRY, random: 0 }
    }

    fn node(tail: char) -> NodeId {
        format!("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXT{tail}").parse().unwrap()
    }

    #[test]
    fn what_a_peer_says_waits_and_is_not_lost() {
        let rules = ReadingRules::default();
        let mut pace = Pace::default();
        assert!(pace.ask(Why::Peer, 1000, &rules), "the first time at once");
        pace.begun(true);
        assert!(pace.is_reading() && !pace.ask(Why::Peer, 1100, &rules));
        assert!(!pace.ended(Ended::Whole, WHOLE, 1200, &waits(&rules)), "after a rest");
        assert!(!pace.is_due(1699, true) && pace.is_due(1700, false));
        assert!(!pace.ask(Why::Peer, 1300, &rules) && pace.ask(Why::Asked, 1300, &rules), "people do not wait");
        pace.begun(false);
        assert!(!pace.ask(Why::Asked, 1400, &rules));
        assert!(pace.ended(Ended::Whole, WHOLE, 1500, &waits(&rules)), "not even for the end of another one");
        pace.begun(false);
        assert!(!pace.ended(Ended::Whole, WHOLE, 2000, &waits(&rules)));
        assert!(!pace.is_due(u64::MAX, true), "nobody asked");
        assert!(pace.ask(Why::Peer, 2500, &rules));
    }

    #[test]
    fn a_catalogue_without_end_is_read_ever_more_seldom() {
        let rules = ReadingRules::default();
        assert!(!rules.is_over(999) && rules.is_over(1000) && rules.keeps_position(50) && !rules.keeps_position(51));
        let (mut pace, mut now, mut pauses) = (Pace::default(), 0, Vec::new());
        for _ in 0..10 {
            pace.begun(false);
            assert!(!pace.ended(Ended::Unended, WHOLE, now, &waits(&rules)));
            let due = (0..).map(|n| now + n * 100).find(|at| pace.is_due(*at, true)).unwrap();
            assert!(!pace.ask(Why::Peer, due - 1, &rules) && !pace.ask(Why::Poll, due - 1, &rules));
            pace.met();
            assert!(!pace.ask(Why::Peer, due - 1, &rules), "coming anew does not help");
            pauses.push(due - now);
            now = due;
        }
        assert_eq!((pauses[0], pauses[1], pauses[9]), (500, 1000, 30_000));
    }

    #[test]
    fn a_full_backlog_waits_for_room_or_for_long() {
        let rules = ReadingRules::default();
        let mut pace = Pace::default();
        pace.begun(true);
        assert!(!pace.ask(Why::Peer, 0, &rules));
        assert!(!pace.ended(Ended::Full, WHOLE, 0, &waits(&rules)));
        assert!(!pace.ask(Why::Poll, 30_000, &rules) && !pace.is_due(59_999, false));
        assert!(pace.is_due(59_999, true) && pace.is_due(60_000, false));
        pace.begun(true);
        assert!(!pace.ended(Ended::Whole, WHOLE, 70_000, &waits(&rules)));
        assert!(!pace.is_due(u64::MAX, true), "it waits no more");
    }

    #[test]
    fn failures_wait_until_the_peer_comes_anew() {
        let rules = ReadingRules::default();
        let mut pace = Pace::default();
        for _ in 0..4 {
            pace.begun(true);
            pace.ended(Ended::Failed, WHOLE, 1000, &waits(&rules));
        }
        assert_eq!(pace.failures(), 4);
        assert!(!pace.is_due(1399, true) && pace.is_due(1400, true));
        assert!(!pace.ask(Why::Peer, 5000, &rules), "its word does not make it sooner");
        pace.met();
        assert!(!pace.ask(Why::Peer, 1300, &rules) && pace.is_due(1500, true), "a rest there is all the same");
        assert!(pace.ask(Why::Peer, 1500, &rules));
        assert_eq!(pace.failures(), 0);
    }

    #[test]
    fn what_was_passed_over_is_looked_for_from_the_beginning() {
        let rules = ReadingRules::default();
        let mut pace = Pace::default();
        let passed = |from_beginning| Reading { from_beginning, passed_over: true };
        pace.begun(false);
        assert!(!pace.ended(Ended::Whole, passed(false), 0, &waits(&rules)));
        assert!(pace.ask(Why::Peer, 1000, &rules), "what is new does not wait for it");
        pace.begun(false);
        pace.ended(Ended::Whole, WHOLE, 1100, &waits(&rules));
        assert!(!pace.is_due(14_999, true));
        assert!(pace.is_due(15_000, true) && pace.wants_beginning(15_000));
        pace.begun(true);
        pace.ended(Ended::Whole, passed(true), 20_000, &waits(&rules));
        assert!(!pace.is_due(49_999, true) && pace.is_due(50_000, true), "later each time");
        pace.begun(true);
        pace.ended(Ended::Whole, Reading { from_beginning: true, passed_over: false }, 60_000, &waits(&rules));
        assert!(!pace.is_due(u64::MAX, true), "it came");
    }

    #[test]
    fn quotas_are_of_a_peer_and_of_a_while() {
        let mut quota = Quota::new(2, Duration::from_secs(60));
        assert!(quota.take(&node('a'), 1000) && quota.take(&node('a'), 1001));
        assert!(!quota.take(&node('a'), 60_999) && quota.take(&node('b'), 60_999));
        assert!(quota.take(&node('a'), 61_000));
        assert_eq!(quota.used.len(), 2);
        assert!(quota.take(&node('b'), 200_000));
        assert_eq!(quota.used.len(), 1, "who was quiet is forgotten");
    }

    proptest! {
        /// Whatever a peer does and however its readings end, what it causes keeps its pauses.
        #[test]
        fn a_peer_causes_no_more_than_its_share(
            steps in prop::collection::vec((0_u64..300, 0_u8..4, prop::sample::select(vec![
                Ended::Whole, Ended::Unended, Ended::Failed
            ])), 1..200)
        ) {
            let rules = ReadingRules::default();
            let retry = Backoff { first: rules.rest * 2, max: rules.rest * 8 };
            let waits = Waits { rules: &rules, retry, random: 0 };
            let (mut pace, mut now, mut begun) = (Pace::default(), 0, 0_u64);
            for (passed, deed, how) in steps {
                now += passed;
                let begins = match deed {
                    0 => { pace.met(); pace.ask(Why::Peer, now, &rules) }
                    1 => pace.ask(Why::Peer, now, &rules),
                    2 => pace.is_due(now, false),
                    _ => pace.is_reading() && pace.ended(how, Reading::default(), now, &waits),
                };
                if begins && !pace.is_reading() {
                    pace.begun(false);
                    begun += 1;
                }
            }
            prop_assert!(begun <= 1 + now / 500, "{} in {} ms", begun, now);
        }
    }
}
