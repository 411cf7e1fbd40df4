//! `--watch`: shows the same records again and again, on a terminal in place, else as JSON lines.

use crate::error::CliResult;
use crate::global::Format;
use crate::listing::Found;
use crate::output::{Column, Output};
use crate::session::Env;
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::time::Duration;

/// How often it looks again.
const INTERVAL: Duration = Duration::from_secs(2);
/// Cursor to the upper left corner, and nothing below it.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// The rounds of a command: one, or without end.
pub(crate) struct Rounds {
    out: Output,
    watch: bool,
    redraws: bool,
    round: u64,
}

impl Rounds {
    /// One round, or with `watch` one every two seconds; each prints at most `most` records.
    #[must_use]
    pub(crate) fn new(env: &Env, watch: bool, most: Option<usize>) -> Self {
        let mut out = env.out.limited(most);
        if watch {
            out = out.unpaged();
        }
        let table = matches!(out.format, Format::Table | Format::Wide);
        let redraws = watch && table && std::io::stdout().is_terminal() && !env.global.accessible;
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
        if self.watch && self.out.is_json() {
            let marked: Vec<Value> = items.iter().map(|item| self.marked(item)).collect();
            return self.out.list(&marked, columns, empty);
        }
        self.form().list(items, columns, empty)
    }

    /// The form of this round: a stream of CSV has one header.
    fn form(&self) -> Output {
        let out = self.out.clone();
        if self.round > 1 && out.format == Format::Csv { out.headless() } else { out }
    }

    /// As [`Rounds::list`] of what pages gave; says where to go on.
    ///
    /// # Errors
    /// As [`Output::list`].
    pub(crate) fn pages(&self, found: &Found, columns: &[Column], empty: &str) -> CliResult {
        self.list(&found.items, columns, empty)?;
        if !self.watch {
            found.tell(&self.out);
        }
        Ok(())
    }

    /// Prints the record of this round.
    ///
    /// # Errors
    /// As [`Output::object`].
    pub(crate) fn object(&self, item: &Value, people: impl FnOnce() -> String) -> CliResult {
        self.clear();
        if self.watch && self.out.is_json() {
            self.out.object(&self.marked(item), people)
        } else {
            self.form().object(item, people)
        }
    }

    /// A line of a stream says what kind of line it is, and in which round it was seen.
    fn marked(&self, item: &Value) -> Value {
        let mut item = item.clone();
        if let Value::Object(fields) = &mut item {
            fields.insert("type".to_owned(), json!("status"));
            fields.insert("round".to_owned(), json!(self.round));
        }
        item
    }

    fn clear(&self) {
        if self.redraws {
            crate::output::raw(CLEAR);
        }
    }
}
