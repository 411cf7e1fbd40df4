//! Tables over chunks: which files of a version are a table, and how their bytes become batches. Owns every read
//! that a query makes; never writes.

#[cfg(test)]
mod agreement;
mod arrivals;
mod column;
mod csv;
mod digits;
mod fault;
mod fields;
mod file;
mod frames;
mod ipc;
mod json;
mod lines;
mod marks;
mod media;
mod numbered;
mod objects;
mod open;
mod pages;
mod parquet;
mod presence;
mod provider;
mod reads;
mod records;
mod schemas;
mod slice;
mod source;
mod tokenized;

pub(crate) use arrivals::{Arrivals, Bringer};
pub(crate) use fault::{Cause, Lacking, ReadFault};
pub(crate) use file::{ChunkFile, ChunkReader};
pub(crate) use frames::{FrameFault, check_frames};
pub(crate) use media::{ARROW_FILE, ARROW_STREAM, CsvDialect, JSON_LINES, Media, PARQUET};
pub(crate) use numbered::NumberedTable;
pub(crate) use objects::{ChunkObjects, location};
pub(crate) use open::{SchemaCache, choose_files, open_table};
pub(crate) use parquet::footer_length;
pub use presence::Presence;
pub(crate) use presence::presence;
pub(crate) use provider::ChunkTable;
pub(crate) use reads::{Counters, Reads};
pub(crate) use records::{Records, endless};

/// Bytes of text that one batch is made of at most, but for its last row: rows may be as long as a record may be.
pub(crate) const BATCH_BYTES: u64 = 8 << 20;

/// Whether a field of a CSV file is a missing value, whatever its column holds.
pub(crate) fn is_missing(field: &[u8]) -> bool {
    field.is_empty() || field == b"NA"
}

/// Whether a field is a missing value in a column whose other values are numbers, dates or booleans. In a column of
/// texts it is a text: somebody may be called Null.
pub(crate) fn is_missing_word(field: &[u8]) -> bool {
    matches!(field, b"NULL" | b"Null" | b"null" | b"None" | b"N/A" | b"n/a" | b"#N/A" | b"\\N")
}
