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

/// Ours beside a peer's, or beside a bound.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    name: String,
    peer_name: String,
    unit: &'static str,
    better: Better,
    /// The ratio to reach.
    goal: f64,
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
        goal: f64,
        measured: Measured,
    ) -> Self {
        let (name, peer_name) = (name.to_owned(), peer.to_owned());
        Self { name, peer_name, unit, better, goal, measured, remark: String::new(), exact: false }
    }

    /// A row whose peer this run did without. It counts as not met.
    pub(crate) fn left_out(name: &str, peer: &str, unit: &'static str, goal: f64, why: &str) -> Self {
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

    /// A result within 15 % of its goal says neither.
    fn verdict(&self) -> &'static str {
        let share = self.ratio() / self.goal;
        if self.measured.rounds.is_empty() {
            "not measured"
        } else if !self.exact && (0.85..=1.15).contains(&share) {
            "undecided"
        } else if share >= 1.0 {
            "met"
        } else {
            "not met"
        }
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        if self.measured.rounds.is_empty() {
            return format!(
                "{:<30} {:<11} goal {:.2} {}  {}",
                self.name,
                self.peer_name,
                self.goal,
                self.verdict(),
                self.remark
            );
        }
        let (ours, peer) = self.medians();
        let ratios = self.ratios();
        let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ratios.iter().copied().fold(0.0, f64::max);
        format!(
            "{:<30} ours {ours:>10.2} {unit:<5} {:<11} {peer:>10.2} {unit:<5} ratio {:>6.2} [{low:.2} to {high:.2}] goal {:.2} {}  {}",
            self.name,
            self.peer_name,
            self.ratio(),
            self.goal,
            self.verdict(),
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
        json!({
            "name": self.name, "ours": ours, "peer": peer, "peer_name": self.peer_name, "unit": self.unit,
            "ratio": self.ratio(), "goal": self.goal, "met": !quick && self.ratio() >= self.goal, "verdict": verdict,
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
    fn a_quick_look_meets_no_goal() {
        assert_eq!(row(Better::Lower, 1.0, 1.0).json(true)["met"], false);
    }
}
