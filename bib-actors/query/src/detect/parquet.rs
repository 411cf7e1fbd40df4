//! The table in a Parquet file, from its footer alone. A footer that points outside of the file is refused.

use std::io::BufReader;
use std::sync::Arc;

use bib_chunks::{ChunkStore, TableSchema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader as ParquetReader, Length};

use super::columns_of;
use super::error::DetectError;
use crate::table::{ChunkFile, ChunkReader, ReadFault, footer_length};

struct Source {
    store: ChunkStore,
    file: Arc<ChunkFile>,
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.file.size
    }
}

impl ParquetReader for Source {
    type T = BufReader<ChunkReader>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let reader = ChunkReader::new(self.store.clone(), Arc::clone(&self.file), Arc::default());
        Ok(BufReader::new(reader.within(start..self.file.size)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.saturating_add(length as u64);
        if end > self.file.size {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} lie behind the end")));
        }
        let bytes = self.file.read(&self.store, start..end);
        bytes.map_err(|fault| ParquetError::External(Box::new(fault)))
    }
}

pub(super) fn infer(store: &ChunkStore, file: &Arc<ChunkFile>) -> Result<Option<TableSchema>, DetectError> {
    let path = &file.path;
    let source = Source { store: store.clone(), file: Arc::clone(file) };
    let read = |start, length| source.get_bytes(start, length).map_err(|error| from_parquet(path, &error));
    let tail = if file.size >= 12 { read(file.size - 8, 8)? } else { Bytes::new() };
    let footer = footer_length(file.size, &tail).map_err(|detail| DetectError::broken(path, detail))?;
    let data_end = file.size - 8 - footer;
    // the reader of a foreign format may not foresee everything
    let built =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ParquetRecordBatchReaderBuilder::try_new(source)));
    let builder = match built {
        Ok(Ok(builder)) => builder,
        Ok(Err(error)) => return Err(from_parquet(path, &error)),
        Err(_) => return Err(DetectError::broken(path, "its footer is damaged; write the file again")),
    };
    let rows = check(builder.metadata(), data_end).map_err(|detail| DetectError::broken(path, detail))?;
    Ok(Some(TableSchema { columns: columns_of(builder.schema()), rows: Some(rows) }))
}

/// The number of rows, when the footer agrees with itself and points at nothing behind `data_end`.
fn check(metadata: &ParquetMetaData, data_end: u64) -> Result<u64, String> {
    let again = "the file was cut off or changed; write it again";
    let mut sum = 0_i64;
    for (number, group) in metadata.row_groups().iter().enumerate() {
        sum = sum.saturating_add(group.num_rows());
        for column in group.columns() {
            let starts = [Some(column.data_page_offset()), column.dictionary_page_offset()];
            let first = starts.into_iter().flatten().min().unwrap_or(-1);
            let end = first.checked_add(column.compressed_size()).filter(|_| column.compressed_size() >= 0);
            let inside = first >= 4 && end.is_some_and(|end| u64::try_from(end).is_ok_and(|end| end <= data_end));
            if !inside || group.num_rows() < 0 {
                let name = column.column_path().string();
                return Err(format!(
                    "its footer puts column {name:?} of row group {number} outside of the file; {again}"
                ));
            }
        }
    }
    let rows = metadata.file_metadata().num_rows();
    if sum != rows {
        return Err(format!("its footer speaks of {rows} rows, its row groups of {sum}; {again}"));
    }
    u64::try_from(rows).map_err(|_| format!("its footer speaks of {rows} rows; {again}"))
}

fn from_parquet(path: &str, error: &ParquetError) -> DetectError {
    match ReadFault::find(error) {
        Some(fault) => DetectError::from_fault(fault),
        None => DetectError::broken(path, format!("its footer is damaged ({error}); write the file again")),
    }
}
