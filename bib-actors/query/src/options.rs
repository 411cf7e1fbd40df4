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
    /// Partitions that a plan is split into: two for each core, since one waits for its bytes while the other reckons.
    pub partitions: usize,
    /// Rows in one batch of the result.
    pub batch_rows: usize,
    /// Blocking reads of chunks that may run at once, over all queries of one engine.
    pub concurrent_reads: usize,
    /// Calls that may wait for other nodes at once, over all queries of one engine. Each brings many chunks from several
    /// nodes, so more would only spread thin.
    pub concurrent_fetches: usize,
    /// Chunks of one such call. Large enough that opening streams costs little beside them.
    pub fetch_chunks: usize,
    /// How far a reader that goes through a file asks for missing chunks ahead. It begins with little, since a limit may
    /// end it soon.
    pub fetch_ahead_bytes: u64,
    /// Bytes of Parquet footers kept between queries.
    pub footer_cache_bytes: usize,
    /// Bytes of a Parquet file that one read may bring, and that its pages may take once they are unpacked: the largest
    /// page of each column. Large enough for row groups as the usual writers make them.
    pub parquet_bytes: u64,
    /// Schemas of nested JSON-lines files kept between queries (the manifest does not hold what is inside a
    /// nested column).
    pub nested_schema_cache: usize,
    /// Rows of one page at most. More than a person looks at, few enough to be held.
    pub page_rows: u64,
    /// Bytes of one page at most: a page is held whole before it is sent.
    pub page_bytes: usize,
    /// Bytes of rows kept in memory between pages: those of pages that were read, and of Parquet tables the blocks that
    /// pages are cut out of. With 0 each page is read from the chunks. An eighth of it is the largest block.
    pub page_cache_bytes: usize,
    /// Bytes of what is kept of where the blocks of tables begin.
    pub layout_cache_bytes: usize,
    /// Bytes of views kept as they were parsed: who turns pages sends the same text each time.
    pub parse_cache_bytes: usize,
    /// Numbers of matching rows kept between pages. A page turned must not count all rows again.
    pub count_cache: usize,
    /// Statistics of tables kept between requests. Each is as large as a table has columns, so not many.
    pub statistics_cache: usize,
    /// Columns that are described in one go. Each costs a sketch and some counters for the time of two scans.
    pub statistics_columns: usize,
    /// Bars of a histogram at most. More than a column's head on a screen can show is wasted.
    pub histogram_bins: usize,
    /// Different texts of a column that are counted one by one; with more of them none is frequent.
    pub tallied_values: usize,
    /// The most frequent of them that are told.
    pub top_values: usize,
    /// Bytes of a row group of an exported Parquet file: it is held until it is written.
    pub export_group_bytes: usize,
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
            partitions: std::thread::available_parallelism().map_or(4, |cores| 2 * cores.get().clamp(1, 8)),
            batch_rows: 8_192,
            concurrent_reads: 8,
            concurrent_fetches: 4,
            fetch_chunks: 256,
            fetch_ahead_bytes: 64 << 20,
            footer_cache_bytes: 64 << 20,
            parquet_bytes: 768 << 20,
            nested_schema_cache: 64,
            page_rows: 1_000,
            page_bytes: 32 << 20,
            page_cache_bytes: 64 << 20,
            layout_cache_bytes: 4 << 20,
            parse_cache_bytes: 2 << 20,
            count_cache: 1_024,
            statistics_cache: 64,
            statistics_columns: 128,
            histogram_bins: 24,
            tallied_values: 10_000,
            top_values: 10,
            export_group_bytes: 32 << 20,
            spill_dir: None,
            spill_bytes: 8 << 30,
        }
    }
}
