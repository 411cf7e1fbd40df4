//! The bounds of a query, each with its reason. Owns defaults; reads no configuration file itself.

use std::path::PathBuf;
use std::time::Duration;

/// What a query may use.
#[derive(Debug, Clone)]
pub struct QueryOptions {
    /// Rows that one query may return when its caller set no limit. Not larger, because a result travels over one
    /// connection and a forgotten `.limit()` should fail early, not fill a terminal or a disk.
    pub max_rows: u64,
    /// Bytes that sorting, grouping and deduplication of one query may hold. Not larger, because several queries
    /// run beside each other on a workstation.
    pub memory_bytes: usize,
    /// Time from the start of a query to its last row, the reader's own slowness included.
    pub timeout: Duration,
    /// Length of an expression in bytes. Long enough for machine-written filters with hundreds of terms.
    pub max_expression_bytes: usize,
    /// Levels of nesting in an expression: brackets, calls and chained operators.
    pub max_expression_depth: usize,
    /// Values, operators and calls in an expression. The parser's stack grows with it.
    pub max_expression_nodes: usize,
    /// Partitions that a plan is split into. More than the cores of the machine gains nothing.
    pub partitions: usize,
    /// Rows in one batch of the result.
    pub batch_rows: usize,
    /// Blocking reads of chunks that may run at once, over all queries of one engine.
    pub concurrent_reads: usize,
    /// Bytes of Parquet footers kept between queries.
    pub footer_cache_bytes: usize,
    /// Schemas of nested JSON-lines files kept between queries (the manifest does not hold what is inside a
    /// nested column).
    pub nested_schema_cache: usize,
    /// A directory for sorts and groupings that outgrow their memory; without one they fail with the memory limit.
    pub spill_dir: Option<PathBuf>,
    /// Bytes that spilling may write to `spill_dir`.
    pub spill_bytes: u64,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self {
            max_rows: 1_000_000,
            memory_bytes: 512 << 20,
            timeout: Duration::from_secs(300),
            max_expression_bytes: 64 << 10,
            max_expression_depth: 48,
            max_expression_nodes: 2_000,
            partitions: std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(1, 8)),
            batch_rows: 8_192,
            concurrent_reads: 8,
            footer_cache_bytes: 64 << 20,
            nested_schema_cache: 64,
            spill_dir: None,
            spill_bytes: 8 << 30,
        }
    }
}
