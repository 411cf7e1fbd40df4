//! Standard output: the same records as table, text for programs, JSON, YAML or CSV.

mod column;
mod fit;
mod table;
mod tame;
mod text;
mod yaml;

pub(crate) use column::{Column, Show, column, field, wide, wide_table};
pub(crate) use fit::{fit, terminal_width};
pub(crate) use table::align;
pub(crate) use tame::Tame;
pub(crate) use text::{age, bytes, count, counted, milliseconds, rfc3339, wrap};

use crate::error::{CliResult, printable};
use crate::exit::Exit;
use crate::global::{Format, Global};
use serde_json::Value;
use std::io::{self, IsTerminal, Write};

/// Fields that name a record, most telling first.
const NAMES: [&str; 7] = ["ticket", "url", "path", "id", "name", "seq", "code"];

/// Where results go, and in which form.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// The form.
    pub(crate) format: Format,
    headers: bool,
    quiet: bool,
    columns: Vec<String>,
    sort: Option<String>,
    /// The terminal's columns, where tables are to fit one.
    width: Option<usize>,
}

impl Output {
    /// As the flags say; a table on a terminal, plain text elsewhere.
    #[must_use]
    pub(crate) fn new(global: &Global) -> Self {
        let usual = if io::stdout().is_terminal() { Format::Table } else { Format::Plain };
        let format = if global.json { Format::Json } else { global.output.unwrap_or(usual) };
        let fits = format == Format::Table && !global.no_truncate;
        Self {
            format,
            headers: !global.no_headers,
            quiet: global.quiet,
            columns: global.columns.clone(),
            sort: global.sort.clone(),
            width: terminal_width().filter(|_| fits),
        }
    }

    /// A table on standard output, for tests.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn for_tests() -> Self {
        Self { format: Format::Table, headers: true, quiet: false, columns: Vec::new(), sort: None, width: None }
    }

    /// Whether a program reads the output.
    #[must_use]
    pub(crate) const fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// Whether tables have a header line.
    #[must_use]
    pub(crate) const fn has_headers(&self) -> bool {
        self.headers
    }

    /// How wide a table may be; `None` for as wide as it is.
    #[must_use]
    pub(crate) const fn width(&self) -> Option<usize> {
        self.width
    }

    /// Prints a list; `empty` is what to say, on standard error, when there is nothing in it.
    ///
    /// # Errors
    /// When `--columns` or `--sort` names a column that is not there.
    pub(crate) fn list(&self, items: &[Value], columns: &[Column], empty: &str) -> CliResult {
        let chosen = column::choose(columns, &self.columns)?;
        let items = column::sorted(items, columns, self.sort.as_deref())?;
        if items.is_empty() && !self.quiet && !self.is_json() {
            note(empty);
        }
        if self.quiet && !self.is_json() {
            self.names(&items);
            return Ok(());
        }
        let wide = self.format == Format::Wide || !self.columns.is_empty();
        match self.format {
            Format::Json => line(&to_pretty(&Value::Array(items))),
            Format::Jsonl => items.iter().for_each(|item| line(&item.to_string())),
            Format::Yaml => text_block(&yaml::render(&Value::Array(items))),
            Format::Name => self.names(&items),
            Format::Csv => text_block(&table::csv(&items, &chosen, self.headers)),
            Format::Plain => text_block(&table::plain(&items, &chosen)),
            Format::Table | Format::Wide => {
                text_block(&table::aligned(&items, &chosen, wide, self.headers, self.width));
            }
        }
        Ok(())
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
            let name = NAMES.iter().map(|key| field(item, key)).find(|text| !text.is_empty());
            line(&name.unwrap_or_default());
        }
    }
}

/// One line on standard output. A closed pipe ends the program quietly, as `head` expects.
pub(crate) fn line(text: &str) {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", printable(text));
    drop(out);
    end_if_failed(written);
}

/// Text for the terminal itself, as it is.
pub(crate) fn raw(text: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    drop(out);
    end_if_failed(written);
}

fn text_block(text: &str) {
    if !text.is_empty() {
        let mut out = io::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        // names and messages come from elsewhere; the tabs and line ends are ours
        let text = Tame::default().clean(text.as_bytes());
        let written = out.write_all(&text).and_then(|()| write!(out, "{end}")).and_then(|()| out.flush());
        drop(out);
        end_if_failed(written);
    }
}

/// What cannot be printed ends the program: quietly where nobody reads on, else with an error.
pub(crate) fn end_if_failed(written: io::Result<()>) {
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(i32::from(Exit::Success.code())),
        Err(error) => {
            note(&format!("error: cannot write the result: {error}"));
            std::process::exit(i32::from(Exit::Failed.code()));
        }
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
