//! The rows, by name.

mod ask;
mod audit_append;
mod audited;
mod catalog;
mod data;
mod download;
mod edit;
mod ingest;
mod ingest_peers;
mod keeper;
mod memory;
mod page;
mod pair;
mod place;
pub(crate) mod query;
mod query_remote;
mod query_row;
mod replicate;
mod replicate_many;
mod replicate_small;
mod restart;
mod small;
mod start;
pub(crate) mod status;
mod unary;
mod verify;

pub(crate) use catalog::Catalog;
pub(crate) use data::{count_files, float, hash, noise, noise_bytes, rate, small_files};
pub(crate) use ingest::copy;
pub(crate) use pair::Pair;
pub(crate) use place::Place;

use crate::context::Ctx;
use crate::report::Row;

/// Runs one row.
pub(crate) type Run = fn(&Ctx) -> anyhow::Result<Vec<Row>>;

/// Every row that can be asked for.
pub(crate) const ALL: [(&str, Run); 22] = [
    ("ingest-1g", ingest::run),
    ("ingest-small", small::run),
    ("ingest-edit", edit::run),
    ("verify-1g", verify::run),
    ("replicate-1g", replicate::run),
    ("replicate-small", replicate_small::run),
    ("replicate-3", replicate_many::run),
    ("query-parquet", query::run_parquet),
    ("query-csv", query::run_csv),
    ("query-row", query_row::run),
    ("query-remote", query_remote::run),
    ("audited-reads", audited::run_reads),
    ("audited-writes", audited::run_writes),
    ("audit-append", audit_append::run),
    ("grpc-unary", unary::run),
    ("grpc-download", download::run),
    ("ask", ask::run),
    ("restart", restart::run),
    ("start", start::run),
    ("idle-memory", memory::run),
    ("page", page::run),
    ("status", status::run),
];
