//! What must hold of readings: which pauses they have, where they begin, and that nothing is read too often or never.

use super::*;
use proptest::prelude::*;

const RETRY: Backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(60) };
const WHOLE: Reading = Reading { from_beginning: false, passed_over: false, busy: false };

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
    let passed = |from_beginning| Reading { from_beginning, passed_over: true, busy: false };
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
    pace.ended(Ended::Whole, Reading { from_beginning: true, ..WHOLE }, 60_000, &waits(&rules));
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

#[test]
fn a_busy_peer_is_asked_again_soon() {
    let rules = ReadingRules::default();
    let mut pace = Pace::default();
    let busy = Reading { from_beginning: true, passed_over: true, busy: true };
    let (mut now, mut pauses) = (0, Vec::new());
    for _ in 0..12 {
        pace.begun(true);
        assert!(!pace.ended(Ended::Whole, busy, now, &waits(&rules)));
        let due = (0..).map(|n| now + n * 10).find(|at| pace.is_due(*at, true)).unwrap();
        pauses.push(due - now);
        now = due;
    }
    assert_eq!((pauses[0], pauses[1], pauses[11]), (50, 100, 30_000), "as after failures");
    pace.begun(true);
    pace.ended(Ended::Whole, Reading { from_beginning: true, passed_over: true, busy: false }, now, &waits(&rules));
    assert!(!pace.is_due(now + 14_999, true), "what it does not have waits longer");
    assert!(pace.is_due(now + 15_000, true), "and no longer for its having been busy");
    pace.begun(false);
    pace.ended(Ended::Whole, Reading { busy: true, ..WHOLE }, now, &waits(&rules));
    assert!(!pace.wants_beginning(now + 49) && pace.wants_beginning(now + 50), "a longer pause does not hold it up");
}

#[test]
fn a_reading_that_did_not_end_goes_on_first() {
    let rules = ReadingRules::default();
    let mut pace = Pace::default();
    assert_eq!((pace.start(None, false, 0), pace.start(None, true, 0)), (None, Some(0)));
    pace.begun(true);
    pace.ended(Ended::Unended, Reading { from_beginning: true, passed_over: true, busy: false }, 0, &waits(&rules));
    assert_eq!(pace.start(Some(7), true, 20_000), Some(7), "whatever wants the beginning");
    for now in [20_000, 40_000] {
        pace.begun(false);
        pace.ended(Ended::Unended, WHOLE, now, &waits(&rules));
        assert!(!pace.is_due(now + 499, true), "what was passed over does not take its pause away");
        assert!(pace.is_due(now + 2000, true));
    }
    pace.begun(false);
    pace.ended(Ended::Whole, WHOLE, 60_000, &waits(&rules));
    assert!(pace.is_due(60_000, true), "it waited for the end");
    assert_eq!(pace.start(None, false, 60_000), Some(0));
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
