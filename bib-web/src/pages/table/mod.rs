//! A table of a version: its rows in pages, its columns with what is in them, a filter, an order, one row by its number,
//! and all of it as a file.

mod address;
mod row;
mod view;

use crate::cel;
use crate::error::{Notice, PageError, status_of};
use crate::export;
use crate::format::short;
use crate::fragments::Drawn;
use crate::grid::{Mistake, PAGE_ROWS, Paging, Rows};
use crate::session::Visitor;
use crate::shell::{page, page_with};
use crate::site::Web;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use address::{Address, Asked};
use bib_proto::client::ClientError;
use bib_proto::v1::{
    CheckViewRequest, Entry, GetStatisticsRequest, GetStatisticsResponse, ReadPageRequest, Version, View,
};
use row::RowPage;
use std::sync::Arc;
use tonic::Code;
use view::{CheckPart, TablePage};

/// How long a page waits for statistics that are not known yet; after that it is shown without them and asks again.
const STATISTICS_PATIENCE_MS: u64 = 700;
/// Columns of one page: more of them are a page too large to be drawn.
const COLUMNS: usize = 60;
/// Tables of a version that have a tab each. Among more of them nobody finds one by reading tabs.
const TABS: usize = 50;

type Names = web::Path<(String, String, String)>;

/// Adds the routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    const TABLE: &str = "/datasets/{topic}/{name}/v/{version}/table";
    config
        .route(TABLE, web::get().to(show))
        .route(&format!("{TABLE}/check"), web::get().to(check))
        .route(&format!("{TABLE}.json"), web::get().to(json))
        .route(&format!("{TABLE}.csv"), web::get().to(csv))
        .route(&format!("{TABLE}.jsonl"), web::get().to(json_lines))
        .route(&format!("{TABLE}.parquet"), web::get().to(parquet));
}

/// A table that was found.
struct Table {
    /// `topic/name`
    dataset: String,
    version: Version,
    /// Tables of the version, by path, as far as they are kept.
    files: Vec<Entry>,
    /// How many tables the version has.
    all: usize,
    /// Which of them is meant; none when there is none.
    chosen: Option<usize>,
    address: Address,
    /// Whether the address names the version by its number, which only one version had just now.
    by_number: bool,
}

/// What is known of what is in the columns.
enum Counted {
    Known(GetStatisticsResponse),
    /// It takes longer than a page may.
    Later,
    /// It cannot be said, and why.
    Failed(Notice),
}

impl Counted {
    const fn known(&self) -> Option<&GetStatisticsResponse> {
        match self {
            Self::Known(found) => Some(found),
            Self::Later | Self::Failed(_) => None,
        }
    }
}

/// The tables of a version as far as a page needs them, taken from its entries as they come.
#[derive(Default)]
struct Tables {
    kept: Vec<Entry>,
    all: usize,
}

impl Tables {
    /// Keeps the tables that have tabs, and the one that is `meant`; the others are counted only. A version may have a
    /// million entries, and every page of every visitor looks for its table among them.
    fn take(&mut self, entries: Vec<Entry>, meant: &str) {
        for entry in entries.into_iter().filter(|entry| entry.schema.is_some()) {
            self.all += 1;
            if self.kept.len() < TABS || entry.path == meant {
                self.kept.push(entry);
            }
        }
    }
}

impl Table {
    async fn find(visitor: &Visitor, names: Names, asked: Asked) -> Result<Self, PageError> {
        let (topic, name, wanted) = names.into_inner();
        let dataset = format!("{topic}/{name}");
        let address = Address::new(&topic, &name, &wanted, asked);
        let file = &address.asked.file;
        let mut tables = Tables::default();
        let found = visitor.client.each_answer(&dataset, &wanted, |entries| tables.take(entries, file)).await?;
        let Tables { kept: files, all } = tables;
        let chosen = if file.is_empty() { Some(0) } else { files.iter().position(|entry| entry.path == *file) };
        if chosen.is_none() {
            return Err(PageError::NotFound);
        }
        let chosen = chosen.filter(|at| *at < files.len());
        let version = found.version.unwrap_or_default();
        let by_number = wanted == version.number.to_string();
        Ok(Self { dataset, version, files, all, chosen, address, by_number }.within())
    }

    /// The same, with an address that begins among the columns: one past the last of them stands for the last part.
    fn within(mut self) -> Self {
        let all = self.columns().len();
        if self.address.asked.cols >= all {
            self.address.asked.cols = all.saturating_sub(1) / COLUMNS * COLUMNS;
        }
        self
    }

    fn file(&self) -> Result<&Entry, PageError> {
        self.chosen.and_then(|at| self.files.get(at)).ok_or(PageError::NotFound)
    }

    /// The query for the whole table. The version by its id: another publisher may give the same number any time.
    fn expression(&self) -> String {
        self.query_for(&short(&self.version.id))
    }

    /// The same for people, to read and to copy: with the number where that was enough to find the version.
    fn readable(&self) -> String {
        if self.by_number { self.query_for(&self.version.number.to_string()) } else { self.expression() }
    }

