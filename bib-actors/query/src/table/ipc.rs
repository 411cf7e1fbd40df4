//! Arrow IPC files and streams to batches. Owns the set-up of Arrow's reader, and that the fields of a missing struct are
//! missing: other programs leave there what was before.

use std::io::BufReader;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StructArray};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, nullif};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};

use super::fault::ReadFault;
use super::file::ChunkReader;
use super::frames::check_frames;
use super::source::Batches;

/// Reads record batches one at a time.
pub(super) struct IpcBatches {
    batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
    /// Of the table, which may have missing values where this file has none, also within its columns.
    schema: SchemaRef,
    path: String,
}

impl IpcBatches {
    /// `schema` has the columns of the projection only.
    pub(super) fn new(
        mut reader: ChunkReader,
        stream: bool,
        projection: Vec<usize>,
        schema: SchemaRef,
    ) -> Result<Self, ReadFault> {
        let path = reader.file().path.clone();
        check_frames(&mut reader, stream).map_err(|fault| fault.of(&path))?;
        let reader = BufReader::new(reader);
        let batches: Result<Box<dyn Iterator<Item = _> + Send>, _> = if stream {
            StreamReader::try_new(reader, Some(projection)).map(|reader| Box::new(reader) as _)
        } else {
            FileReader::try_new(reader, Some(projection)).map(|reader| Box::new(reader) as _)
        };
        Ok(Self { batches: batches.map_err(|error| fault(&path, &error))?, schema, path })
    }
}

impl Batches for IpcBatches {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ReadFault> {
        let Some(batch) = self.batches.next() else { return Ok(None) };
        let batch = batch.and_then(|batch| {
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let typed = batch.columns().iter().zip(self.schema.fields()).map(|(column, field)| {
                // the values stay what they are: only what is said of the fields within differs
                let same = column.data_type() == field.data_type();
                let typed = if same { Arc::clone(column) } else { cast(column, field.data_type())? };
                if typed.data_type().is_nested() { without_stale(&typed, None) } else { Ok(typed) }
            });
            let columns = typed.collect::<Result<Vec<ArrayRef>, ArrowError>>()?;
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
        });
        batch.map(Some).map_err(|error| fault(&self.path, &error))
    }
}

/// The values, missing where a struct around them is, which is at the zeros of `around`.
fn without_stale(array: &ArrayRef, around: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    if let DataType::Struct(fields) = array.data_type() {
        let of = array.as_struct();
        let nulls = NullBuffer::union(around, of.nulls()).filter(|nulls| nulls.null_count() > 0);
        let columns = of.columns().iter().map(|column| without_stale(column, nulls.as_ref()));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        return Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())?));
    }
    match (around, array.data_type()) {
        // these have no nulls of their own
        (None, _) | (_, DataType::Union(..) | DataType::RunEndEncoded(..)) => Ok(Arc::clone(array)),
        (Some(around), _) => nullif(array, &BooleanArray::new(!around.inner(), None)),
    }
}

/// The schema in an IPC file or stream.
pub(crate) fn ipc_schema(mut reader: ChunkReader, stream: bool) -> Result<SchemaRef, ReadFault> {
    let path = reader.file().path.clone();
    check_frames(&mut reader, stream).map_err(|fault| fault.of(&path))?;
    let reader = BufReader::new(reader);
    let schema = if stream {
        StreamReader::try_new(reader, None).map(|reader| reader.schema())
    } else {
        FileReader::try_new(reader, None).map(|reader| reader.schema())
    };
    schema.map_err(|error| fault(&path, &error))
}

fn fault(path: &str, error: &ArrowError) -> ReadFault {
    ReadFault::find(error)
        .unwrap_or_else(|| ReadFault::new(path, format!("it is not a whole Arrow file: {error}; make the file again")))
}
