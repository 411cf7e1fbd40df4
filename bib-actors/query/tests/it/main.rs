//! Tests of queries from the text of an expression to rows, over real chunk stores. Expected numbers were computed by
//! other programs; each says by which statement.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod binary_quirks;
mod bounds;
mod csv_files;
mod csv_quirks;
mod document;
mod first_rows;
mod flights;
mod json_files;
mod json_quirks;
mod limits;
mod messages;
mod nested;
mod not_a_number;
mod pages;
mod parquet_files;
mod plans;
mod refusals;
mod remote;
mod remote_peer;
mod semantics;
mod several_files;
mod statistics;
mod stored_types;
mod support;
mod warm;