    fn query_for(&self, version: &str) -> String {
        let path = self.chosen.and_then(|at| self.files.get(at)).map_or("", |entry| entry.path.as_str());
        cel::table(&self.dataset, version, path)
    }

    /// The columns that are shown, by name; empty for all.
    fn window(&self) -> Vec<String> {
        let columns = self.columns();
        if columns.len() <= COLUMNS {
            return Vec::new();
        }
        columns.iter().skip(self.address.asked.cols).take(COLUMNS).cloned().collect()
    }

    /// What the table is kept under when it is drawn.
    fn key(&self) -> String {
        format!("{} {}", self.version.id, self.address.with(|_| ()))
    }

    fn columns(&self) -> Vec<String> {
        let schema = self.chosen.and_then(|at| self.files.get(at)).and_then(|entry| entry.schema.as_ref());
        schema.map(|schema| schema.columns.iter().map(|column| column.name.clone()).collect()).unwrap_or_default()
    }

    fn view(&self) -> View {
        let asked = &self.address.asked;
        View {
            expression: self.expression(),
            filter: asked.f.clone(),
            columns: self.window(),
            sort: asked.sort.clone(),
            descending: asked.descending(),
        }
    }
}

async fn show(
    visitor: Visitor,
    web: web::Data<Web>,
    names: Names,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, PageError> {
    let table = Table::find(&visitor, names, asked.into_inner()).await?;
    if table.chosen.is_none() {
        return Ok(page(&TablePage::without_tables(&visitor, &table)));
    }
    if table.address.asked.row > 0 {
        return one_row(&visitor, &table).await;
    }
    let kept = web.tables.find(&table.key());
    let (rows, counted) = read(&visitor, &table, kept.as_deref()).await;
    match rows {
        Ok(rows) => {
            let drawn = match kept.filter(|_| rows.header.not_modified) {
                Some(kept) => kept,
                None => {
                    let drawn = Arc::new(view::draw(&table, &rows, &counted)?);
                    web.tables.keep(table.key(), &drawn);
                    drawn
                }
            };
            Ok(page(&TablePage::new(&visitor, &table, &rows.header, &drawn, &counted)))
        }
        Err(error) => {
            let mistake = Mistake::of(&error, "", &table.address.asked.f);
            let (status, notice) = match &mistake {
                Some(_) => (StatusCode::UNPROCESSABLE_ENTITY, None),
                None => (status_of(&error), Some(Notice::from(&error))),
            };
            Ok(page_with(status, &TablePage::refused(&visitor, &table, mistake, notice, counted.known())?))
        }
    }
}

/// The rows and what is in their columns; neither is sent once more when both are as in what is `kept`.
async fn read(visitor: &Visitor, table: &Table, kept: Option<&Drawn>) -> (Result<Rows, ClientError>, Counted) {
    let (known_rows, known_statistics) = kept.map_or(("", ""), |kept| (&kept.rows, &kept.statistics));
    let page = |known: &str| {
        let request = ReadPageRequest {
            view: Some(table.view()),
            offset: Paging::offset(table.address.asked.page),
            rows: PAGE_ROWS,
            timeout_ms: 0,
            if_none_match: known.to_owned(),
        };
        Rows::read(&visitor.client, request)
    };
    let (mut rows, mut found) = futures::join!(page(known_rows), statistics(visitor, table, known_statistics));
    // a table is drawn from both, so one that did not change is needed when the other did
    let same_rows = rows.as_ref().is_ok_and(|rows| rows.header.not_modified);
    let same_statistics = found.known().is_some_and(|found| found.not_modified);
    match (same_rows, same_statistics) {
        (true, false) => rows = page("").await,
        (false, true) => found = statistics(visitor, table, "").await,
        _ => {}
    }
    (rows, found)
}

/// What is in the columns, unless it takes longer than a page may, or is what is `known` already.
async fn statistics(visitor: &Visitor, table: &Table, known: &str) -> Counted {
    let view = View { filter: String::new(), sort: String::new(), descending: false, ..table.view() };
    let waits = table.address.asked.stats == "wait";
    let timeout_ms = if waits { 0 } else { STATISTICS_PATIENCE_MS };
    let request = GetStatisticsRequest { view: Some(view), timeout_ms, if_none_match: known.to_owned() };
    match visitor.client.queries().get_statistics(request).await {
        Ok(found) => Counted::Known(found.into_inner()),
        Err(status) if status.code() == Code::DeadlineExceeded && !waits => Counted::Later,
        Err(status) => {
            tracing::debug!(%status, "a table is shown without its statistics");
            Counted::Failed(Notice::from(&ClientError::from(status)))
        }
    }
}

async fn one_row(visitor: &Visitor, table: &Table) -> Result<HttpResponse, PageError> {
    let number = table.address.asked.row;
    let view = View { expression: table.expression(), ..View::default() };
    let request = ReadPageRequest { view: Some(view), offset: number - 1, rows: 1, ..Default::default() };
    let rows = Rows::read(&visitor.client, request).await?;
    let shown = RowPage::new(visitor, table, &rows)?;
    Ok(if rows.first()?.is_none() { page_with(StatusCode::NOT_FOUND, &shown) } else { page(&shown) })
}

/// The checker's word on a filter, as a part of the page.
async fn check(visitor: Visitor, names: Names, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    let table = Table::find(&visitor, names, asked.into_inner()).await?;
    let filter = table.address.asked.f.clone();
    let request = CheckViewRequest { view: Some(View { columns: Vec::new(), sort: String::new(), ..table.view() }) };
    let found = visitor.client.queries().check_view(request).await?.into_inner();
    let mistake = found.mistake.map(|mistake| Mistake::checked(mistake, "", &filter));
    Ok(page(&CheckPart { mistake }))
}

async fn json(visitor: Visitor, names: Names, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    let table = Table::find(&visitor, names, asked.into_inner()).await?;
    table.file()?;
    let view = View { columns: Vec::new(), ..table.view() };
    let offset = Paging::offset(table.address.asked.page);
    let request = ReadPageRequest { view: Some(view), offset, rows: PAGE_ROWS, ..Default::default() };
    let rows = Rows::read(&visitor.client, request).await?;
    let mut answer = HttpResponse::Ok();
    let paging = Paging::new(table.address.asked.page, rows.header.matches);
    if let Some(next) = paging.after() {
        let next = table.address.ending(".json", |asked| asked.page = next);
        answer.insert_header(("link", format!("<{next}>; rel=\"next\"")));
    }
    Ok(answer.content_type("application/json").body(rows.json()?))
}

async fn csv(visitor: Visitor, names: Names, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    let format = if asked.r#for == "spreadsheet" { "spreadsheet-csv" } else { "csv" };
    file(visitor, names, asked, format).await
}

async fn json_lines(visitor: Visitor, names: Names, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    file(visitor, names, asked, "jsonl").await
}

async fn parquet(visitor: Visitor, names: Names, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    file(visitor, names, asked, "parquet").await
}

async fn file(
    visitor: Visitor,
    names: Names,
    asked: web::Query<Asked>,
    format: &str,
) -> Result<HttpResponse, PageError> {
    let table = Table::find(&visitor, names, asked.into_inner()).await?;
    let path = &table.file()?.path;
    let stem = path.rsplit('/').next().and_then(|file| file.split('.').next()).unwrap_or_default();
    let name = format!("{}-v{}-{stem}", table.dataset.replace('/', "-"), table.version.number);
    let view = View { columns: Vec::new(), ..table.view() };
    export::file(visitor.bulk_client()?, view, format, &name).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_proto::v1::{Column, TableSchema};

    #[test]
    fn past_the_last_column_are_the_last_ones() {
        let shown = |columns: usize, cols: usize| {
            let named = (0..columns).map(|n| Column { name: n.to_string(), ..Column::default() }).collect();
            let schema = TableSchema { columns: named, ..TableSchema::default() };
            let file = Entry { schema: Some(schema), ..Entry::default() };
            let table = Table {
                dataset: "flights/nyc".to_owned(),
                version: Version::default(),
                files: vec![file],
                all: 1,
                chosen: Some(0),
                address: Address::new("flights", "nyc", "1", Asked { cols, ..Asked::default() }),
                by_number: true,
            }
            .within();
            let links = view::column_windows(&table);
            assert_eq!(links.iter().filter(|link| link.current).count(), usize::from(columns > COLUMNS));
            (table.window().first().cloned(), table.window().len(), table.address.asked.cols)
        };
        let (all, last) = (2 * COLUMNS + 10, 2 * COLUMNS);
        for past in [all, all + 1, usize::MAX] {
            assert_eq!(shown(all, past), (Some(last.to_string()), 10, last));
            assert_eq!(shown(2 * COLUMNS, past), (Some(COLUMNS.to_string()), COLUMNS, COLUMNS));
            assert_eq!(shown(3, past), (None, 0, 0), "all of them");
        }
        assert_eq!(shown(all, 7), (Some("7".to_owned()), COLUMNS, 7));
        assert_eq!(shown(all, all - 1), (Some((all - 1).to_string()), 1, all - 1));
    }

    #[test]
    fn of_any_number_of_tables_few_are_kept() {
        let table = |n: usize| Entry {
            path: format!("{n:06}.csv"),
            schema: n.is_multiple_of(2).then(TableSchema::default),
            ..Entry::default()
        };
        let meant = table(90_000).path;
        let mut tables = Tables::default();
        for answer in 0..100 {
            tables.take((answer * 1_000..(answer + 1) * 1_000).map(table).collect(), &meant);
        }
        assert_eq!((tables.kept.len(), tables.all), (TABS + 1, 50_000));
        assert_eq!(tables.kept.last().unwrap().path, meant, "what is meant is found wherever it stands");
        assert!(tables.kept.iter().all(|entry| entry.schema.is_some()));
    }
}
