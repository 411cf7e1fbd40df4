//! Records as aligned columns, tab-separated text and CSV.

use super::fit::{GAP, fit};
use super::{Column, Show, field};
use crate::error::printable;
use console::measure_text_width;
use serde_json::Value;

fn clean(cell: &str) -> String {
    printable(cell).replace('\n', " ")
}

/// Columns padded to their widest cell; numbers are not told apart from text. Fits `width`, if there is one.
pub(super) fn aligned(items: &[Value], columns: &[Column], wide: bool, headers: bool, width: Option<usize>) -> String {
    if items.is_empty() {
        return String::new();
    }
    let shown: Vec<&Column> = columns.iter().filter(|column| wide || column.show == Show::Always).collect();
    let mut rows: Vec<Vec<String>> = Vec::with_capacity(items.len() + 1);
    if headers {
        rows.push(shown.iter().map(|column| column.header.to_owned()).collect());
    }
    rows.extend(items.iter().map(|item| {
        let filled = |cell: String| if cell.is_empty() { "-".to_owned() } else { cell };
        shown.iter().map(|column| filled(clean(&(column.cell)(item)))).collect()
    }));
    if let Some(width) = width {
        fit(&mut rows, width, false);
    }
    align(&rows)
}

/// One cell a line, its name before it, an empty line between records: what a screen reader reads well.
pub(super) fn records(items: &[Value], columns: &[Column], wide: bool) -> String {
    let shown: Vec<&Column> = columns.iter().filter(|column| wide || column.show == Show::Always).collect();
    let cell =
        |column: &&Column, item: &Value| format!("{}: {}\n", column.header.to_lowercase(), clean(&(column.cell)(item)));
    let record = |item: &Value| shown.iter().map(|column| cell(column, item)).collect::<String>();
    items.iter().map(record).collect::<Vec<_>>().join("\n")
}

/// Pads each cell to its column's width, two spaces between columns.
#[must_use]
pub(crate) fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |index: usize| rows.iter().filter_map(|row| row.get(index)).map(|cell| measure_text_width(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|index| width(index).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let pad = width.saturating_sub(measure_text_width(cell));
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', pad + GAP));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn for_programs(columns: &[Column]) -> Vec<&Column> {
    columns.iter().filter(|column| column.show != Show::WideTable).collect()
}

/// Every column's exact value, tabs between, no header.
pub(super) fn plain(items: &[Value], columns: &[Column]) -> String {
    let all = for_programs(columns);
    let cell = |column: &&Column, item| column.value(item).replace(['\n', '\r', '\t'], " ");
    let row = |item| all.iter().map(|column| cell(column, item)).collect::<Vec<_>>().join("\t");
    items.iter().map(row).map(|line| line + "\n").collect()
}

/// Every column's exact value with a header, quoted where needed.
pub(super) fn csv(items: &[Value], columns: &[Column], headers: bool) -> String {
    let all = for_programs(columns);
    let mut text = String::new();
    if headers {
        text.push_str(&csv_line(all.iter().map(|column| column.key())));
    }
    text.extend(items.iter().map(|item| csv_line(all.iter().map(|column| column.value(item)))));
    text
}

/// A record's fields, with their names as header; nested ones are JSON.
pub(super) fn csv_of(item: &Value, headers: bool) -> String {
    let names = || item.as_object().into_iter().flat_map(|fields| fields.keys());
    let header = if headers { csv_line(names().cloned()) } else { String::new() };
    header + &csv_line(names().map(|name| field(item, name)))
}

fn csv_line(cells: impl Iterator<Item = String>) -> String {
    cells.map(|cell| quote(&cell)).collect::<Vec<_>>().join(",") + "\n"
}

/// A CSV field, quoted if it has a comma, a quote or a line break in it.
pub(super) fn quote(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::{bytes, column, wide, wide_table};
    use super::*;
    use serde_json::json;

    fn columns() -> Vec<Column> {
        let size = |v: &Value| bytes(v["size"].as_u64().unwrap_or(0));
        vec![
            column("NAME", |v| field(v, "name")),
            wide("SIZE", size).exact("bytes", |v| field(v, "size")),
            wide_table("AGAIN", |v| field(v, "name")),
        ]
    }

    #[test]
    fn the_same_records_in_every_form() {
        let items = [json!({"name": "a,b", "size": 1}), json!({"name": "longer", "size": 2048})];
        let wide = "NAME    SIZE    AGAIN\na,b     1B      a,b\nlonger  2.0KiB  longer\n";
        assert_eq!(aligned(&items, &columns(), true, true, None), wide);
        assert_eq!(aligned(&items, &columns(), false, false, None), "a,b\nlonger\n");
        assert_eq!(plain(&items, &columns()), "a,b\t1\nlonger\t2048\n");
        assert_eq!(csv(&items, &columns(), true), "name,bytes\n\"a,b\",1\nlonger,2048\n");
        assert_eq!(csv(&items, &columns(), false), "\"a,b\",1\nlonger,2048\n");
        let odd = [json!({"name": "a\tb\n\u{1b}", "size": 1})];
        assert_eq!(csv(&odd, &columns(), false), "\"a\tb\n\u{1b}\",1\n");
        assert_eq!(plain(&odd, &columns()), "a b \u{1b}\t1\n");
        assert!(!aligned(&odd, &columns(), false, false, None).contains('\u{1b}'));
        assert_eq!(aligned(&[], &columns(), true, true, None), "");
        assert_eq!(records(&items, &columns(), false), "name: a,b\n\nname: longer\n");
    }

    #[test]
    fn a_record_is_one_row_of_csv() {
        let record = json!({"a": "x,y", "b": 2, "c": null, "d": [1, {"e": "z"}], "f": true});
        let row = "\"x,y\",2,,\"[1,{\"\"e\"\":\"\"z\"\"}]\",true\n";
        assert_eq!(csv_of(&record, true), format!("a,b,c,d,f\n{row}"));
        assert_eq!(csv_of(&record, false), row);
    }

    #[test]
    fn wide_letters_are_padded_by_what_they_take() {
        let rows = [vec!["日本".to_owned(), "x".to_owned()], vec!["ab".to_owned(), "y".to_owned()]];
        assert_eq!(align(&rows), "日本  x\nab    y\n");
    }
}
