//! Records as aligned columns, tab-separated text and CSV.

use super::Column;
use crate::error::printable;
use serde_json::Value;

fn cells(item: &Value, columns: &[&Column]) -> Vec<String> {
    columns.iter().map(|column| printable(&(column.cell)(item)).replace('\n', " ")).collect()
}

/// Columns padded to their widest cell; numbers are not told apart from text.
pub(super) fn aligned(items: &[Value], columns: &[Column], wide: bool, headers: bool) -> String {
    if items.is_empty() {
        return String::new();
    }
    let shown: Vec<&Column> = columns.iter().filter(|column| wide || !column.wide).collect();
    let mut rows: Vec<Vec<String>> = Vec::with_capacity(items.len() + 1);
    if headers {
        rows.push(shown.iter().map(|column| column.header.to_owned()).collect());
    }
    rows.extend(items.iter().map(|item| {
        let filled = |cell: String| if cell.is_empty() { "-".to_owned() } else { cell };
        cells(item, &shown).into_iter().map(filled).collect()
    }));
    align(&rows)
}

/// Pads each cell to its column's width, two spaces between columns.
#[must_use]
pub(crate) fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |index: usize| rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|index| width(index).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let pad = width.saturating_sub(cell.chars().count());
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', pad + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Every column, tabs between, no header.
pub(super) fn plain(items: &[Value], columns: &[Column]) -> String {
    let all: Vec<&Column> = columns.iter().collect();
    let row = |item| cells(item, &all).into_iter().map(|cell| cell.replace('\t', " ")).collect::<Vec<_>>().join("\t");
    items.iter().map(row).map(|line| line + "\n").collect()
}

/// Every column with a header, quoted where needed.
pub(super) fn csv(items: &[Value], columns: &[Column]) -> String {
    let all: Vec<&Column> = columns.iter().collect();
    let join = |cells: Vec<String>| cells.iter().map(|cell| quote(cell)).collect::<Vec<_>>().join(",") + "\n";
    let mut text = join(columns.iter().map(|column| column.header.to_lowercase()).collect());
    text.extend(items.iter().map(|item| join(cells(item, &all))));
    text
}

/// A CSV field, quoted if it has a comma, a quote or a line break in it.
pub(super) fn quote(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::{column, field, wide};
    use super::*;
    use serde_json::json;

    fn columns() -> Vec<Column> {
        vec![column("NAME", |v| field(v, "name")), wide("SIZE", |v| field(v, "size"))]
    }

    #[test]
    fn the_same_records_in_every_form() {
        let items = [json!({"name": "a,b", "size": 1}), json!({"name": "longer", "size": 20})];
        assert_eq!(aligned(&items, &columns(), true, true), "NAME    SIZE\na,b     1\nlonger  20\n");
        assert_eq!(aligned(&items, &columns(), false, false), "a,b\nlonger\n");
        assert_eq!(plain(&items, &columns()), "a,b\t1\nlonger\t20\n");
        assert_eq!(csv(&items, &columns()), "name,size\n\"a,b\",1\nlonger,20\n");
        assert_eq!(aligned(&[], &columns(), true, true), "");
    }
}
