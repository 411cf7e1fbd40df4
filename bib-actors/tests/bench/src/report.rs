//! One row of the report, for people and for programs.

use crate::measure::{Measured, Round, median};
use anyhow::Context;
use serde_json::{Value, json};
use std::path::Path;

/// Which of two figures is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// The goal of a row that is there for comparison: none.
pub(crate) const NO_GOAL: Option<f64> = None;

/// Ours beside a peer's, or beside a bound.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    name: String,
    peer_name: String,
    unit: &'static str,
    better: Better,
    /// The ratio to reach; a row without one is there for comparison.
    goal: Option<f64>,
    measured: Measured,
    /// What the peer does not do, or what was left out.
    remark: String,
    /// A count rather than a measurement: it has no margin of error.
    exact: bool,
}

impl Row {
    /// A row with its rounds.
    pub(crate) fn new(
        name: &str,
        peer: &str,
        unit: &'static str,
        better: Better,
        goal: impl Into<Option<f64>>,
        measured: Measured,
    ) -> Self {
        let (name, peer_name) = (name.to_owned(), peer.to_owned());
        let goal = goal.into();
        Self { name, peer_name, unit, better, goal, measured, remark: String::new(), exact: false }
    }

    /// A row whose peer this run did without. A goal counts as not met.
    pub(crate) fn left_out(
        name: &str,
        peer: &str,
        unit: &'static str,
        goal: impl Into<Option<f64>>,
        why: &str,
    ) -> Self {
        Self::new(name, peer, unit, Better::Higher, goal, Measured::default()).remark(format!("left out: {why}"))
    }

    /// The same with a remark.
    pub(crate) fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = remark.into();
        self
    }

    /// The same as a count.
    pub(crate) fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// How many times better we are, round by round.
    fn ratios(&self) -> Vec<f64> {
        let ratio = |round: &Round| match self.better {
            Better::Higher => round.ours / round.peer,
            Better::Lower => round.peer / round.ours,
        };
        self.measured.rounds.iter().map(ratio).collect()
    }

    fn ratio(&self) -> f64 {
        median(self.ratios())
    }

    /// A result within 15 % of its goal says neither, and one without a goal nothing.
    fn verdict(&self) -> &'static str {
        if self.measured.rounds.is_empty() {
            return "not measured";
        }
        let Some(goal) = self.goal else { return "-" };
        let share = self.ratio() / goal;
        if !self.exact && (0.85..=1.15).contains(&share) {
            "undecided"
        } else if share >= 1.0 {
            "met"
        } else {
            "not met"
        }
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        let goal = self.goal.map(|goal| format!("goal {goal:.2} ")).unwrap_or_default() + self.verdict();
        if self.measured.rounds.is_empty() {
            return format!("{:<30} {:<11} {goal}  {}", self.name, self.peer_name, self.remark);
        }
        let (ours, peer) = self.medians();
        let ratios = self.ratios();
        let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ratios.iter().copied().fold(0.0, f64::max);
        format!(
            "{:<30} ours {ours:>10.2} {unit:<5} {:<11} {peer:>10.2} {unit:<5} ratio {:>6.2} [{low:.2} to {high:.2}] {goal}  {}",
            self.name,
            self.peer_name,
            self.ratio(),
            self.remarks(),
            unit = self.unit,
        )
    }

    fn remarks(&self) -> String {
        let disturbed = self.measured.disturbed;
        if disturbed == 0 {
            return self.remark.clone();
        }
        let rounds = self.measured.rounds.len();
        format!("{} [others kept the machine busy in {disturbed} of {rounds} rounds]", self.remark).trim().to_owned()
    }

    fn medians(&self) -> (f64, f64) {
        let of = |pick: fn(&Round) -> f64| median(self.measured.rounds.iter().map(pick).collect());
        (of(|round| round.ours), of(|round| round.peer))
    }

    fn json(&self, quick: bool) -> Value {
        let (ours, peer) = self.medians();
        let runs: Vec<Value> =
            self.measured.rounds.iter().map(|round| json!({"ours": round.ours, "peer": round.peer})).collect();
        let verdict = if quick { "no measurement" } else { self.verdict() };
        let met = self.goal.map(|goal| !quick && self.ratio() >= goal);
        json!({
            "name": self.name, "ours": ours, "peer": peer, "peer_name": self.peer_name, "unit": self.unit,
            "ratio": self.ratio(), "goal": self.goal, "met": met, "verdict": verdict,
            "remark": self.remarks(), "disturbed": self.measured.disturbed, "runs": runs,
        })
    }
}

/// Writes the whole report.
pub(crate) fn write(path: &Path, rows: &[Row], quick: bool) -> anyhow::Result<()> {
    write_json(path, &Value::Array(rows.iter().map(|row| row.json(quick)).collect()))
}

/// Writes a file for programs.
pub(crate) fn write_json(path: &Path, value: &Value) -> anyhow::Result<()> {
    let folder = path.parent().context("the report's folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    std::fs::write(path, serde_json::to_string_pretty(value)?).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(better: Better, ours: f64, goal: f64) -> Row {
        let rounds = vec![Round { ours, peer: 10.0 }; 3];
        Row::new("r", "p", "ms", better, goal, Measured { rounds, disturbed: 0 })
    }

    #[test]
    fn near_the_goal_is_undecided_unless_it_is_a_count() {
        assert_eq!(row(Better::Higher, 9.5, 1.0).verdict(), "undecided");
        assert_eq!(row(Better::Higher, 9.5, 1.0).exact().verdict(), "not met");
        assert_eq!(row(Better::Lower, 5.0, 1.0).verdict(), "met");
        assert_eq!(row(Better::Lower, 20.0, 1.0).verdict(), "not met");
    }

    #[test]
    fn what_is_left_out_is_not_met() {
        let row = Row::left_out("r", "p", "ms", 1.0, "no such thing");
        assert_eq!((row.verdict(), &row.json(false)["met"]), ("not measured", &Value::Bool(false)));
    }

    #[test]
    fn a_row_for_comparison_has_no_verdict() {
        let measured = Measured { rounds: vec![Round { ours: 1.0, peer: 2.0 }], disturbed: 0 };
        let row = Row::new("r", "p", "ms", Better::Higher, NO_GOAL, measured);
        let json = row.json(false);
        assert_eq!((row.verdict(), &json["goal"], &json["met"]), ("-", &Value::Null, &Value::Null));
        assert!(row.line().contains("[0.50 to 0.50] -  "), "{}", row.line());
        assert_eq!(Row::left_out("r", "p", "ms", NO_GOAL, "no such thing").verdict(), "not measured");
    }

    #[test]
    fn a_quick_look_meets_no_goal() {
        assert_eq!(row(Better::Lower, 1.0, 1.0).json(true)["met"], false);
    }
}
