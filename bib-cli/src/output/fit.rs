//! Makes a table fit the terminal: long cells are cut, and where that does not do, the last columns are left out.

use console::{measure_text_width, truncate_str};

/// A cell is not cut to fewer columns than this.
const LEAST_CELL: usize = 12;
/// The same where columns may be left out instead.
const LEAST_CELL_OF_MANY: usize = 24;
/// Spaces between two columns.
pub(super) const GAP: usize = 2;

/// How many columns the terminal behind standard output has; `None` where there is none.
#[must_use]
pub(crate) fn terminal_width() -> Option<usize> {
    let terminal = console::Term::stdout();
    let width = terminal.is_term().then(|| terminal.size_checked()).flatten();
    width.map(|(_, columns)| usize::from(columns)).filter(|columns| *columns >= 20)
}

/// How many rows the terminal behind standard output has; `None` where there is none.
#[must_use]
pub(crate) fn terminal_rows() -> Option<usize> {
    let terminal = console::Term::stdout();
    let size = terminal.is_term().then(|| terminal.size_checked()).flatten();
    size.map(|(rows, _)| usize::from(rows)).filter(|rows| *rows > 1)
}

/// Cuts cells, the widest column first, until the rows are `width` wide; the first column, which names the record, is
/// never cut. With `leave_out`, columns that still do not fit are taken off the end. Says how many were.
pub(crate) fn fit(rows: &mut [Vec<String>], width: usize, leave_out: bool) -> usize {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let measure =
        |index: usize| rows.iter().filter_map(|row| row.get(index)).map(|cell| measure_text_width(cell)).max();
    let mut widths: Vec<usize> = (0..columns).map(|index| measure(index).unwrap_or(0)).collect();
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    let least = if leave_out { LEAST_CELL_OF_MANY } else { LEAST_CELL };
    while total(&widths) > width {
        let candidates = widths.iter().enumerate().skip(1).filter(|(_, cell)| **cell > least);
        let Some((widest, _)) = candidates.max_by_key(|(_, cell)| **cell) else { break };
        // the second widest is the next to be cut, so the widest need not get narrower than it in one step
        let next = widths.iter().enumerate().skip(1).filter(|(index, _)| *index != widest).map(|(_, cell)| *cell).max();
        let excess = total(&widths) - width;
        let floor = next.unwrap_or(0).max(least);
        let cut = if widths[widest] > floor { excess.min(widths[widest] - floor) } else { 1 };
        widths[widest] -= cut;
    }
    while leave_out && widths.len() > 1 && total(&widths) > width {
        widths.pop();
    }
    for row in rows {
        row.truncate(widths.len());
        for (cell, width) in row.iter_mut().zip(&widths) {
            if measure_text_width(cell) > *width {
                *cell = truncate_str(cell, *width, "…").into_owned();
            }
        }
    }
    columns - widths.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(cells: &[&[&str]]) -> Vec<Vec<String>> {
        cells.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn the_widest_cell_is_cut_and_the_name_is_not() {
        let long = "x".repeat(60);
        let mut table = rows(&[&["a-rather-long-name", &long, "short"]]);
        assert_eq!(fit(&mut table, 60, false), 0);
        assert_eq!(table[0][0], "a-rather-long-name");
        assert!(table[0][1].ends_with('…') && measure_text_width(&table[0][1]) == 60 - 18 - 5 - 4, "{table:?}");
        assert_eq!(table[0][2], "short");
    }

    #[test]
    fn columns_that_do_not_fit_are_counted() {
        let mut table = rows(&[&["1"; 40]]);
        assert_eq!(fit(&mut table, 20, true), 33);
        assert_eq!(table[0].len(), 7);
        let mut table = rows(&[&["1", "2"]]);
        assert_eq!(fit(&mut table, 80, true), 0);
    }

    #[test]
    fn wide_letters_take_two_columns() {
        let mut table = rows(&[&["n", "日本語日本語日本語日本語"]]);
        fit(&mut table, 20, false);
        assert!(measure_text_width(&table[0][1]) <= 17, "{table:?}");
    }
}
