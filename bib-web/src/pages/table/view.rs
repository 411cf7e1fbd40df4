//! What the templates of a table show, as text. Pure but for the present person's frame.

use super::{Address, COLUMNS, Counted, TABS, Table};
use crate::cel;
use crate::error::{Notice, PageError};
use crate::format::{bytes, count, counted, part, short};
use crate::fragments::Drawn;
use crate::grid::{Cell, Head, Mistake, PAGE_ROWS, Paging, Rows, heads};
use crate::session::Visitor;
use crate::shell::Shell;
use askama::Template;
use bib_proto::v1::{Column, GetStatisticsResponse, PageHeader};
use std::sync::Arc;

/// One row of the table.
pub(crate) struct RowView {
    /// Counted from 1 in the file.
    pub(crate) number: String,
    pub(crate) link: String,
    pub(crate) cells: Vec<Cell>,
}

/// The rows and the heads of their columns: `grid.html`.
#[derive(Template)]
#[template(path = "grid.html")]
struct Grid<'g> {
    label: &'g str,
    numbered: bool,
    heads: Vec<Head>,
    rows: Vec<RowView>,
    /// What stands in place of rows when there are none.
    nothing: &'g str,
    /// Where the heads are fetched from when their statistics are still being computed.
    later: &'g str,
}

impl<'g> Grid<'g> {
    fn new(
        address: &Address,
        columns: &[Column],
        statistics: Option<&GetStatisticsResponse>,
        (nothing, later): (&'g str, &'g str),
    ) -> Self {
        let heads = heads(columns, statistics, &address.asked.sort, address.asked.descending(), address);
        Self { label: "Rows", numbered: true, heads, rows: Vec::new(), nothing, later }
    }

    /// The rows, each with a link that lasts.
    fn filled(self, table: &Table, rows: &Rows) -> Result<Self, PageError> {
        let address = &table.address;
        let id = short(&table.version.id);
        let forever = Address {
            path: address.path.replace(&last_version(address), &format!("/v/{id}/table")),
            ..address.clone()
        };
        // the row stands last in an address, so that a hundred of them share what is before it
        let base = forever.with(|asked| asked.row = 0);
        let base = format!("{base}{}row=", if base.contains('?') { '&' } else { '?' });
        let row = |(cells, position): (Vec<Cell>, &u64)| RowView {
            number: count(position + 1),
            link: format!("{base}{}", position + 1),
            cells,
        };
        Ok(Self { rows: rows.cells()?.into_iter().zip(&rows.header.positions).map(row).collect(), ..self })
    }

    fn html(&self) -> Result<String, PageError> {
        self.render().map_err(|error| {
            tracing::error!(%error, "a table could not be rendered");
            PageError::Broken
        })
    }
}

/// The table with these rows.
pub(super) fn draw(table: &Table, rows: &Rows, counted: &Counted) -> Result<Drawn, PageError> {
    let (header, address) = (&rows.header, &table.address);
    let columns = header.schema.as_ref().map(|schema| schema.columns.clone()).unwrap_or_default();
    let empty = header.positions.is_empty();
    let statistics = counted.known();
    // what has failed would fail again, as often as a script asks
    let later = if matches!(counted, Counted::Later) { later(address) } else { String::new() };
    let texts = (nothing(header, empty), later.as_str());
    let html = Grid::new(address, &columns, statistics, texts).filled(table, rows)?.html()?.into();
    let statistics = statistics.map(|found| found.etag.clone()).unwrap_or_default();
    Ok(Drawn { html, columns, empty, rows: header.etag.clone(), statistics })
}

/// What stands in place of rows where there are none.
const fn nothing(header: &PageHeader, empty: bool) -> &'static str {
    match (empty, header.total, header.matches) {
        (false, ..) => "",
        (true, 0, _) => "The table has no rows.",
        (true, _, 0) => "No row fits the filter.",
        (true, ..) => "There are no rows on this page.",
    }
}

/// Where the heads are with their statistics, as soon as these are there.
fn later(address: &Address) -> String {
    address.with(|asked| asked.stats = "wait".to_owned())
}

/// A link with its words.
pub(crate) struct Link {
    pub(crate) to: String,
    pub(crate) words: String,
    pub(crate) current: bool,
}

/// Where a row stands: `/datasets/flights/nyc`, the version, the file.
pub(crate) struct Place {
    pub(crate) dataset: String,
    pub(crate) dataset_link: String,
    pub(crate) version: u64,
    pub(crate) version_link: String,
    pub(crate) file: String,
}

