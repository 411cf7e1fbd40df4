//! What the template of one row shows, as text: all of its values, as whole as a page can show them.

use super::Table;
use super::view::{Place, place};
use crate::cel;
use crate::error::PageError;
use crate::format::{count, counted};
use crate::grid::{Cell, Rows};
use crate::session::Visitor;
use crate::shell::Shell;
use askama::Template;
use bib_proto::v1::Column;

/// One value of a row.
pub(crate) struct Value {
    name: String,
    kind: String,
    cell: Cell,
}

#[derive(Template)]
#[template(path = "row.html")]
pub(crate) struct RowPage {
    shell: Shell,
    place: Place,
    number: String,
    of: String,
    values: Vec<Value>,
    back: String,
    before: String,
    after: String,
}

impl RowPage {
    pub(super) fn new(visitor: &Visitor, table: &Table, rows: &Rows) -> Result<Self, PageError> {
        let (address, number) = (&table.address, table.address.asked.row);
        let place = place(table);
        let columns = rows.header.schema.as_ref().map(|schema| schema.columns.clone()).unwrap_or_default();
        let cells = rows.first()?.unwrap_or_default();
        let value = |(column, cell): (Column, Cell)| Value { name: column.name, kind: column.r#type, cell };
        let query = format!("{}.offset({}).limit(1)", table.readable(), number - 1);
        let total = rows.header.total;
        let to =
            |row: u64| if (1..=total).contains(&row) { address.with(|asked| asked.row = row) } else { String::new() };
        Ok(Self {
            shell: visitor
                .shell(format!("Row {} · {} · {}", count(number), place.file, place.dataset), "datasets")
                .same_as(format!("bib dataset query {}", cel::shell(&query))),
            number: count(number),
            of: counted(total, "row"),
            values: columns.into_iter().zip(cells).map(value).collect(),
            back: address.with(|asked| asked.row = 0),
            before: to(number - 1),
            after: to(number.saturating_add(1)),
            place,
        })
    }
}
