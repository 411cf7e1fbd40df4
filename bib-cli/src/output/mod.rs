//! Standard output: the same records as table, text for programs, JSON, YAML or CSV.

mod column;
mod fit;
mod jq;
mod jq_library;
mod pager;
mod table;
mod tame;
mod text;
mod yaml;

pub(crate) use column::{Column, Show, column, field, wide, wide_table};
pub(crate) use fit::{fit, terminal_rows, terminal_width};
pub(crate) use jq::Jq;
pub use pager::is_paging;
pub(crate) use table::align;
pub(crate) use tame::Tame;
pub(crate) use text::{age, bytes, count, counted, milliseconds, rfc3339, wrap};

use crate::error::{CliResult, printable};
use crate::exit::Exit;
use crate::global::{Format, Global};
use crate::look::Look;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

/// Fields that name a record, most telling first.
const NAMES: [&str; 7] = ["ticket", "url", "path", "id", "name", "seq", "code"];
/// The largest integer that a double holds exactly, as readers of JSON use them.
const LARGEST_EXACT: u64 = 1 << 53;

/// Where results go, and in which form.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// The form.
    pub(crate) format: Format,
    /// How many records of a list are printed; `None` for all.
    most: Option<usize>,
    headers: bool,
    quiet: bool,
    accessible: bool,
    columns: Vec<String>,
    sort: Option<String>,
    /// The terminal's columns, where tables are to fit one.
    width: Option<usize>,
    jq: Option<Arc<Jq>>,
    /// What shows lists that are longer than the terminal.
    pager: Option<Arc<str>>,
}

impl Output {
    /// As the flags say; a table on a terminal, plain text elsewhere.
    ///
    /// # Errors
    /// When the expression of `--jq` cannot be read.
    pub(crate) fn new(global: &Global) -> CliResult<Self> {
        let usual = if io::stdout().is_terminal() { Format::Table } else { Format::Plain };
        let format = match (global.output.unwrap_or(usual), &global.jq) {
            (Format::Jsonl, Some(_)) => Format::Jsonl,
            (_, Some(_)) => Format::Json,
            (_, None) if global.json => Format::Json,
            (format, None) => format,
        };
        let fits = format == Format::Table && !global.no_truncate;
        let pager =
            if global.may_ask() && !global.accessible { pager::asked(|name| std::env::var(name).ok()) } else { None };
        Ok(Self {
            format,
            most: None,
            headers: !global.no_headers,
            quiet: global.quiet,
            accessible: global.accessible,
            columns: global.columns.clone(),
            sort: global.sort.clone(),
            width: terminal_width().filter(|_| fits),
            jq: global.jq.as_deref().map(Jq::new).transpose()?.map(Arc::new),
            pager: pager.map(Arc::from),
        })
    }

    /// The same, with at most so many records of a list.
    #[must_use]
    pub(crate) fn limited(&self, most: Option<usize>) -> Self {
        Self { most, ..self.clone() }
    }

    /// The same without a pager.
    #[must_use]
    pub(crate) fn unpaged(self) -> Self {
        Self { pager: None, ..self }
    }