#[derive(Template)]
#[template(path = "table.html")]
pub(crate) struct TablePage {
    shell: Shell,
    place: Place,
    files: Vec<Link>,
    /// How many tables there are, when not each has a tab.
    all_files: String,
    path: String,
    file: String,
    filter: String,
    sort: String,
    dir: String,
    cols: usize,
    example: String,
    all_link: String,
    mistake: Option<Mistake>,
    summary: String,
    /// The rows; empty when there is nothing that they could be of.
    grid: Arc<str>,
    /// What stands in place of rows when there are none.
    nothing: String,
    paging: Paging,
    page_links: [String; 4],
    columns: Vec<Link>,
    exports: Vec<Link>,
    too_many: String,
    /// Where the heads are with their statistics, when they are without; else empty.
    later: String,
    /// Why the statistics cannot be had; empty when they can.
    uncounted: String,
}

impl TablePage {
    /// The page of a table that is drawn already. `header` is of the same rows, `known` of the same columns.
    pub(super) fn new(visitor: &Visitor, table: &Table, header: &PageHeader, drawn: &Drawn, known: &Counted) -> Self {
        let address = &table.address;
        let mut shown = Self::frame(visitor, table, &drawn.columns);
        match known {
            Counted::Known(_) => {}
            Counted::Later => shown.later = later(address),
            Counted::Failed(why) => {
                shown.later = later(address);
                why.message.trim_end_matches('.').clone_into(&mut shown.uncounted);
            }
        }
        shown.paging = Paging::new(address.asked.page, header.matches);
        let pages = [1, shown.paging.before().unwrap_or(1), shown.paging.after().unwrap_or(1), shown.paging.pages];
        shown.page_links = pages.map(|page| address.with(|asked| asked.page = page));
        shown.summary = summary(table, header.matches, header.total, header.elapsed_us);
        nothing(header, drawn.empty).clone_into(&mut shown.nothing);
        if header.matches > header.max_rows {
            shown.too_many = format!(
                "{} are more than the {} that this node gives out in one file: narrow them with a filter.",
                counted(header.matches, "row"),
                count(header.max_rows)
            );
        } else if header.matches > 0 {
            shown.exports = exports(address);
        }
        shown.grid = Arc::clone(&drawn.html);
        shown
    }

    /// The page when its rows cannot be shown.
    pub(super) fn refused(
        visitor: &Visitor,
        table: &Table,
        mistake: Option<Mistake>,
        alert: Option<Notice>,
        statistics: Option<&GetStatisticsResponse>,
    ) -> Result<Self, PageError> {
        let names = table.window();
        let schema = table.chosen.and_then(|at| table.files.get(at)).and_then(|entry| entry.schema.clone());
        let columns: Vec<Column> = schema.map(|schema| schema.columns).unwrap_or_default();
        let columns: Vec<Column> =
            columns.into_iter().filter(|column| names.is_empty() || names.contains(&column.name)).collect();
        let mut shown = Self::frame(visitor, table, &columns);
        shown.nothing = match &mistake {
            Some(_) => "The filter has a mistake, so no rows are shown.".to_owned(),
            None => "The rows cannot be shown.".to_owned(),
        };
        if !columns.is_empty() {
            shown.grid = Grid::new(&table.address, &columns, statistics, (&shown.nothing, "")).html()?.into();
        }
        shown.mistake = mistake;
        shown.shell = shown.shell.with_alert(alert);
        Ok(shown)
    }

    /// The page of a version without a table.
    pub(super) fn without_tables(visitor: &Visitor, table: &Table) -> Self {
        let mut shown = Self::frame(visitor, table, &[]);
        shown.nothing = "This version has no tables. Tables are CSV, JSON lines, Parquet and Arrow files.".to_owned();
        shown
    }

    fn frame(visitor: &Visitor, table: &Table, columns: &[Column]) -> Self {
        let (address, asked) = (&table.address, &table.address.asked);
        let place = place(table);
        let query = cel::view(&table.readable(), &asked.f, &asked.sort, asked.descending());
        let mut shell = visitor.shell(format!("{} · {}", place.file, place.dataset), "datasets");
        if table.chosen.is_some() {
            shell = shell.same_as(same_as(&query, asked.page));
        }
        let files = files(table);
        let left_out = table.all > files.len().max(1);
        let all_files = if left_out { count(table.all as u64) } else { String::new() };
        Self {
            shell,
            files,
            all_files,
            path: address.path.clone(),
            file: asked.file.clone(),
            filter: asked.f.clone(),
            sort: asked.sort.clone(),
            dir: asked.dir.clone(),
            cols: asked.cols,
            example: example(columns),
            all_link: address.with(|asked| (asked.f, asked.page) = (String::new(), 0)),
            mistake: None,
            summary: String::new(),
            grid: Arc::default(),
            nothing: String::new(),
            paging: Paging::new(1, 0),
            page_links: Default::default(),
            columns: column_windows(table),
            exports: Vec::new(),
            too_many: String::new(),
            later: String::new(),
            uncounted: String::new(),
            place,
        }
    }
}

