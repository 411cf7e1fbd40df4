//! A page of rows from the API, and its cells as text. Owns what a cell shows: missing values are seen to be missing,
//! long texts are cut, control characters have a sign.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bib_proto::client::{Client, ClientError};
use bib_proto::v1::read_page_response::Part;
use bib_proto::v1::{PageHeader, ReadPageRequest};
use std::borrow::Cow;

/// Characters of a cell in a table of many rows.
const CELL_CHARS: usize = 160;
/// Characters of a cell where one row is shown.
const WHOLE_CHARS: usize = 20_000;

/// Rows as they came.
pub(crate) struct Rows {
    pub(crate) header: PageHeader,
    /// A stream of Arrow.
    ipc: Vec<u8>,
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: Cow<'static, str>,
    /// Classes of the cell: `num`, `null`, `cut`.
    pub(crate) class: &'static str,
}

impl Rows {
    /// Asks for a page.
    pub(crate) async fn read(client: &Client, request: ReadPageRequest) -> Result<Self, ClientError> {
        let mut parts = client.queries().read_page(request).await?.into_inner();
        let (mut header, mut ipc) = (PageHeader::default(), Vec::new());
        while let Some(message) = parts.message().await? {
            match message.part {
                Some(Part::Header(first)) => header = first,
                Some(Part::ArrowIpc(more)) => ipc.extend(more),
                None => {}
            }
        }
        Ok(Self { header, ipc })
    }

    fn batches(&self) -> Result<Vec<RecordBatch>, ClientError> {
        StreamReader::try_new(self.ipc.as_slice(), None).and_then(Iterator::collect).map_err(unreadable)
    }

    /// The cells, row by row.
    pub(crate) fn cells(&self) -> Result<Vec<Vec<Cell>>, ClientError> {
        self.shown(CELL_CHARS)
    }

    /// The cells of the first row, as whole as a page can show them.
    pub(crate) fn first(&self) -> Result<Option<Vec<Cell>>, ClientError> {
        Ok(self.shown(WHOLE_CHARS)?.into_iter().next())
    }

    fn shown(&self, most: usize) -> Result<Vec<Vec<Cell>>, ClientError> {
        let options = FormatOptions::default();
        let mut rows = Vec::new();
        for batch in &self.batches()? {
            let columns = batch.columns();
            let made: Result<Vec<ArrayFormatter<'_>>, ArrowError> =
                columns.iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options)).collect();
            let made = made.map_err(unreadable)?;
            for row in 0..batch.num_rows() {
                let cells = columns.iter().zip(&made).map(|(column, made)| cell(column.as_ref(), made, row, most));
                rows.push(cells.collect());
            }
        }
        Ok(rows)
    }

    /// The rows as a JSON array.
    pub(crate) fn json(&self) -> Result<Vec<u8>, ClientError> {
        let mut writer = arrow::json::WriterBuilder::new()
            .with_explicit_nulls(true)
            .build::<_, arrow::json::writer::JsonArray>(Vec::new());
        writer.write_batches(&self.batches()?.iter().collect::<Vec<_>>()).map_err(unreadable)?;
        writer.finish().map_err(unreadable)?;
        let bytes = writer.into_inner();
        Ok(if bytes.is_empty() { b"[]".to_vec() } else { bytes })
    }
}

fn unreadable(error: ArrowError) -> ClientError {
    tonic::Status::internal(format!("the rows cannot be read: {error}")).into()
}

fn cell(column: &dyn Array, made: &ArrayFormatter<'_>, row: usize, most: usize) -> Cell {
    if column.is_null(row) {
        return Cell { text: Cow::Borrowed("null"), class: "null" };
    }
    let text = made.value(row).to_string();
    if text.is_empty() {
        return Cell { text: Cow::Borrowed("empty text"), class: "null" };
    }
    let class = if is_number(column.data_type()) { "num" } else { "" };
    // nearly all cells are like this, and a page has thousands
    if text.len() <= most && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cell { text: Cow::Owned(text), class };
    }
    match text.char_indices().nth(most) {
        Some((at, _)) => Cell { text: Cow::Owned(format!("{}…", visible(&text[..at]))), class: "cut" },
        None => Cell { text: Cow::Owned(visible(&text)), class },
    }
}

/// Whether values of the type stand on the right.
fn is_number(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_number(values),
        kind => kind.is_numeric(),
    }
}

/// Control characters as their pictures, so that nobody is misled by what they do.
fn visible(text: &str) -> String {
    let picture = |c: char| match c {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        // what turns the direction of text around
        '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(picture).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
    use arrow::ipc::writer::StreamWriter;
    use std::sync::Arc;

    #[test]
    fn cells_show_what_is_missing_and_what_is_long() {
        let long = "x".repeat(500);
        let names: ArrayRef =
            Arc::new(StringArray::from(vec![Some("a\nb"), None, Some(""), Some(&long), Some("\u{202e}evil")]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(-5), None, Some(0), Some(7), Some(1)]));
        let doubles: ArrayRef = Arc::new(Float64Array::from(vec![1.5, f64::NAN, 30.0, 1e300, -0.0]));
        let columns = [("s", names, true), ("n", numbers, true), ("d", doubles, true)];
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let rows = rows_of(&batch);
        let cells = rows.cells().unwrap();
        let text = |row: usize, column: usize| (&*cells[row][column].text, cells[row][column].class);
        assert_eq!([text(0, 0), text(0, 1), text(0, 2)], [("a\u{240a}b", ""), ("-5", "num"), ("1.5", "num")]);
        assert_eq!([text(1, 0), text(1, 1), text(1, 2)], [("null", "null"), ("null", "null"), ("NaN", "num")]);
        assert_eq!(text(2, 0), ("empty text", "null"));
        assert!(text(3, 0).0.chars().count() == CELL_CHARS + 1 && text(3, 0).1 == "cut");
        assert_eq!(text(4, 0).0, "\u{fffd}evil");
        assert_eq!(rows.first().unwrap().unwrap().len(), 3);
        assert_eq!(cells.len(), 5);
        let json: serde_json::Value = serde_json::from_slice(&rows.json().unwrap()).unwrap();
        assert_eq!(json[1]["s"], serde_json::Value::Null);
        assert_eq!(rows_of(&batch.slice(0, 0)).json().unwrap(), b"[]");
    }

    fn rows_of(batch: &RecordBatch) -> Rows {
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(batch).unwrap();
        Rows { header: PageHeader::default(), ipc: writer.into_inner().unwrap() }
    }
}
