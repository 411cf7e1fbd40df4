//! Lists for programs: the same rows as a page, as JSON or CSV under the page's name with an ending.
//!
//! What stands in a list, others have written: messages, paths, names. JSON has it as it is. CSV is what people open in a
//! spreadsheet, which runs a text that begins like a formula: such a text has an apostrophe before it.

use actix_web::HttpResponse;
use serde::Serialize;

/// The columns of the lists, by their names: where there are no rows, there is nothing that would know them.
const COLUMNS: [(&str, &[&str]); 6] = [
    (
        "datasets",
        &["name", "version", "versionId", "message", "publisher", "files", "rows", "bytes", "complete", "updatedMs"],
    ),
    ("topics", &["name", "description", "owner", "datasets", "bytes", "subscribed", "createdMs", "updatedMs"]),
    (
        "nodes",
        &["id", "name", "mode", "storage", "paired", "connected", "transport", "rttUs", "lastSeenMs", "base", "blamed"],
    ),
    ("files", &["path", "kind", "size", "mode", "mediaType", "contentHash", "target", "rows", "columns"]),
    (
        "versions",
        &["number", "id", "message", "publisher", "files", "rows", "bytes", "chunks", "complete", "createdMs"],
    ),
    (
        "audit",
        &[
            "seq",
            "timeNs",
            "actor",
            "role",
            "action",
            "object",
            "outcome",
            "reason",
            "rows",
            "durationUs",
            "component",
            "operationId",
            "entryHash",
            "prevHash",
        ],
    ),
];

/// In which form a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The page.
    Page,
    /// `.json`
    Json,
    /// `.csv`, with the columns of the list.
    Csv(&'static [&'static str]),
}

impl Form {
    /// By the end of the path.
    pub(crate) fn of(path: &str) -> Self {
        match path.rsplit_once('.') {
            Some((_, "json")) => Self::Json,
            Some((list, "csv")) => Self::Csv(columns(list.rsplit('/').next().unwrap_or(list))),
            _ => Self::Page,
        }
    }
}

fn columns(list: &str) -> &'static [&'static str] {
    let found = COLUMNS.iter().find(|(name, _)| *name == list);
    debug_assert!(found.is_some(), "the columns of {list} are not known");
    found.map_or(&[], |(_, columns)| *columns)
}

/// The rows in a form for programs. `next` is where the next page of them is, if there is one.
pub(crate) fn answer<T: Serialize>(form: Form, rows: &[T], next: Option<&str>) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    if let Some(next) = next {
        answer.insert_header(("link", format!("<{next}>; rel=\"next\"")));
    }
    let Form::Csv(columns) = form else { return answer.json(rows) };
    match csv_of(columns, rows) {
        Ok(bytes) => answer.content_type("text/csv; charset=utf-8; header=present").body(bytes),
        Err(error) => {
            tracing::error!(%error, "a list could not be written as CSV");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// A line with the columns, then the rows.
fn csv_of<T: Serialize>(columns: &[&str], rows: &[T]) -> Result<Vec<u8>, csv::Error> {
    let mut plain = csv::Writer::from_writer(Vec::new());
    for row in rows {
        plain.serialize(row)?;
    }
    if rows.is_empty() {
        plain.write_record(columns)?;
    }
    let plain = plain.into_inner().map_err(csv::IntoInnerError::into_error)?;
    let mut out = csv::Writer::from_writer(Vec::new());
    for record in csv::ReaderBuilder::new().has_headers(false).from_reader(plain.as_slice()).records() {
        out.write_record(record?.iter().map(guarded))?;
    }
    Ok(out.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

/// The text, with an apostrophe before what a spreadsheet would run. A whole number is one, also below nought.
fn guarded(text: &str) -> String {
    let runs = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<i64>().is_err();
    if runs { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        name: &'static str,
        rows: i64,
        columns: Option<usize>,
    }

    fn text(rows: &[Row]) -> String {
        String::from_utf8(csv_of(&["name", "rows", "columns"], rows).unwrap()).unwrap()
    }

    #[test]
    fn a_list_runs_nothing_in_a_spreadsheet() {
        let row = |name, rows| Row { name, rows, columns: None };
        let names = [
            "=HYPERLINK(\"http://evil.example\",\"a\")",
            "+1+1",
            "-1+cmd|' /C calc'!A0",
            "@SUM(A1)",
            "\t=1",
            "-",
            "a-b",
        ];
        let found = text(&names.map(|name| row(name, -1)));
        let mut read = csv::Reader::from_reader(found.as_bytes());
        assert_eq!(read.headers().unwrap(), &["name", "rows", "columns"][..]);
        let cells: Vec<String> = read.records().map(|record| record.unwrap()[0].to_owned()).collect();
        let guarded = names.map(|name| if name == "a-b" { name.to_owned() } else { format!("'{name}") });
        assert_eq!(cells, guarded);
        assert_eq!(found.matches(",-1,\n").count(), names.len(), "a number is left as it is: {found}");
        assert_eq!(text(&[row("a, \"b\"\nc", 2)]), "name,rows,columns\n\"a, \"\"b\"\"\nc\",2,\n");
    }

    #[test]
    fn a_list_without_rows_has_its_columns() {
        assert_eq!(text(&[]), "name,rows,columns\n");
        for (name, columns) in COLUMNS {
            assert_eq!(Form::of(&format!("/a/b.c/{name}.csv")), Form::Csv(columns));
        }
        assert_eq!([Form::of("/datasets.json"), Form::of("/datasets")], [Form::Json, Form::Page]);
    }
}
