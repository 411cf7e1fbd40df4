//! One row of the report, for people and for programs.

use crate::measure::{Round, median};
use anyhow::Context;
use serde_json::{Value, json};
use std::path::Path;

/// Which of two figures is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// Ours beside a peer's.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) peer_name: String,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// The ratio to reach.
    pub(crate) goal: f64,
    pub(crate) rounds: Vec<Round>,
    /// What the peer does not do, or what was left out.
    pub(crate) remark: &'static str,
}

impl Row {
    /// How many times better we are, round by round.
    fn ratios(&self) -> Vec<f64> {
        let ratio = |round: &Round| match self.better {
            Better::Higher => round.ours / round.peer,
            Better::Lower => round.peer / round.ours,
        };
        self.rounds.iter().map(ratio).collect()
    }

    fn ratio(&self) -> f64 {
        median(self.ratios())
    }

    /// A result within 15 % of its goal says neither.
    fn verdict(&self) -> &'static str {
        let share = self.ratio() / self.goal;
        if (0.85..=1.15).contains(&share) {
            "undecided"
        } else if share > 1.0 {
            "met"
        } else {
            "not met"
        }
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        let (ours, peer) = self.medians();
        let ratios = self.ratios();
        let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ratios.iter().copied().fold(0.0, f64::max);
        format!(
            "{:<32} ours {ours:>10.2} {unit:<5} {:<10} {peer:>10.2} {unit:<5} ratio {:>6.2} [{low:.2} to {high:.2}] goal {:.2} {}  {}",
            self.name,
            self.peer_name,
            self.ratio(),
            self.goal,
            self.verdict(),
            self.remark,
            unit = self.unit,
        )
    }

    fn medians(&self) -> (f64, f64) {
        let of = |pick: fn(&Round) -> f64| median(self.rounds.iter().map(pick).collect());
        (of(|round| round.ours), of(|round| round.peer))
    }

    fn json(&self) -> Value {
        let (ours, peer) = self.medians();
        let runs: Vec<Value> =
            self.rounds.iter().map(|round| json!({"ours": round.ours, "peer": round.peer})).collect();
        json!({
            "name": self.name, "ours": ours, "peer": peer, "peer_name": self.peer_name, "unit": self.unit,
            "ratio": self.ratio(), "goal": self.goal, "met": self.ratio() >= self.goal, "verdict": self.verdict(),
            "remark": self.remark, "runs": runs,
        })
    }
}

/// Writes the whole report.
pub(crate) fn write(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let folder = path.parent().context("the report's folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let text = serde_json::to_string_pretty(&Value::Array(rows.iter().map(Row::json).collect()))?;
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
