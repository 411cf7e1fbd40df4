//! A table of a query: files of one kind and schema. Owns how a scan of it is planned.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetRowSelection};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use parquet::arrow::arrow_reader::RowSelection;

use super::file::ChunkFile;
use super::media::Media;
use super::objects::meta;
use super::parquet::CarefulFactory;
use super::reads::Reads;
use super::source::ChunkSource;
use crate::options::QueryOptions;

/// Bytes that a Parquet footer mostly fits in; a longer one costs one more read.
pub(super) const FOOTER_GUESS: usize = 64 << 10;

/// The unit of times with 96 bits. Nanoseconds of 64 bits would end in 2262, and wrap around beyond.
pub(super) const INT96_UNIT: &str = "us";

/// Files of one kind and schema.
#[derive(Debug)]
pub(crate) struct ChunkTable {
    pub(crate) schema: SchemaRef,
    pub(crate) files: Arc<Vec<Arc<ChunkFile>>>,
    pub(crate) reads: Reads,
    pub(crate) batch_rows: usize,
    /// Threads that may work on a scan at once.
    pub(crate) cores: usize,
    /// Bytes of the Parquet pages that are unpacked at once.
    pub(crate) parquet_bytes: u64,
    /// Columns of a scan from which on a Parquet file's values are unpacked only where the filters let rows pass.
    pub(crate) late_columns: usize,
    /// The rows that are wanted, by their positions over all files; none for all.
    window: Option<Range<u64>>,
}

/// The usual [`ChunkTable::late_columns`]. Going through values by a selection costs more than unpacking all of them
/// where rows pass by the dozen in every page: with five columns or fewer a filter behind the scan takes half the time.
const LATE_COLUMNS: usize = 12;

impl ChunkTable {
    /// A table of all rows of `files`.
    pub(super) fn new(
        schema: SchemaRef,
        files: Vec<Arc<ChunkFile>>,
        reads: Reads,
        batch_rows: usize,
        options: &QueryOptions,
    ) -> Self {
        Self {
            schema,
            files: Arc::new(files),
            reads,
            batch_rows,
            cores: options.partitions.max(1),
            parquet_bytes: options.parquet_bytes,
            late_columns: LATE_COLUMNS,
            window: None,
        }
    }

    /// Leaves out all rows but those of `window`, if that can be done without reading them: the format tells where a
    /// row is, and how many rows each file has was counted when it came in.
    pub(crate) fn narrow(&mut self, window: Range<u64>) -> bool {
        let all: Option<u64> = self.files.iter().map(|file| rows_of(file)).sum();
        let known = all.is_some_and(|all| window.start < all && usize::try_from(all).is_ok());
        let parquet = self.files.iter().all(|file| file.media == Media::Parquet);
        if known && parquet {
            self.window = Some(window);
        }
        known && parquet
    }

    /// The position of the first row of a scan.
    pub(super) fn first_row(&self) -> u64 {
        self.window.as_ref().map_or(0, |window| window.start)
    }

    /// The files of a scan, each with the rows that are wanted of it.
    fn parts(&self) -> Vec<PartitionedFile> {
        let whole = |file: &Arc<ChunkFile>| PartitionedFile::new_from_meta(meta(file));
        let Some(window) = &self.window else { return self.files.iter().map(whole).collect() };
        let (mut parts, mut begin) = (Vec::new(), 0);
        for file in self.files.iter() {
            let rows = rows_of(file).unwrap_or_default();
            let place = |row: u64| usize::try_from(row.clamp(begin, begin + rows) - begin).unwrap_or(usize::MAX);
            let wanted = place(window.start)..place(window.end);
            if !wanted.is_empty() {
                let all = place(begin + rows);
                let selection = RowSelection::from_consecutive_ranges(std::iter::once(wanted), all);
                parts.push(whole(file).with_extension(ParquetRowSelection::new(selection)));
            }
            begin += rows;
        }
        parts
    }

    /// Where the files of a query stand.
    pub(crate) fn url() -> ObjectStoreUrl {
        ObjectStoreUrl::parse("bib://chunks").expect("the text is a URL")
    }

    fn source(&self, state: &dyn Session, columns: usize) -> Result<Arc<dyn FileSource>> {
        if self.files.first().is_none_or(|file| file.media != Media::Parquet) {
            let files = Arc::clone(&self.files);
            return Ok(Arc::new(ChunkSource::new(
                self.reads.clone(),
                files,
                Arc::clone(&self.schema),
                self.batch_rows,
                self.cores,
            )));
        }
        let mut options =
            TableParquetOptions { global: state.config_options().execution.parquet.clone(), ..Default::default() };
        // row groups and pages are skipped by their statistics in any case
        options.global.pushdown_filters = columns >= self.late_columns;
        options.global.reorder_filters = true;
        options.global.enable_page_index = true;
        options.global.coerce_int96 = Some(INT96_UNIT.to_owned());
        let store = state.runtime_env().object_store(Self::url())?;
        let footers = state.runtime_env().cache_manager.get_file_metadata_cache();
        let factory = CachedParquetFileReaderFactory::new(store, footers);
        let factory = Arc::new(CarefulFactory::new(factory, self.parquet_bytes));
        Ok(Arc::new(
            ParquetSource::new(TableSchema::from(Arc::clone(&self.schema)))
                .with_table_parquet_options(options)
                .with_parquet_file_reader_factory(factory)
                .with_metadata_size_hint(FOOTER_GUESS),
        ))
    }
}

#[async_trait]
impl TableProvider for ChunkTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = projection.map_or(self.schema.fields().len(), Vec::len);
        let config = FileScanConfigBuilder::new(Self::url(), self.source(state, columns)?)
            .with_file_group(FileGroup::new(self.parts()))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// Rows of a file, if they were counted when it came in.
fn rows_of(file: &ChunkFile) -> Option<u64> {
    file.schema.as_ref().and_then(|schema| schema.rows)
}
