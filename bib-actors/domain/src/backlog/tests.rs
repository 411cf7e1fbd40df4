//! What must hold of a backlog: its order, its bounds, and who lets whom go first.

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
fn what_is_slow_gives_way_and_then_runs_in_peace() {
    let mut backlog = Backlog::new(BacklogRules::default());
    backlog.offer(version(1), &dataset("a/b"), Some(&node('a')));
    assert_eq!(backlog.start_next(0, any).unwrap().0, version(1));
    assert!(!backlog.is_in_the_way(&version(1), 0, any), "nobody waits");
    backlog.offer(version(2), &dataset("a/c"), Some(&node('b')));
    assert!(!backlog.is_in_the_way(&version(1), 0, |peer| *peer == node('a')), "that one cannot be fetched");
    assert!(backlog.is_in_the_way(&version(1), 0, any));
    backlog.gave_way(&version(1), [node('a')]);
    backlog.offer(version(3), &dataset("a/d"), Some(&node('b')));
    assert_eq!(backlog.start_next(0, any).unwrap().0, version(2));
    assert!(!backlog.rows(9)[1].error.is_empty());
    assert_eq!(backlog.start_next(0, any).unwrap().0, version(3), "though it came later");
    assert!(!backlog.is_in_the_way(&version(2), 0, any), "what gave way displaces nobody");
    assert_eq!(backlog.start_next(0, any).unwrap().0, version(1), "without any wait");
    backlog.gave_way(&version(1), [node('a')]);
    backlog.offer(version(1), &dataset("a/b"), Some(&node('c')));
    assert!(backlog.is_in_the_way(&version(2), 0, any), "somebody else has it");
}

#[test]
fn a_version_gives_way_to_one_of_its_own_dataset() {
    let mut backlog = Backlog::new(BacklogRules::default());
    backlog.offer(version(1), &dataset("a/b"), Some(&node('a')));
    backlog.offer(version(2), &dataset("a/b"), Some(&node('b')));
    backlog.offer(version(3), &dataset("a/c"), Some(&node('a')));
    assert_eq!(backlog.start_next(0, any).unwrap().0, version(1));
    assert_eq!(backlog.start_next(0, any).unwrap().0, version(3));
    assert!(backlog.is_in_the_way(&version(1), 0, any));
    assert!(!backlog.is_in_the_way(&version(3), 0, any), "the other one of its dataset would still run");
}

#[test]
fn nothing_gives_way_to_what_comes_over_the_same_line() {
    let mut backlog = Backlog::new(BacklogRules::default());
    backlog.offer(version(1), &dataset("a/b"), Some(&node('a')));
    backlog.offer(version(1), &dataset("a/b"), Some(&node('b')));
    assert_eq!(backlog.start_next(0, any).unwrap().0, version(1));
    backlog.offer(version(2), &dataset("a/c"), Some(&node('a')));
    assert!(!backlog.is_in_the_way(&version(1), 0, any), "the line is slow, not the version");
    backlog.offer(version(3), &dataset("a/d"), Some(&node('c')));
    assert!(backlog.is_in_the_way(&version(1), 0, any));
    backlog.gave_way(&version(1), [node('a'), node('b')]);
    assert_eq!(backlog.start_next(0, any).unwrap().0, version(3), "the place is for whom it was given away");
    assert_eq!(backlog.start_next(0, any).unwrap().0, version(2), "any other place is for the first one");
}

#[test]
fn what_gave_way_often_has_a_turn_of_its_own() {
    let own_turn = Duration::from_secs(10);
    let mut backlog = Backlog::new(BacklogRules { give_way_limit: 2, own_turn, ..BacklogRules::default() });
    backlog.offer(version(1), &dataset("a/b"), Some(&node('a')));
    assert_eq!(backlog.start_next(0, any).unwrap().0, version(1));
    // new ones come without end
    let mut news = 10..;
    let mut come = |backlog: &mut Backlog| {
        let n = news.next().unwrap();
        backlog.offer(version(n), &dataset(&format!("a/n{n}")), Some(&node('b')));
        version(n)
    };
    let first = come(&mut backlog);
    assert!(backlog.is_in_the_way(&version(1), 0, any));
    backlog.gave_way(&version(1), [node('a')]);
    assert_eq!(backlog.start_next(0, any).unwrap().0, first);
    let second = come(&mut backlog);
    backlog.finished(&first);
    assert_eq!(backlog.start_next(0, any).unwrap().0, second, "it lets the new one go first");
    backlog.finished(&second);
    assert_eq!(backlog.start_next(0, any).unwrap().0, version(1));
    let third = come(&mut backlog);
    assert!(backlog.is_in_the_way(&version(1), 0, any));
    backlog.gave_way(&version(1), [node('a')]);
    assert_eq!(backlog.start_next(0, any).unwrap().0, third);
    assert!(!backlog.is_in_the_way(&third, 0, any), "it still displaces nobody");
    let fourth = come(&mut backlog);
    backlog.finished(&third);
    assert_eq!(backlog.start_next(5000, any).unwrap().0, version(1), "now the new one waits");
    assert!(!backlog.is_in_the_way(&version(1), 14_999, any), "and goes on waiting");
    assert!(backlog.is_in_the_way(&version(1), 15_000, any), "a drip does not keep a place for ever");
    backlog.gave_way(&version(1), [node('a')]);
    assert_eq!(backlog.start_next(15_000, any).unwrap().0, fourth);
    let fifth = come(&mut backlog);
    backlog.finished(&fourth);
    assert_eq!(backlog.start_next(15_000, any).unwrap().0, fifth, "it begins anew");
}

#[test]
fn one_that_always_fails_makes_others_give_way_a_few_times_only() {
    let mut backlog = Backlog::new(BacklogRules { insist_limit: 3, ..BacklogRules::default() });
    backlog.offer(version(1), &dataset("a/b"), Some(&node('a')));
    assert_eq!(backlog.start_next(0, any).unwrap().0, version(1));
    backlog.offer(version(2), &dataset("a/c"), Some(&node('b')));
    let mut times = 0;
    while backlog.is_in_the_way(&version(1), u64::MAX, any) {
        times += 1;
        assert_eq!(backlog.start_next(u64::MAX, any).unwrap().0, version(2));
        backlog.failed(&version(2), "no".into(), 0, 0);
    }
    assert_eq!(times, 4);
    assert_eq!(backlog.start_next(u64::MAX, any).unwrap().0, version(2), "it may take a free place");
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
fn says_when_there_is_room_again() {
    let mut backlog = Backlog::new(BacklogRules { capacity: 4, room_percent: 50, ..BacklogRules::default() });
    assert!(backlog.has_room());
    for n in 1..=4 {
        backlog.offer(version(n), &dataset("a/b"), None);
    }
    assert!(!backlog.has_room());
    backlog.finished(&version(1));
    assert!(!backlog.has_room(), "one place is not worth it");
    backlog.finished(&version(2));
    assert!(backlog.has_room());
    let mut none = Backlog::new(BacklogRules { capacity: 1, room_percent: 0, ..BacklogRules::default() });
    none.offer(version(1), &dataset("a/b"), None);
    assert!(!none.has_room(), "no room is none, whatever the rule says");
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
