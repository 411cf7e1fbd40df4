//! Queries over datasets: CEL expressions, checked against the table's schema, compiled to DataFusion plans and
//! run over the chunk store.
//!
//! The crate owns the query language (`docs/reference/query-language.md` is its page), the readers of CSV,
//! JSON lines, Parquet and Arrow files that lie in chunks, and the detection of such files when data comes in.
//! It never decides who may read what, never writes to the chunk store (chunks that are not there it asks of
//! a [`Fetch`]), holds no state but bounded caches, and
//! knows no actors: it runs on the runtime of whoever calls it.

mod blocks;
mod breach;
mod cache;
mod catalog;
mod check;
mod detect;
mod engine;
mod error;
mod explain;
mod export;
mod fetch;
mod lang;
mod memory;
mod options;
mod page;
mod plan;
mod purpose;
mod row;
mod spill;
mod statistics;
mod stop;
mod stream;
mod table;
mod view;

pub use catalog::{Catalog, CatalogError, Elsewhere, Resolved};
pub use check::Verdict;
pub use detect::{Described, DetectError, describe, detect, infer_schema};
pub use engine::QueryEngine;
pub use error::{InvalidExpression, LimitKind, QueryError};
pub use explain::Explanation;
pub use export::{ExportFormat, Exporter};
pub use fetch::{Fetch, FetchError, Wanted};
pub use lang::end_of_text;
pub use options::QueryOptions;
pub use page::Page;
pub use statistics::{Bar, ColumnStatistics, TableStatistics};
pub use stream::{QueryStats, QueryStream};
pub use table::Presence;
pub use view::{SortBy, View};
