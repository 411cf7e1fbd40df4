//! `--watch`: shows the same records again and again, on a terminal in place, else as JSON lines.

use crate::error::CliResult;
use crate::global::Format;
use crate::output::{Column, Output};
use crate::session::Env;
use serde_json::Value;
use std::io::IsTerminal;
use std::time::Duration;

/// How often it looks again.
const INTERVAL: Duration = Duration::from_secs(2);
/// Cursor to the upper left corner, and nothing below it.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// The rounds of a command: one, or without end.
pub(crate) struct Rounds {
    /// Where each round is printed.
    pub(crate) out: Output,
    watch: bool,
    redraws: bool,
    round: u64,
}

impl Rounds {
    /// One round, or with `watch` one every two seconds.
    #[must_use]
    pub(crate) fn new(env: &Env, watch: bool) -> Self {
        let mut out = env.out.clone();
        let table = matches!(out.format, Format::Table | Format::Wide);
        let redraws = watch && table && std::io::stdout().is_terminal();
        if watch && matches!(out.format, Format::Json | Format::Plain | Format::Yaml) {
            // records that come without end are read line by line
            out.format = Format::Jsonl;
        }
        Self { out, watch, redraws, round: 0 }
    }

    /// Whether there is one more round; waits until its time has come.
    pub(crate) async fn next(&mut self) -> bool {
        self.round += 1;
        if self.round > 1 && self.watch {
            tokio::time::sleep(INTERVAL).await;
        }
        self.round == 1 || self.watch
    }

    /// Prints the list of this round.
    ///
    /// # Errors
    /// As [`Output::list`].
    pub(crate) fn list(&self, items: &[Value], columns: &[Column], empty: &str) -> CliResult {
        self.clear();
        self.out.list(items, columns, empty)
    }

    /// Prints the record of this round.
    pub(crate) fn object(&self, item: &Value, people: impl FnOnce() -> String) {
        self.clear();
        self.out.object(item, people);
    }

    fn clear(&self) {
        if self.redraws {
            crate::output::raw(CLEAR);
        }
    }
}
