//! Records of a CSV file, set up the same for detection and queries. Owns the bound on a record: a quotation mark
//! that is never closed must not pull the rest of the file into memory.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::ByteRecord;

use super::media::CsvDialect;

/// Bytes that the tokenizer takes from the reader at once.
const BUFFER: usize = 128 << 10;

/// Bytes of one record. A longer one is no row of a table.
const MAX_RECORD: u64 = 16 << 20;

/// Bytes that a record has in any case when it is refused: whoever reads in blocks notices late.
pub(super) const LONGEST: u64 = MAX_RECORD + 2 * BUFFER as u64;

/// What an overlong record is refused with.
#[derive(Debug, thiserror::Error)]
#[error(
    "the record that begins at {line} is longer than {} MiB: a quotation mark in it is never closed, or line \
     breaks are missing; close the mark, double it (\"\") where it is part of the text, or write each row on a line",
    MAX_RECORD >> 20
)]
pub(crate) struct EndlessRecord {
    /// "line 5", or whatever tells it.
    pub(super) line: String,
}

/// Reads records of bytes.
pub(crate) struct Records<R: Read> {
    reader: csv::Reader<Guarded<R>>,
    guard: Arc<Guard>,
}

#[derive(Default)]
struct Guard {
    /// Bytes taken since the last record ended.
    taken: AtomicU64,
    /// Where that record began.
    line: AtomicU64,
}

struct Guarded<R> {
    inner: R,
    guard: Arc<Guard>,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        if self.guard.taken.fetch_add(count as u64, Ordering::Relaxed) > MAX_RECORD {
            let line = format!("line {}", self.guard.line.load(Ordering::Relaxed));
            return Err(io::Error::other(EndlessRecord { line }));
        }
        Ok(count)
    }
}

impl<R: Read> Records<R> {
    pub(crate) fn new(reader: R, dialect: CsvDialect) -> Self {
        let guard = Arc::new(Guard::default());
        guard.line.store(1, Ordering::Relaxed);
        let reader = csv::ReaderBuilder::new()
            .delimiter(dialect.delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER)
            .from_reader(Guarded { inner: reader, guard: Arc::clone(&guard) });
        Self { reader, guard }
    }

    /// The next record; false at the end.
    pub(crate) fn next(&mut self, record: &mut ByteRecord) -> Result<bool, csv::Error> {
        self.guard.taken.store(0, Ordering::Relaxed);
        self.guard.line.store(self.reader.position().line(), Ordering::Relaxed);
        self.reader.read_byte_record(record)
    }
}

/// The refusal of an overlong record behind an error.
pub(crate) fn endless(error: &csv::Error) -> Option<String> {
    match error.kind() {
        csv::ErrorKind::Io(io) => io.get_ref()?.downcast_ref::<EndlessRecord>().map(ToString::to_string),
        _ => None,
    }
}
