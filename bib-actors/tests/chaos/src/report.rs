//! What a scenario found: one row for people, one object for programs.

use anyhow::Context;
use serde_json::{Value, json};
use std::fmt;
use std::path::Path;

/// How many violations a row spells out.
const SHOWN: usize = 5;

/// The outcome of one scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub scenario: &'static str,
    /// What it does.
    pub about: &'static str,
    /// The seed that repeats it.
    pub seed: u64,
    /// Runs.
    pub runs: u32,
    /// Runs of which nothing can be said, because nothing was acknowledged in them or nothing was hit.
    pub void: u32,
    /// What must not be, and was.
    pub violations: Vec<String>,
    /// Why runs are void, where that is not plain.
    pub notes: Vec<String>,
    /// What was measured, by name.
    pub figures: Vec<(String, f64)>,
    /// How long it took.
    pub seconds: f64,
}

impl Row {
    pub(crate) const fn new(scenario: &'static str, about: &'static str, seed: u64) -> Self {
        Self {
            scenario,
            about,
            seed,
            runs: 0,
            void: 0,
            violations: Vec::new(),
            notes: Vec::new(),
            figures: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Says why runs are void.
    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        self.figures.push((name.to_owned(), value));
    }

    /// Median, ninety-ninth percentile and largest of a sample.
    pub(crate) fn sample(&mut self, name: &str, mut values: Vec<f64>) {
        values.sort_by(f64::total_cmp);
        let Some(&largest) = values.last() else { return };
        let at = |share: usize| values[(values.len() * share / 100).min(values.len() - 1)];
        let (median, high) = (at(50), at(99));
        self.figure(&format!("{name} p50"), median);
        self.figure(&format!("{name} p99"), high);
        self.figure(&format!("{name} max"), largest);
    }

    /// Notes a violation unless `holds`.
    pub(crate) fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(otherwise());
        }
    }

    /// Notes that a promise was broken on purpose, and whether the checks saw it.
    pub(crate) fn self_check(&mut self, seen: bool, what: &str) {
        self.expect(seen, || format!("the scenario's own check cannot fail: {what} was not seen"));
    }

    /// `ok`, `VIOLATED`, or `VOID` when nothing was tested.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        if !self.violations.is_empty() {
            "VIOLATED"
        } else if self.runs == 0 || self.void == self.runs {
            "VOID"
        } else {
            "ok"
        }
    }

    /// Whether it was tested and held.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.verdict() == "ok"
    }

    fn json(&self) -> Value {
        let figures: serde_json::Map<_, _> =
            self.figures.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({
            "scenario": self.scenario, "about": self.about, "seed": self.seed, "runs": self.runs, "void": self.void,
            "violations": self.violations, "notes": self.notes, "figures": figures, "seconds": self.seconds,
            "verdict": self.verdict(),
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<16} {:>5} runs {:>3} void {:>3} violations  {:<8} {:>7.1} s  seed {}",
            self.scenario,
            self.runs,
            self.void,
            self.violations.len(),
            self.verdict(),
            self.seconds,
            self.seed
        )?;
        for violation in self.violations.iter().take(SHOWN) {
            write!(f, "\n    ! {violation}")?;
        }
        if self.violations.len() > SHOWN {
            write!(f, "\n    ! and {} more in the report", self.violations.len() - SHOWN)?;
        }
        for note in &self.notes {
            write!(f, "\n    - {note}")?;
        }
        if !self.figures.is_empty() {
            let figures: Vec<_> = self.figures.iter().map(|(name, value)| format!("{name} {value:.1}")).collect();
            write!(f, "\n      {}", figures.join(", "))?;
        }
        Ok(())
    }
}

/// Scenario, runs, violations, as a table.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = format!("{:<16} {:>6} {:>5} {:>11}  verdict\n", "scenario", "runs", "void", "violations");
    for row in rows {
        text.push_str(&format!(
            "{:<16} {:>6} {:>5} {:>11}  {}\n",
            row.scenario,
            row.runs,
            row.void,
            row.violations.len(),
            row.verdict()
        ));
    }
    text
}

/// Writes the report for programs.
///
/// # Errors
/// When the file cannot be written.
pub fn write_report(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let folder = path.parent().context("the report's folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let text = serde_json::to_string_pretty(&Value::Array(rows.iter().map(Row::json).collect()))?;
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_acknowledgements_is_no_pass() {
        let mut row = Row::new("x", "", 1);
        assert_eq!(row.verdict(), "VOID");
        row.runs = 3;
        assert!(row.is_ok());
        row.void = 3;
        row.note("there is no room".to_owned());
        assert_eq!(row.verdict(), "VOID");
        assert!(row.to_string().contains("\n    - there is no room"));
        row.self_check(false, "a lost version");
        assert_eq!(row.verdict(), "VIOLATED");
        assert!(table(&[row]).contains("VIOLATED"));
    }
}
