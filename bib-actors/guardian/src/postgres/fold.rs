//! The statements of many changes as few.
//!
//! Changes of one kind have the same statements with other values. Where a statement says how the same is done for many,
//! the database gets it once, with an array in place of each parameter, which saves it most of the work that it has with
//! each statement. Every change keeps the order of its own statements; those of others may run between them.

use super::statements::{Params, references};
use crate::database::{Many, ManyRows, Statement, Value};

/// What is sent as one statement.
pub(super) struct Step<'a> {
    sql: &'a str,
    values: Values<'a>,
    /// Whose it is, by their place in the batch.
    changes: Vec<usize>,
}

enum Values<'a> {
    One(&'a [Value]),
    /// For each parameter what each change has for it.
    Many(Vec<Vec<&'a Value>>, ManyRows),
}

impl<'a> Step<'a> {
    fn one(change: usize, statement: &'a Statement) -> Self {
        Self { sql: &statement.sql, values: Values::One(&statement.params), changes: vec![change] }
    }

    fn many(changes: &[usize], many: &'static Many, statements: &[&'a Statement]) -> Self {
        let width = statements.first().map_or(0, |one| one.params.len());
        let column = |at: usize| statements.iter().filter_map(|one| one.params.get(at)).collect();
        let values = Values::Many((0..width).map(column).collect(), many.rows);
        Self { sql: many.sql, values, changes: changes.to_vec() }
    }

    pub(super) const fn sql(&self) -> &'a str {
        self.sql
    }

    pub(super) fn params(&self) -> Params<'_> {
        match &self.values {
            Values::One(params) => references(params),
            Values::Many(columns, _) => columns.iter().map(|column| column as _).collect(),
        }
    }

    /// How many of the rows that it changed are those of each of its changes; `None` if they are not as many as it should.
    fn share(&self, rows: u64) -> Option<u64> {
        match self.values {
            Values::One(_) => (rows > 0).then_some(rows),
            Values::Many(_, ManyRows::Own) => (rows == self.changes.len() as u64).then_some(1),
            Values::Many(_, ManyRows::Shared) => (rows == 1).then_some(1),
        }
    }
}

/// The statements of some changes, in an order in which they can be sent.
pub(super) fn fold<'a>(changes: &[&'a [Statement]]) -> Vec<Step<'a>> {
    let mut kinds: Vec<Vec<usize>> = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        match kinds.iter_mut().find(|kind| kind.first().is_some_and(|first| are_alike(changes[*first], change))) {
            Some(kind) => kind.push(at),
            None => kinds.push(vec![at]),
        }
    }
    kinds.iter().flat_map(|kind| steps(changes, kind)).collect()
}

fn are_alike(one: &[Statement], other: &[Statement]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.sql == other.sql)
}

/// The statements of changes that are alike: the first of all of them, then the second, and so on.
fn steps<'a>(changes: &[&'a [Statement]], kind: &[usize]) -> Vec<Step<'a>> {
    let first: &[Statement] = kind.first().map_or(&[], |first| changes[*first]);
    let mut steps = Vec::new();
    for (place, one) in first.iter().enumerate() {
        let statements: Vec<&'a Statement> = kind.iter().map(|change| &changes[*change][place]).collect();
        match one.many {
            Some(many) if kind.len() > 1 => steps.push(Step::many(kind, many, &statements)),
            _ => steps.extend(kind.iter().zip(statements).map(|(change, one)| Step::one(*change, one))),
        }
    }
    steps
}

/// How many rows each change changed, if each statement changed those that it should.
pub(super) fn shares(steps: &[Step<'_>], rows: &[u64], changes: usize) -> Option<Vec<u64>> {
    let mut shares = vec![0; changes];
    for (step, rows) in steps.iter().zip(rows) {
        let share = step.share(*rows)?;
        step.changes.iter().for_each(|change| shares[*change] += share);
    }
    Some(shares)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Many = Many { sql: "all", rows: ManyRows::Own };
    const NEXT: Many = Many { sql: "next of all", rows: ManyRows::Shared };

    fn text(name: &str) -> Vec<Value> {
        vec![name.into(), 7_i64.into()]
    }

    fn topic(name: &str) -> Vec<Statement> {
        vec![Statement::new("next", Vec::new()).or(&NEXT), Statement::new("add", text(name)).or(&ALL)]
    }

    fn peer(name: &str) -> Vec<Statement> {
        vec![Statement::new("peer", text(name))]
    }

    /// What each step says, and whose it is.
    fn folded(changes: &[Vec<Statement>]) -> Vec<(&str, Vec<usize>)> {
        let changes: Vec<&[Statement]> = changes.iter().map(Vec::as_slice).collect();
        fold(&changes).into_iter().map(|step| (step.sql, step.changes)).collect()
    }

    #[test]
    fn changes_of_one_kind_become_one() {
        let all = [topic("a"), peer("b"), topic("c"), peer("d")];
        let expected = [("next of all", vec![0, 2]), ("all", vec![0, 2]), ("peer", vec![1]), ("peer", vec![3])];
        assert_eq!(folded(&all), expected);
        assert_eq!(folded(&[topic("a"), peer("b")]), [("next", vec![0]), ("add", vec![0]), ("peer", vec![1])]);
        assert!(folded(&[]).is_empty() && folded(&[Vec::new(), Vec::new()]).is_empty());
    }

    #[test]
    fn each_value_stands_in_the_column_of_its_parameter() {
        let (a, b) = (topic("a"), topic("b"));
        let steps = fold(&[&a, &b]);
        let Values::Many(columns, ManyRows::Own) = &steps[1].values else { panic!("it is one for each") };
        let expected: Vec<Vec<Value>> = vec![vec!["a".into(), "b".into()], vec![7_i64.into(), 7_i64.into()]];
        assert_eq!(format!("{columns:?}"), format!("{expected:?}"));
        assert_eq!((steps[0].params().len(), steps[1].params().len()), (0, 2));
    }

    #[test]
    fn rows_that_are_not_as_they_should_be_stop_all() {
        let all = [topic("a"), topic("b"), peer("c")];
        let all: Vec<&[Statement]> = all.iter().map(Vec::as_slice).collect();
        let steps = fold(&all);
        assert_eq!(shares(&steps, &[1, 2, 3], 3), Some(vec![2, 2, 3]));
        for wrong in [[0, 2, 1], [2, 2, 1], [1, 1, 1], [1, 3, 1], [1, 2, 0]] {
            assert_eq!(shares(&steps, &wrong, 3), None, "{wrong:?}");
        }
    }

    proptest! {
        /// Each statement of each change is sent once, and after those of the same change that come before it.
        #[test]
        fn every_change_keeps_its_order(kinds in proptest::collection::vec(0_u8..4, 0..20)) {
            let make = |kind: &u8| match kind {
                0 => topic("a"),
                1 => peer("b"),
                2 => topic("c").into_iter().rev().collect(),
                _ => Vec::new(),
            };
            let all: Vec<Vec<Statement>> = kinds.iter().map(make).collect();
            let mut seen: Vec<Vec<&str>> = vec![Vec::new(); all.len()];
            for (sql, changes) in folded(&all) {
                let sql = match sql { "all" => "add", "next of all" => "next", other => other };
                changes.iter().for_each(|change| seen[*change].push(sql));
            }
            for (change, seen) in all.iter().zip(seen) {
                let own: Vec<&str> = change.iter().map(|one| &*one.sql).collect();
                prop_assert_eq!(own, seen);
            }
        }
    }
}
