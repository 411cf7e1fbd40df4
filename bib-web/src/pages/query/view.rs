//! What the template of the query page shows, as text.

use super::examples::Example;
use super::{Asked, EXPRESSION_MAX};
use crate::cel;
use crate::error::{Notice, PageError};
use crate::format::{bytes, count, counted};
use crate::grid::{Cell, Head, Mistake, Paging, Rows, heads};
use crate::session::Visitor;
use crate::shell::Shell;
use askama::Template;
use bib_proto::v1::{ExplainResponse, QueryLimits};

/// One row of the result.
pub(crate) struct RowView {
    cells: Vec<Cell>,
    // rows of a result have no place of their own
    number: String,
    link: String,
}

/// A link with its words.
pub(crate) struct Link {
    to: String,
    words: &'static str,
}

/// How the query runs.
pub(crate) struct Explained {
    plan: String,
    row_by_row: Vec<String>,
    columns: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "query.html")]
pub(crate) struct QueryPage {
    shell: Shell,
    expression: String,
    expression_max: usize,
    lines: usize,
    filter: String,
    all_link: String,
    mistake: Option<Mistake>,
    explained: Option<Explained>,
    ran: bool,
    summary: String,
    heads: Vec<Head>,
    rows: Vec<RowView>,
    nothing: String,
    later: String,
    paging: Paging,
    page_links: [String; 4],
    exports: Vec<Link>,
    too_many: String,
    limits: String,
    examples: Vec<Example>,
}

impl QueryPage {
    fn frame(visitor: &Visitor, asked: &Asked) -> Self {
        let mut shell = visitor.shell("Query", "query");
        if !asked.q.trim().is_empty() {
            let query = cel::view(asked.q.trim(), &asked.f, &asked.sort, asked.descending());
            let flag = if asked.show == "explain" { "--explain " } else { "" };
            shell = shell.same_as(format!("bib dataset query {flag}{}", cel::shell(&query)));
        }
        Self {
            shell,
            lines: asked.q.lines().count().clamp(4, 20),
            expression: asked.q.clone(),
            expression_max: EXPRESSION_MAX,
            filter: asked.f.clone(),
            all_link: asked.with("", |asked| (asked.f, asked.page) = (String::new(), 0)),
            mistake: None,
            explained: None,
            ran: false,
            summary: String::new(),
            heads: Vec::new(),
            rows: Vec::new(),
            nothing: String::new(),
            later: String::new(),
            paging: Paging::new(1, 0),
            page_links: Default::default(),
            exports: Vec::new(),
            too_many: String::new(),
            limits: String::new(),
            examples: Vec::new(),
        }
    }

    /// Before anything was asked.
    pub(super) fn empty(visitor: &Visitor, asked: &Asked, limits: String, examples: Vec<Example>) -> Self {
        Self { limits, examples, ..Self::frame(visitor, asked) }
    }

    /// The node did not run it.
    pub(super) fn refused(visitor: &Visitor, asked: &Asked, mistake: Option<Mistake>, alert: Option<Notice>) -> Self {
        let mut shown = Self::frame(visitor, asked);
        shown.shell = shown.shell.with_alert(alert);
        Self { mistake, ..shown }
    }

    /// How it would run.
    pub(super) fn explained(visitor: &Visitor, asked: &Asked, plan: ExplainResponse) -> Self {
        let columns = plan.schema.map(|schema| schema.columns).unwrap_or_default();
        let explained = Explained {
            plan: plan.plan,
            row_by_row: plan.row_by_row,
            columns: columns.into_iter().map(|column| (column.name, column.r#type)).collect(),
        };
        Self { explained: Some(explained), ..Self::frame(visitor, asked) }
    }

    /// Its rows.
    pub(super) fn of(visitor: &Visitor, asked: &Asked, rows: &Rows) -> Result<Self, PageError> {
        let header = &rows.header;
        let mut shown = Self::frame(visitor, asked);
        let columns = header.schema.as_ref().map(|schema| schema.columns.as_slice()).unwrap_or_default();
        shown.ran = true;
        shown.heads = heads(columns, None, &asked.sort, asked.descending(), asked);
        let row = |cells| RowView { cells, number: String::new(), link: String::new() };
        shown.rows = rows.cells()?.into_iter().map(row).collect();
        if shown.rows.is_empty() {
            shown.nothing = if header.matches == 0 { "No rows." } else { "There are no rows on this page." }.to_owned();
        }
        shown.paging = Paging::new(asked.page, header.matches);
        let pages = [1, shown.paging.before().unwrap_or(1), shown.paging.after().unwrap_or(1), shown.paging.pages];
        shown.page_links = pages.map(|page| asked.with("", |asked| asked.page = page));
        shown.summary = format!(
            "{} · {} ms · {} read",
            counted(header.matches, "row"),
            count(header.elapsed_us.div_ceil(1000)),
            bytes(header.bytes_read)
        );
        if header.bytes_fetched > 0 {
            shown.summary.push_str(&format!(" · {} fetched from other nodes", bytes(header.bytes_fetched)));
        }
        if header.matches > header.max_rows {
            shown.too_many = format!(
                "More rows than the {} that this node gives out in one file: narrow them with .filter() or .limit().",
                count(header.max_rows)
            );
        } else {
            shown.exports = exports(asked);
        }
        Ok(shown)
    }
}

fn exports(asked: &Asked) -> Vec<Link> {
    let link = |ending: &str, spreadsheet: bool, words| Link {
        to: asked.with(ending, |asked| {
            asked.page = 0;
            asked.r#for = if spreadsheet { "spreadsheet".to_owned() } else { String::new() };
        }),
        words,
    };
    vec![
        link(".csv", false, "CSV"),
        link(".csv", true, "CSV for spreadsheets"),
        link(".jsonl", false, "JSON lines"),
        link(".parquet", false, "Parquet"),
    ]
}

/// What a query may use on this node.
pub(super) fn limits_in_words(limits: &QueryLimits) -> String {
    let own = if limits.expression_bytes > EXPRESSION_MAX as u64 {
        format!(
            "; this page sends up to {} characters, fewer where many are line breaks or not ASCII, and bib dataset query \
             any that is longer",
            count(EXPRESSION_MAX as u64)
        )
    } else {
        String::new()
    };
    format!(
        "On this node, one query gives out up to {}, runs for up to {}, and holds up to {} while it sorts or groups. \
         An expression has up to {}{own}. Each limit says so when it is reached, and what to do.",
        counted(limits.max_rows, "row"),
        counted(limits.timeout_ms / 1000, "second"),
        bytes(limits.memory_bytes),
        counted(limits.expression_bytes, "byte"),
    )
}

/// The checker's word on an expression.
#[derive(Template)]
#[template(path = "mistake.html")]
pub(crate) struct CheckPart {
    pub(crate) mistake: Option<Mistake>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_own_limit_is_said_where_it_is_the_smaller_one() {
        let limits = |expression_bytes| limits_in_words(&QueryLimits { expression_bytes, ..Default::default() });
        assert!(limits(65_536).contains("65,536 bytes; this page sends up to 8,192 characters, fewer where"));
        assert!(limits(65_536).contains("bib dataset query"));
        assert!(limits(4_096).contains("4,096 bytes. Each limit"));
    }
}
