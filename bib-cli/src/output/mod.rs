//! Standard output: the same records as table, text for programs, JSON, YAML or CSV.

mod table;
mod text;
mod yaml;

pub(crate) use table::align;
pub(crate) use text::{age, bytes, count, milliseconds, rfc3339};

use crate::error::printable;
use crate::global::{Format, Global};
use serde_json::Value;
use std::io::{self, IsTerminal, Write};

/// A column of a list: its header and how a record's cell is made.
pub(crate) struct Column {
    /// Upper case, no spaces.
    pub(crate) header: &'static str,
    /// Only in `-o wide`, CSV and plain text.
    pub(crate) wide: bool,
    /// The cell for people.
    pub(crate) cell: fn(&Value) -> String,
}

/// A column that is always shown.
#[must_use]
pub(crate) const fn column(header: &'static str, cell: fn(&Value) -> String) -> Column {
    Column { header, wide: false, cell }
}

/// A column of `-o wide`.
#[must_use]
pub(crate) const fn wide(header: &'static str, cell: fn(&Value) -> String) -> Column {
    Column { header, wide: true, cell }
}

/// A field as text; empty if it is not there.
#[must_use]
pub(crate) fn field(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Where results go, and in which form.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// The form.
    pub(crate) format: Format,
    headers: bool,
    quiet: bool,
}

impl Output {
    /// As the flags say; a table on a terminal, plain text elsewhere.
    #[must_use]
    pub(crate) fn new(global: &Global) -> Self {
        let usual = if io::stdout().is_terminal() { Format::Table } else { Format::Plain };
        let format = if global.json { Format::Json } else { global.output.unwrap_or(usual) };
        Self { format, headers: !global.no_headers, quiet: global.quiet }
    }

    /// A table on standard output, for tests.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn for_tests() -> Self {
        Self { format: Format::Table, headers: true, quiet: false }
    }

    /// Whether a program reads the output.
    #[must_use]
    pub(crate) const fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// Whether `-q` was given.
    #[must_use]
    pub(crate) const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Prints a list; `empty` is what to say, on standard error, when there is nothing in it.
    pub(crate) fn list(&self, items: &[Value], columns: &[Column], empty: &str) {
        if items.is_empty() && !self.quiet && !self.is_json() {
            note(empty);
        }
        if self.quiet && !self.is_json() {
            self.names(items);
            return;
        }
        match self.format {
            Format::Json => line(&to_pretty(&Value::Array(items.to_vec()))),
            Format::Jsonl => items.iter().for_each(|item| line(&item.to_string())),
            Format::Yaml => text_block(&yaml::render(&Value::Array(items.to_vec()))),
            Format::Name => self.names(items),
            Format::Csv => text_block(&table::csv(items, columns)),
            Format::Plain => text_block(&table::plain(items, columns)),
            Format::Table => text_block(&table::aligned(items, columns, false, self.headers)),
            Format::Wide => text_block(&table::aligned(items, columns, true, self.headers)),
        }
    }

    /// Prints one record; `people` is its form for people.
    pub(crate) fn object(&self, item: &Value, people: impl FnOnce() -> String) {
        match self.format {
            Format::Json => line(&to_pretty(item)),
            Format::Jsonl => line(&item.to_string()),
            Format::Yaml => text_block(&yaml::render(item)),
            Format::Name => self.names(std::slice::from_ref(item)),
            _ if self.quiet => self.names(std::slice::from_ref(item)),
            _ => text_block(&people()),
        }
    }

    /// A remark for people, on standard error; not with `-q` or in a JSON form.
    pub(crate) fn remark(&self, text: &str) {
        if !self.quiet && !self.is_json() {
            note(text);
        }
    }

    fn names(&self, items: &[Value]) {
        for item in items {
            let name = ["name", "id", "ticket", "seq"].iter().map(|key| field(item, key)).find(|text| !text.is_empty());
            line(&name.unwrap_or_default());
        }
    }
}

/// One line on standard output. A closed pipe ends the program quietly, as `head` expects.
pub(crate) fn line(text: &str) {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", printable(text));
    quit_if_closed(written);
}

fn text_block(text: &str) {
    if !text.is_empty() {
        let mut out = io::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let written = write!(out, "{text}{end}");
        quit_if_closed(written);
    }
}

fn quit_if_closed(written: io::Result<()>) {
    if written.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}

/// One line on standard error.
pub fn note(text: &str) {
    // nobody can be told when standard error is closed
    let _ = writeln!(io::stderr().lock(), "{}", printable(text));
}

fn to_pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}