/// The rows of a page on the command line.
fn same_as(query: &str, page: u64) -> String {
    let query = match Paging::offset(page) {
        0 => query.to_owned(),
        before => format!("{query}.offset({before})"),
    };
    format!("bib dataset query {} --limit {PAGE_ROWS}", cel::shell(&query))
}

/// Where the table stands.
pub(super) fn place(table: &Table) -> Place {
    let dataset_link = format!("/datasets/{}", table.dataset.split('/').map(part).collect::<Vec<_>>().join("/"));
    Place {
        version_link: format!("{dataset_link}?v={}", short(&table.version.id)),
        dataset_link,
        dataset: table.dataset.clone(),
        version: table.version.number,
        file: table.chosen.and_then(|at| table.files.get(at)).map_or("no table", |file| file.path.as_str()).to_owned(),
    }
}

/// The part of the path that names the version.
fn last_version(address: &Address) -> String {
    address.path.rfind("/v/").map(|at| address.path[at..].to_owned()).unwrap_or_default()
}

fn summary(table: &Table, matches: u64, total: u64, elapsed_us: u64) -> String {
    let rows = if matches == total {
        counted(total, "row")
    } else {
        format!("{} of {}", count(matches), counted(total, "row"))
    };
    let columns = counted(table.columns().len() as u64, "column");
    let size = table.chosen.and_then(|at| table.files.get(at)).map_or(0, |file| file.size);
    format!("{rows} · {columns} · {} · {} ms", bytes(size), count(elapsed_us.div_ceil(1000)))
}

/// Links to the first tables, and to the one that is shown.
fn files(table: &Table) -> Vec<Link> {
    if table.files.len() < 2 {
        return Vec::new();
    }
    let link = |(at, file): (usize, &bib_proto::v1::Entry)| Link {
        to: table.address.with(|asked| {
            *asked = super::Asked { file: file.path.clone(), ..Default::default() };
        }),
        words: file.path.clone(),
        current: table.chosen == Some(at),
    };
    table.files.iter().enumerate().filter(|(at, _)| *at < TABS || table.chosen == Some(*at)).map(link).collect()
}

/// Links to the parts of a table with many columns.
pub(super) fn column_windows(table: &Table) -> Vec<Link> {
    let all = table.columns().len();
    if all <= COLUMNS {
        return Vec::new();
    }
    let (present, last) = (table.address.asked.cols, (all - 1) / COLUMNS * COLUMNS);
    let mut starts = vec![0, present.saturating_sub(COLUMNS), present, (present + COLUMNS).min(last), last];
    starts.dedup();
    let link = |start: usize| Link {
        to: table.address.with(|asked| asked.cols = start),
        words: format!("{} to {}", start + 1, (start + COLUMNS).min(all)),
        current: start == present,
    };
    starts.into_iter().map(link).collect()
}

fn exports(address: &Address) -> Vec<Link> {
    let link = |ending: &str, spreadsheet: bool, words: &str| Link {
        to: address.ending(ending, |asked| {
            (asked.page, asked.cols) = (0, 0);
            asked.r#for = if spreadsheet { "spreadsheet".to_owned() } else { String::new() };
        }),
        words: words.to_owned(),
        current: false,
    };
    vec![
        link(".csv", false, "CSV"),
        link(".csv", true, "CSV for spreadsheets"),
        link(".jsonl", false, "JSON lines"),
        link(".parquet", false, "Parquet"),
    ]
}

/// A filter that would run on these columns.
fn example(columns: &[Column]) -> String {
    let of = |kind: &str| columns.iter().find(|column| column.r#type == kind);
    match (of("double").or_else(|| of("int")), of("string")) {
        (Some(number), Some(text)) => {
            format!("{} > 10 && {} != null", cel::column(&number.name), cel::column(&text.name))
        }
        (Some(number), None) => format!("{} > 10", cel::column(&number.name)),
        (None, Some(text)) => format!("{} == \"…\"", cel::column(&text.name)),
        (None, None) => String::new(),
    }
}

/// The checker's word on a filter.
#[derive(Template)]
#[template(path = "mistake.html")]
pub(crate) struct CheckPart {
    pub(crate) mistake: Option<Mistake>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_gives_the_rows_of_the_page() {
        let query = "dataset(\"a/b@1\", \"w.csv\")";
        assert_eq!(same_as(query, 0), format!("bib dataset query '{query}' --limit 100"));
        assert_eq!(same_as(query, 1), same_as(query, 0));
        assert_eq!(same_as(query, 3), format!("bib dataset query '{query}.offset(200)' --limit 100"));
    }
}
