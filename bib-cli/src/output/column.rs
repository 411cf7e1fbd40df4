//! Columns of a list: their cells for people and for programs, their choice and their order.

use crate::error::{CliError, CliResult};
use serde_json::Value;
use std::cmp::Ordering;

/// Where a column is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// Everywhere.
    Always,
    /// In `-o wide`, CSV and plain text.
    Wide,
    /// In `-o wide` alone: programs get the same from another column.
    WideTable,
}

/// Makes a record's cell.
type Cell = fn(&Value) -> String;

/// A column: its header, and how a record's cell is made.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    /// Upper case, no spaces.
    pub(crate) header: &'static str,
    /// Where it is shown.
    pub(crate) show: Show,
    /// The cell for people.
    pub(crate) cell: Cell,
    /// Header and cell for programs, where they differ: exact bytes, whole ids, points in time.
    exact: Option<(&'static str, Cell)>,
}

impl Column {
    /// Gives programs an exact value under a name of its own.
    #[must_use]
    pub(crate) const fn exact(mut self, header: &'static str, cell: Cell) -> Self {
        self.exact = Some((header, cell));
        self
    }

    /// The header for programs.
    #[must_use]
    pub(crate) fn key(&self) -> String {
        self.exact.map_or_else(|| self.header.to_lowercase(), |(header, _)| header.to_owned())
    }

    /// The cell for programs.
    #[must_use]
    pub(crate) fn value(&self, item: &Value) -> String {
        self.exact.map_or(self.cell, |(_, cell)| cell)(item)
    }

    fn is_called(&self, name: &str) -> bool {
        self.header.eq_ignore_ascii_case(name) || self.key().eq_ignore_ascii_case(name)
    }
}

/// A column that is always shown.
#[must_use]
pub(crate) const fn column(header: &'static str, cell: Cell) -> Column {
    Column { header, show: Show::Always, cell, exact: None }
}

/// A column of `-o wide`, CSV and plain text.
#[must_use]
pub(crate) const fn wide(header: &'static str, cell: Cell) -> Column {
    Column { header, show: Show::Wide, cell, exact: None }
}

/// A column of `-o wide` that programs do not need.
#[must_use]
pub(crate) const fn wide_table(header: &'static str, cell: Cell) -> Column {
    Column { header, show: Show::WideTable, cell, exact: None }
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

fn find<'a>(columns: &'a [Column], name: &str, flag: &str) -> CliResult<&'a Column> {
    columns.iter().find(|column| column.is_called(name.trim())).ok_or_else(|| {
        let known: Vec<String> = columns.iter().map(|column| column.header.to_lowercase()).collect();
        CliError::usage(format!("{flag}: there is no column {name:?} here"))
            .hint(format!("columns: {}", known.join(", ")))
    })
}

/// The columns that `--columns` names, in its order; all of them if it names none.
///
/// # Errors
/// When one of them is not there.
pub(super) fn choose(columns: &[Column], names: &[String]) -> CliResult<Vec<Column>> {
    if names.is_empty() {
        return Ok(columns.to_vec());
    }
    // what was asked for by name is shown in every form
    let pick = |name: &String| find(columns, name, "--columns").map(|column| Column { show: Show::Always, ..*column });
    names.iter().map(pick).collect()
}

/// The records in the order that `--sort COLUMN[:asc|:desc]` asks for; as they came if it asks for nothing.
///
/// # Errors
/// When the column or the direction is not known.
pub(super) fn sorted(items: &[Value], columns: &[Column], order: Option<&str>) -> CliResult<Vec<Value>> {
    let mut items = items.to_vec();
    let Some(order) = order else { return Ok(items) };
    let (name, down) = match order.split_once(':') {
        None | Some((_, "asc")) => (order.trim_end_matches(":asc"), false),
        Some((name, "desc")) => (name, true),
        Some((_, other)) => {
            return Err(CliError::usage(format!("--sort: {other:?} is no direction")).hint("write asc or desc"));
        }
    };
    let column = find(columns, name, "--sort")?;
    items.sort_by(|a, b| {
        let order = compare(&column.value(a), &column.value(b));
        if down { order.reverse() } else { order }
    });
    Ok(items)
}

/// Missing values first, then numbers by their size, then everything else by its letters. The three are never mixed: of
/// `9`, `10` and `1a` each would come before the next, and a sort may panic over such an order.
fn compare(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(first), Ok(second)) => first.total_cmp(&second).then_with(|| a.cmp(b)),
        (Ok(_), Err(_)) if !b.is_empty() => Ordering::Less,
        (Err(_), Ok(_)) if !a.is_empty() => Ordering::Greater,
        _ => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn columns() -> [Column; 2] {
        [column("NAME", |v| field(v, "name")), column("SIZE", |_| "about".into()).exact("bytes", |v| field(v, "bytes"))]
    }

    #[test]
    fn columns_are_chosen_by_either_name() {
        let chosen = choose(&columns(), &["bytes".into(), "Name".into()]).unwrap();
        assert_eq!(chosen.iter().map(|column| column.header).collect::<Vec<_>>(), ["SIZE", "NAME"]);
        let error = choose(&columns(), &["nme".into()]).err().unwrap();
        assert!(error.hints[0].contains("name, size"), "{error:?}");
    }

    #[test]
    fn numbers_sort_as_numbers() {
        let items = [json!({"bytes": 9}), json!({"bytes": 100}), json!({"bytes": 20})];
        let order = |text| {
            let sorted = sorted(&items, &columns(), Some(text)).unwrap();
            sorted.iter().map(|item| item["bytes"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(order("size"), [9, 20, 100]);
        assert_eq!(order("bytes:desc"), [100, 20, 9]);
        assert!(sorted(&items, &columns(), Some("size:down")).is_err());
        // whichever way they came
        let mixed = ["9", "10", "1a", "", "b"].map(|name| json!({"name": name}));
        for turn in 0..mixed.len() {
            let mut items = mixed.to_vec();
            items.rotate_left(turn);
            let sorted = super::sorted(&items, &columns(), Some("name")).unwrap();
            assert_eq!(sorted.iter().map(|item| field(item, "name")).collect::<Vec<_>>(), ["", "9", "10", "1a", "b"]);
        }
        assert!(sorted(&items, &columns(), Some("colour")).is_err());
    }
}
