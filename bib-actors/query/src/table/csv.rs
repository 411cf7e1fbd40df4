//! CSV bytes to batches, with the schema of the manifest. Owns the size of a batch and the messages about fields.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;

use super::BATCH_BYTES;
use super::column::Column;
use super::fault::ReadFault;
use super::fields::Fields;
use super::source::Batches;

/// Fields that are split before they are read: few enough that where they lie stays near the processor.
const SPLIT_FIELDS: usize = 8 << 10;

/// A reader of rows.
pub(super) trait Rows: Send {
    /// Goes to the next rows, at most so many; tells how many, none at the end.
    fn next(&mut self, most: usize) -> Result<usize, ReadFault>;
    /// The present rows.
    fn fields(&self) -> Fields<'_>;
    /// The file, for messages.
    fn path(&self) -> &str;
    /// The line of one of the present rows, for messages.
    fn line(&self, row: usize) -> String;
}

/// Reads rows and fills columns.
pub(super) struct CsvBatches<R> {
    rows: R,
    /// The columns to fill: their place in a row and their name.
    wanted: Vec<(usize, String)>,
    schema: SchemaRef,
    batch_rows: usize,
    /// Rows to split at a time.
    step: usize,
    skip_header: bool,
}

impl<R: Rows> CsvBatches<R> {
    /// `schema` is the file's, `projection` the columns to fill.
    pub(super) fn new(
        rows: R,
        schema: &SchemaRef,
        projection: &[usize],
        batch_rows: usize,
        skip_header: bool,
    ) -> Result<Self, ReadFault> {
        let projected = schema.project(projection).map_err(|error| ReadFault::new(rows.path(), error))?;
        Ok(Self {
            rows,
            wanted: projection.iter().map(|&at| (at, schema.field(at).name().clone())).collect(),
            schema: Arc::new(projected),
            batch_rows,
            step: (SPLIT_FIELDS / schema.fields().len().max(1)).max(1),
            skip_header,
        })
    }

    /// A field that is not what its column holds.
    fn misfit(&self, row: usize, wanted: usize, kind: &str) -> ReadFault {
        let (at, name) = &self.wanted[wanted];
        let field = self.rows.fields().column(*at).nth(row).unwrap_or_default();
        let shown = String::from_utf8_lossy(&field[..field.len().min(80)]);
        let line = self.rows.line(row);
        let detail = format!(
            "{line}: {shown:?} in column {name:?} is not {kind}, as its description says; publish the file again"
        );
        ReadFault::new(self.rows.path(), detail)
    }
}

impl<R: Rows> Batches for CsvBatches<R> {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ReadFault> {
        if std::mem::take(&mut self.skip_header) && self.rows.next(1)? == 0 {
            return Ok(None);
        }
        let mut columns: Vec<Column> =
            self.schema.fields().iter().map(|field| Column::new(field.data_type(), self.batch_rows)).collect();
        let (mut rows, mut bytes) = (0, 0);
        while rows < self.batch_rows && bytes < BATCH_BYTES {
            let more = self.rows.next(self.step.min(self.batch_rows - rows))?;
            if more == 0 {
                break;
            }
            let fields = self.rows.fields();
            for (wanted, column) in columns.iter_mut().enumerate() {
                let filled = column.fill(fields, self.wanted[wanted].0);
                filled.map_err(|row| self.misfit(row, wanted, column.kind()))?;
            }
            rows += more;
            bytes += fields.bytes();
        }
        if rows == 0 {
            return Ok(None);
        }
        let arrays = columns.into_iter().map(Column::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options);
        batch.map(Some).map_err(|error| ReadFault::new(self.rows.path(), error))
    }
}

/// What to say of a row that is longer or shorter than the others.
pub(super) fn ragged(line: &str, found: usize, width: usize) -> String {
    format!("{line} has {found} fields instead of {width}")
}
