//! Tables over chunks: which files of a version are a table, and how their bytes become batches. Owns every read
//! that a query makes; never writes.

mod csv;
mod fault;
mod file;
mod ipc;
mod json;
mod media;
mod objects;
mod open;
mod provider;
mod reads;
mod records;
mod source;

pub(crate) use fault::ReadFault;
pub(crate) use file::{ChunkFile, ChunkReader};
pub(crate) use media::{ARROW_FILE, ARROW_STREAM, CsvDialect, JSON_LINES, Media, PARQUET};
pub(crate) use objects::ChunkObjects;
pub(crate) use open::{Refusal, SchemaCache, choose_files, open_table};
pub(crate) use provider::ChunkTable;
pub(crate) use reads::{Counters, Reads};
pub(crate) use records::{Records, endless};

/// Whether a field of a CSV file is a missing value.
pub(crate) fn is_missing(field: &[u8]) -> bool {
    field.is_empty() || field == b"NA"
}
