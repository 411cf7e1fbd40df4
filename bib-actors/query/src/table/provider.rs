//! A table of a query: files of one kind and schema. Owns how a scan of it is planned.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::file::ChunkFile;
use super::media::Media;
use super::objects::meta;
use super::parquet::CarefulFactory;
use super::reads::Reads;
use super::source::ChunkSource;

/// Bytes that a Parquet footer mostly fits in; a longer one costs one more read.
const FOOTER_GUESS: usize = 64 << 10;

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
}

/// The usual [`ChunkTable::late_columns`]. Going through values by a selection costs more than unpacking all of them
/// where rows pass by the dozen in every page: with five columns or fewer a filter behind the scan takes half the time.
pub(super) const LATE_COLUMNS: usize = 12;

impl ChunkTable {
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
        let files: Vec<PartitionedFile> =
            self.files.iter().map(|file| PartitionedFile::new_from_meta(meta(file))).collect();
        let columns = projection.map_or(self.schema.fields().len(), Vec::len);
        let config = FileScanConfigBuilder::new(Self::url(), self.source(state, columns)?)
            .with_file_group(FileGroup::new(files))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