    /// A table on standard output, for tests.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn for_tests() -> Self {
        Self {
            format: Format::Table,
            most: None,
            headers: true,
            quiet: false,
            accessible: false,
            columns: Vec::new(),
            sort: None,
            width: None,
            jq: None,
            pager: None,
        }
    }

    /// Whether a program reads the output.
    #[must_use]
    pub(crate) const fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// Whether a list is asked for as it is usually shown: no choice of columns, no order, not just names.
    #[must_use]
    pub(crate) const fn is_plain_list(&self) -> bool {
        !self.quiet && self.columns.is_empty() && self.sort.is_none()
    }

    /// Whether lists are put in an order of the user's, for which all of them must be known.
    #[must_use]
    pub(crate) const fn sorts(&self) -> bool {
        self.sort.is_some()
    }

    /// What `--columns` names; nothing for all columns.
    #[must_use]
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether tables have a header line.
    #[must_use]
    pub(crate) const fn has_headers(&self) -> bool {
        self.headers
    }

    /// The same without header lines.
    #[must_use]
    pub(crate) fn headless(self) -> Self {
        Self { headers: false, ..self }
    }

    /// How wide a table may be; `None` for as wide as it is.
    #[must_use]
    pub(crate) const fn width(&self) -> Option<usize> {
        self.width
    }

    /// What `--jq` asks for.
    #[must_use]
    pub(crate) fn jq(&self) -> Option<Arc<Jq>> {
        self.jq.clone()
    }

    /// Prints a list; `empty` is what to say, on standard error, when there is nothing in it.
    ///
    /// # Errors
    /// When `--columns` or `--sort` names a column that is not there, or `--jq` fails.
    pub(crate) fn list(&self, items: &[Value], columns: &[Column], empty: &str) -> CliResult {
        let chosen = column::choose(columns, &self.columns)?;
        let mut items = column::sorted(items, columns, self.sort.as_deref())?;
        items.iter_mut().for_each(exact_numbers);
        if items.is_empty() {
            self.remark(empty);
        }
        if let Some(most) = self.most.filter(|most| *most < items.len()) {
            let total = items.len();
            items.truncate(most);
            self.cut(&json!({"type": "page", "shown": most, "total": total}), || {
                format!("{most} of {total} are shown; all of them: --limit 0")
            });
        }
        if self.quiet && !self.is_json() {
            self.names(&items);
            return Ok(());
        }
        let wide = self.format == Format::Wide || !self.columns.is_empty();
        match self.format {
            Format::Json => self.document(&Value::Array(items))?,
            Format::Jsonl => items.iter().try_for_each(|item| self.json_line(item))?,
            Format::Yaml => text_block(&yaml::render(&Value::Array(items))),
            Format::Name => self.names(&items),
            Format::Csv => text_block(&table::csv(&items, &chosen, self.headers)),
            Format::Plain => text_block(&table::plain(&items, &chosen)),
            Format::Table | Format::Wide if self.accessible => people(&table::records(&items, &chosen, wide)),
            Format::Table | Format::Wide => {
                self.table(&table::aligned(&items, &chosen, wide, self.headers, self.width));
            }
        }
        Ok(())
    }

    /// Prints one record; `shown` is its form for people.
    ///
    /// # Errors
    /// When `--jq` fails.
    pub(crate) fn object(&self, item: &Value, shown: impl FnOnce() -> String) -> CliResult {
        let mut item = item.clone();
        exact_numbers(&mut item);
        match self.format {
            Format::Json => self.document(&item)?,
            Format::Jsonl => self.json_line(&item)?,
            Format::Yaml => text_block(&yaml::render(&item)),
            Format::Name => self.names(std::slice::from_ref(&item)),
            _ if self.quiet => self.names(std::slice::from_ref(&item)),
            Format::Csv => text_block(&table::csv_of(&item, self.headers)),
            _ => people(&shown()),
        }
        Ok(())
    }

    /// A remark for people, on standard error; not with `-q` or in a JSON form.
    pub(crate) fn remark(&self, text: &str) {
        if !self.quiet && !self.is_json() {
            note(&Look::of_now().plain(text));
        }
    }

    /// Says on standard error that a list is not all there is: a line of JSON for programs, else `text`. Also with `-q`, as
    /// who reads names alone takes them for all.
    pub(crate) fn cut(&self, page: &Value, text: impl FnOnce() -> String) {
        if self.is_json() {
            note(&page.to_string());
        } else {
            note(&Look::of_now().plain(&text()));
        }
    }

    fn table(&self, text: &str) {
        let long = terminal_rows().is_some_and(|rows| pager::is_long(text, rows));
        let shown = self.pager.as_deref().filter(|_| long).is_some_and(|pager| pager::show(pager, &painted(text)));
        if !shown {
            people(text);
        }
    }

    fn document(&self, value: &Value) -> CliResult {
        match &self.jq {
            Some(jq) => jq.lines(value)?.iter().for_each(|text| line(text)),
            None => line(&to_pretty(value)),
        }
        Ok(())
    }

    fn json_line(&self, value: &Value) -> CliResult {
        match &self.jq {
            Some(jq) => jq.lines(value)?.iter().for_each(|text| line(text)),
            None => line(&value.to_string()),
        }
        Ok(())
    }

    fn names(&self, items: &[Value]) {
        for item in items {
            let name = NAMES.iter().map(|key| field(item, key)).find(|text| !text.is_empty());
            line(&name.unwrap_or_default());
        }
    }
}

/// Numbers that not every reader of JSON keeps exactly become text.
fn exact_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if is_inexact(number) => *value = Value::String(number.to_string()),
        Value::Array(items) => items.iter_mut().for_each(exact_numbers),
        Value::Object(fields) => fields.values_mut().for_each(exact_numbers),
        _ => {}
    }
}

/// Whether it is an integer that a double may not hold.
fn is_inexact(number: &serde_json::Number) -> bool {
    let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    size.is_some_and(|size| size > LARGEST_EXACT)
}

/// Text for people on standard output.
pub(crate) fn people(text: &str) {
    if !text.is_empty() {
        raw_block(&painted(text));
    }
}

/// As it is shown to people: what steers the terminal goes before the colours come.
fn painted(text: &str) -> String {
    let text = Tame::default().clean(text.as_bytes());
    Look::of_now().paint(&String::from_utf8_lossy(&text)).into_owned()
}

/// One line on standard output. A closed pipe ends the program quietly, as `head` expects.
pub(crate) fn line(text: &str) {
    let text = for_stdout(text);
    let mut out = io::stdout().lock();
    let written = out.write_all(&text).and_then(|()| out.write_all(b"\n"));
    drop(out);
    end_if_failed(written);
}

/// What is written to a file or a pipe is exact; a terminal gets nothing that steers it.
fn for_stdout(text: &str) -> Cow<'_, [u8]> {
    if io::stdout().is_terminal() {
        Cow::Owned(Tame::default().clean(text.as_bytes()))
    } else {
        Cow::Borrowed(text.as_bytes())
    }
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
        // names and messages come from elsewhere; the tabs and line ends are ours
        raw_block(&String::from_utf8_lossy(&for_stdout(text)));
    }
}

/// Text as it is, with a line end.
fn raw_block(text: &str) {
    let mut out = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let written = out.write_all(text.as_bytes()).and_then(|()| write!(out, "{end}")).and_then(|()| out.flush());
    drop(out);
    end_if_failed(written);
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
    to_stderr(&printable(text));
}

/// One line on standard error, whose control characters are meant.
pub(crate) fn to_stderr(text: &str) {
    // nobody can be told when standard error is closed
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn to_pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_a_double_are_text() {
        let (exact, large) = (1_i64 << 53, (1_i64 << 53) + 1);
        let mut value = json!({"small": exact, "least": -exact, "large": [large], "less": -large, "float": 1e300});
        exact_numbers(&mut value);
        let less = "-9007199254740993";
        let shown = json!({"small": exact, "least": -exact, "large": [&less[1..]], "less": less, "float": 1e300});
        assert_eq!(value, shown);
    }
}
