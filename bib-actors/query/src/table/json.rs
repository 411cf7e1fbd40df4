//! JSON lines to batches. Owns only the set-up of Arrow's reader: numbers and booleans become text where the column
//! holds text, as `detect/json.rs` widened it.

use std::io::BufReader;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::{Reader, ReaderBuilder};

use super::fault::ReadFault;
use super::file::ChunkReader;
use super::source::Batches;

/// Bytes that the parser takes from the reader at once.
const BUFFER: usize = 128 << 10;

/// Reads objects and fills columns.
pub(super) struct JsonBatches {
    reader: Reader<BufReader<ChunkReader>>,
    path: String,
}

impl JsonBatches {
    /// `schema` has the columns to fill only.
    pub(super) fn new(reader: ChunkReader, schema: SchemaRef, batch_rows: usize) -> Result<Self, ReadFault> {
        let path = reader.file().path.clone();
        let reader = ReaderBuilder::new(schema)
            .with_batch_size(batch_rows)
            .with_coerce_primitive(true)
            .build(BufReader::with_capacity(BUFFER, reader))
            .map_err(|error| ReadFault::new(&path, error))?;
        Ok(Self { reader, path })
    }
}

impl Batches for JsonBatches {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ReadFault> {
        match self.reader.next() {
            None => Ok(None),
            Some(Ok(batch)) => Ok(Some(batch)),
            Some(Err(error)) => Err(match ReadFault::find(&error) {
                Some(fault) => fault,
                None => ReadFault::new(&self.path, format!("a line is not as its description says: {error}")),
            }),
        }
    }
}
