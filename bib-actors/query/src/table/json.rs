//! JSON lines to batches. Owns the set-up of Arrow's decoder and the size of a batch: numbers and booleans become text
//! where the column holds text, as `detect/json.rs` widened it.

use std::io::{BufRead, BufReader};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::json::reader::Decoder;

use super::BATCH_BYTES;
use super::fault::ReadFault;
use super::file::ChunkReader;
use super::source::Batches;

/// Bytes that the parser takes from the reader at once.
const BUFFER: usize = 128 << 10;

/// Reads objects and fills columns.
pub(super) struct JsonBatches {
    decoder: Decoder,
    reader: BufReader<ChunkReader>,
    path: String,
}

impl JsonBatches {
    /// `schema` has the columns to fill only.
    pub(super) fn new(reader: ChunkReader, schema: SchemaRef, batch_rows: usize) -> Result<Self, ReadFault> {
        let path = reader.file().path.clone();
        let decoder = ReaderBuilder::new(schema)
            .with_batch_size(batch_rows)
            .with_coerce_primitive(true)
            .build_decoder()
            .map_err(|error| ReadFault::new(&path, error))?;
        Ok(Self { decoder, reader: BufReader::with_capacity(BUFFER, reader), path })
    }

    /// Feeds the decoder until its batch is full: in rows, or in bytes and then at the end of a line.
    fn fill(&mut self) -> Result<(), ArrowError> {
        let mut taken = 0;
        loop {
            let mut bytes = self.reader.fill_buf()?;
            let enough = taken >= BATCH_BYTES;
            if enough && let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
                bytes = &bytes[..=end];
            }
            let decoded = self.decoder.decode(bytes)?;
            let full = decoded < bytes.len() || bytes.is_empty() || (enough && bytes.ends_with(b"\n"));
            self.reader.consume(decoded);
            taken += decoded as u64;
            if full {
                return Ok(());
            }
        }
    }
}

impl Batches for JsonBatches {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ReadFault> {
        let batch = self.fill().and_then(|()| self.decoder.flush());
        batch.map_err(|error| match ReadFault::find(&error) {
            Some(fault) => fault,
            None => ReadFault::new(&self.path, format!("a line is not as its description says: {error}")),
        })
    }
}
