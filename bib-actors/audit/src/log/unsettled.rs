//! Which intents have no outcome in the log yet.
//!
//! Kept beside the log and not read from it: a log has years, and what is open is of the last seconds. The mark carries it
//! to the next start, which goes on with the records after the mark.

use crate::outcome::Outcome;
use crate::record::AuditRecord;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What an intent and its outcome have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    op_id: [u8; 16],
    /// The beginning of a hash of action and object.
    what: [u8; 8],
}

/// An intent without an outcome, as the mark names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) seq: u64,
    pub(crate) op_id: [u8; 16],
    pub(crate) what: [u8; 8],
}

/// What is looked at of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) seq: u64,
    pub(crate) op_id: &'a [u8; 16],
    pub(crate) action: &'a str,
    pub(crate) object: &'a str,
    pub(crate) outcome: Outcome,
}

impl<'a> From<&'a AuditRecord> for Seen<'a> {
    fn from(record: &'a AuditRecord) -> Self {
        let AuditRecord { seq, op_id, action, object, outcome, .. } = record;
        Self { seq: *seq, op_id: op_id.as_bytes(), action, object, outcome: *outcome }
    }
}

/// The intents that wait for their outcome, at most `max`: beyond that the oldest are let go.
#[derive(Debug)]
pub(crate) struct Unsettled {
    max: usize,
    by_seq: BTreeMap<u64, Key>,
    by_key: BTreeSet<(Key, u64)>,
    /// Up to this position they were there when the log was opened: who would have settled them is gone.
    left_over: u64,
}

impl Unsettled {
    pub(crate) fn new(max: usize) -> Self {
        Self { max: max.max(1), by_seq: BTreeMap::new(), by_key: BTreeSet::new(), left_over: 0 }
    }

    /// Those that a mark names.
    pub(crate) fn restore(&mut self, open: &[Open]) {
        for &Open { seq, op_id, what } in open {
            self.insert(seq, Key { op_id, what });
        }
    }

    /// What is open now was left over by whoever wrote the log before.
    pub(crate) fn opened(&mut self, head_seq: u64) {
        self.left_over = head_seq;
    }

    /// Takes note of a record that is durable.
    pub(crate) fn see(&mut self, record: Seen<'_>) {
        if record.outcome == Outcome::Intent {
            let what = what(record.action, record.object);
            self.insert(record.seq, Key { op_id: *record.op_id, what });
            return;
        }
        // most records are outcomes of nothing: reads have one record
        let of_this = |what| (Key { op_id: *record.op_id, what }, 0);
        if self.by_key.range(of_this([0; 8])..).next().is_none_or(|(key, _)| key.op_id != *record.op_id) {
            return;
        }
        let key = of_this(what(record.action, record.object));
        // of two tries of one request it is not known whose it is: they become the same
        if let Some(&(found, seq)) = self.by_key.range(key..).next()
            && found == key.0
        {
            self.by_key.remove(&(found, seq));
            self.by_seq.remove(&seq);
        }
    }

    /// The open ones, oldest first.
    pub(crate) fn open(&self) -> impl Iterator<Item = Open> {
        self.by_seq.iter().map(|(&seq, &Key { op_id, what })| Open { seq, op_id, what })
    }

    /// Whether an intent was there when the log was opened.
    pub(crate) const fn is_left_over(&self, seq: u64) -> bool {
        seq <= self.left_over
    }

    fn insert(&mut self, seq: u64, key: Key) {
        if self.by_seq.len() >= self.max
            && let Some((oldest, key)) = self.by_seq.pop_first()
        {
            self.by_key.remove(&(key, oldest));
        }
        self.by_seq.insert(seq, key);
        self.by_key.insert((key, seq));
    }
}

fn what(action: &str, object: &str) -> [u8; 8] {
    let mut hash = Sha256::new();
    hash.update(action.as_bytes());
    hash.update([0]);
    hash.update(object.as_bytes());
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = hash.finalize().into();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn see(unsettled: &mut Unsettled, seq: u64, op: u8, object: &str, outcome: Outcome) {
        unsettled.see(Seen { seq, op_id: &[op; 16], action: "test.do", object, outcome });
    }

    fn seqs(unsettled: &Unsettled) -> Vec<u64> {
        unsettled.open().map(|open| open.seq).collect()
    }

    #[test]
    fn an_outcome_settles_the_oldest_intent_of_its_operation_and_no_other() {
        let mut log = Unsettled::new(10);
        see(&mut log, 1, 7, "a", Outcome::Intent);
        see(&mut log, 2, 7, "b", Outcome::Intent);
        see(&mut log, 3, 7, "a", Outcome::Intent);
        see(&mut log, 4, 8, "a", Outcome::Ok);
        see(&mut log, 5, 7, "c", Outcome::Ok);
        assert_eq!(seqs(&log), [1, 2, 3], "neither another operation's nor that of another object");
        see(&mut log, 6, 7, "a", Outcome::Failed);
        assert_eq!(seqs(&log), [2, 3]);
        see(&mut log, 7, 7, "a", Outcome::Refused);
        see(&mut log, 8, 7, "a", Outcome::Ok);
        assert_eq!(seqs(&log), [2]);
    }

    #[test]
    fn beyond_the_bound_the_oldest_is_let_go() {
        let mut log = Unsettled::new(3);
        (1..=5).for_each(|seq| see(&mut log, seq, 1, "a", Outcome::Intent));
        assert_eq!(seqs(&log), [3, 4, 5]);
        (6..=8).for_each(|seq| see(&mut log, seq, 1, "a", Outcome::Ok));
        assert_eq!((seqs(&log), log.by_key.len()), (vec![], 0));
    }

    #[test]
    fn what_a_mark_carried_is_settled_by_what_came_after_it() {
        let mut before = Unsettled::new(10);
        see(&mut before, 3, 1, "a", Outcome::Intent);
        see(&mut before, 4, 2, "b", Outcome::Intent);
        let mut after = Unsettled::new(10);
        after.restore(&before.open().collect::<Vec<_>>());
        see(&mut after, 5, 1, "a", Outcome::Ok);
        after.opened(5);
        see(&mut after, 6, 3, "c", Outcome::Intent);
        assert_eq!(seqs(&after), [4, 6]);
        assert!(after.is_left_over(4) && !after.is_left_over(6));
    }

    proptest! {
        /// It says what a look at the whole log would say.
        #[test]
        fn it_is_what_a_look_at_the_whole_log_finds(
            records in prop::collection::vec((0..4_u8, 0..3_usize, 0..3_u64), 0..60),
        ) {
            let objects = ["a", "b", "c"];
            let mut unsettled = Unsettled::new(100);
            let mut open: Vec<(u64, u8, usize)> = Vec::new();
            for (seq, (op, object, code)) in (1..).zip(records) {
                let outcome = Outcome::from_code(code).unwrap();
                see(&mut unsettled, seq, op, objects[object], outcome);
                if outcome == Outcome::Intent {
                    open.push((seq, op, object));
                } else if let Some(at) = open.iter().position(|&(_, o, x)| (o, x) == (op, object)) {
                    open.remove(at);
                }
            }
            prop_assert_eq!(seqs(&unsettled), open.iter().map(|(seq, ..)| *seq).collect::<Vec<_>>());
        }
    }
}
