//! Rows of a CSV file whose records may go over several lines: one at a time, as the tokenizer gives them.

use csv::ByteRecord;

use super::csv::{Rows, ragged};
use super::fault::ReadFault;
use super::fields::Fields;
use super::file::ChunkReader;
use super::media::CsvDialect;
use super::records::{Records, endless};

/// Reads all records of a file.
pub(super) struct Tokenized {
    records: Records<ChunkReader>,
    path: String,
    record: ByteRecord,
    /// Where in the record its fields lie.
    bounds: Vec<(u32, u32)>,
    width: usize,
}

impl Tokenized {
    /// Each record must have `width` fields.
    pub(super) fn new(reader: ChunkReader, dialect: CsvDialect, width: usize) -> Self {
        let path = reader.file().path.clone();
        let records = Records::new(reader, dialect);
        Self { records, path, record: ByteRecord::new(), bounds: Vec::new(), width }
    }
}

impl Rows for Tokenized {
    fn next(&mut self, _most: usize) -> Result<usize, ReadFault> {
        let path = &self.path;
        let read = self.records.next(&mut self.record);
        let more = read.map_err(|error| match (ReadFault::find(&error), endless(&error)) {
            (Some(fault), _) => fault,
            (None, Some(why)) => ReadFault::new(path, why),
            (None, None) => ReadFault::new(path, error),
        })?;
        if more && self.record.len() != self.width {
            return Err(ReadFault::new(&self.path, ragged(&self.line(0), self.record.len(), self.width)));
        }
        self.bounds.clear();
        if more {
            // records are far shorter than 4 GiB
            let bounds = (0..self.width).filter_map(|at| self.record.range(at));
            self.bounds.extend(bounds.map(|range| (range.start as u32, range.end as u32)));
        }
        Ok(usize::from(more))
    }

    fn fields(&self) -> Fields<'_> {
        Fields::new(self.record.as_slice(), &self.bounds, self.width)
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn line(&self, _row: usize) -> String {
        self.record.position().map_or_else(|| "a line".to_owned(), |position| format!("line {}", position.line()))
    }
}
