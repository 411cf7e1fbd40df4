//! The rows, by name.

mod data;
mod ingest;
mod query;
mod replicate;
mod restart;

use crate::report::Row;

/// Runs one row: rounds, and MiB of the large file.
pub(crate) type Run = fn(usize, usize) -> anyhow::Result<Vec<Row>>;

/// Every row that can be asked for.
pub(crate) const ALL: [(&str, Run); 4] = [
    ("ingest-1g", ingest::run),
    ("replicate-1g", replicate::run),
    ("query-parquet", query::run),
    ("restart", restart::run),
];
