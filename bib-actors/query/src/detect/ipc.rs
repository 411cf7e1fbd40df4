//! The table in an Arrow IPC file or stream. The footer names the columns; rows are counted batch by batch.

use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use bib_chunks::TableSchema;

use super::columns_of;
use super::error::DetectError;
use crate::table::{ChunkReader, FrameFault, ReadFault, check_frames};

pub(super) fn infer(mut reader: ChunkReader, stream: bool) -> Result<Option<TableSchema>, DetectError> {
    let path = reader.file().path.clone();
    check_frames(&mut reader, stream).map_err(|fault| match fault {
        FrameFault::Read(error) => DetectError::from_io(&path, &error),
        FrameFault::Says(detail) => DetectError::broken(&path, detail),
    })?;
    // the reader of a foreign format may not foresee everything
    match catch_unwind(AssertUnwindSafe(|| read(reader, stream))) {
        Ok(Ok((schema, rows))) => Ok(Some(TableSchema { columns: columns_of(&schema), rows: Some(rows) })),
        Ok(Err(error)) => Err(match ReadFault::find(&error) {
            Some(fault) => DetectError::from_fault(fault),
            None => DetectError::broken(&path, format!("it is not a whole Arrow file ({error}); write it again")),
        }),
        Err(_) => Err(DetectError::broken(&path, "its inner structure is damaged; write the file again")),
    }
}

fn read(reader: ChunkReader, stream: bool) -> Result<(Schema, u64), ArrowError> {
    let reader = BufReader::new(reader);
    let mut rows = 0;
    let schema = if stream {
        let mut batches = StreamReader::try_new(reader, None)?;
        let schema = batches.schema();
        batches.try_for_each(|batch| batch.map(|batch| rows += batch.num_rows() as u64))?;
        schema
    } else {
        let mut batches = FileReader::try_new(reader, None)?;
        let schema = batches.schema();
        batches.try_for_each(|batch| batch.map(|batch| rows += batch.num_rows() as u64))?;
        schema
    };
    Ok((schema.as_ref().clone(), rows))
}
