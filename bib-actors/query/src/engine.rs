//! Runs queries: parse, resolve, open, check, plan, stream. Owns the caches that live between queries and the bounds
//! of each; holds no lock while it waits.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use bib_chunks::{ChunkStore, SignedManifest};
use datafusion::dataframe::DataFrame;
use datafusion::execution::cache::cache_manager::{CacheManagerConfig, FileMetadataCache};
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::displayable;
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::catalog::Catalog;
use crate::error::QueryError;
use crate::lang::{self, Column, RawQuery, check_stages};
use crate::options::QueryOptions;
use crate::plan::{Plan, build};
use crate::stream::{Bounds, QueryStats, QueryStream, RowLimit, bounded, convert};
use crate::table::{ChunkFile, ChunkObjects, ChunkTable, Reads, Refusal, SchemaCache, choose_files, open_table};

/// Rows up to which a limit is worth telling the plan: a sort then keeps that many instead of all.
const MAX_PUSHED_LIMIT: usize = 100_000;

/// Values in one batch at most: a table of thousands of columns is read a few rows at a time.
const BATCH_CELLS: usize = 1 << 20;

/// Runs queries over the chunk store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct QueryEngine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: ChunkStore,
    options: QueryOptions,
    permits: Arc<Semaphore>,
    footers: Arc<FileMetadataCache>,
    schemas: SchemaCache,
}

/// How a query would run.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The logical and the physical plan as text.
    pub plan: String,
    /// What runs row by row, each with its reason. Empty when all of it is vectorized.
    pub row_by_row: Vec<String>,
    /// The columns of the result.
    pub schema: SchemaRef,
}

/// A query that is ready to run.
struct Prepared {
    plan: Plan,
    manifest: Arc<SignedManifest>,
    reads: Reads,
}

impl QueryEngine {
    /// An engine over `store`. Its methods must be called on a tokio runtime with time.
    #[must_use]
    pub fn new(store: ChunkStore, options: QueryOptions) -> Self {
        let permits = Arc::new(Semaphore::new(options.concurrent_reads.max(1)));
        let footers: Arc<FileMetadataCache> = Arc::new(DefaultCache::new(options.footer_cache_bytes));
        let schemas = SchemaCache::new(options.nested_schema_cache.max(1));
        Self { shared: Arc::new(Shared { store, options, permits, footers, schemas }) }
    }

    /// The bounds of its queries.
    #[must_use]
    pub fn options(&self) -> &QueryOptions {
        &self.shared.options
    }

    /// Says how `expression` would run, without reading rows.
    ///
    /// Cancel-safe: it changes nothing.
    ///
    /// # Errors
    /// As [`Self::query`], but for what only rows can show.
    pub async fn explain(&self, expression: &str, catalog: &dyn Catalog) -> Result<Explanation, QueryError> {
        let timeout = self.shared.options.timeout;
        let work = async {
            let prepared = Box::pin(self.prepare(expression, None, catalog)).await?;
            let Plan { frame, row_by_row } = prepared.plan;
            let logical = frame.clone().into_optimized_plan().map_err(|error| self.convert(&error))?;
            let schema = Arc::clone(frame.schema().inner());
            let physical = frame.create_physical_plan().await.map_err(|error| self.convert(&error))?;
            let physical = displayable(physical.as_ref()).indent(false).to_string();
            let plan = format!("logical plan\n{}\n\nphysical plan\n{}", logical.display_indent(), physical.trim_end());
            Ok(Explanation { plan, row_by_row, schema })
        };
        tokio::time::timeout(timeout, work).await.unwrap_or(Err(QueryError::Timeout { after: timeout }))
    }

    /// Starts `expression`. At most `limit` rows come, or `max_rows` of the options; it ends after `timeout`, or that
    /// of the options.
    ///
    /// Cancel-safe: dropping the future or the stream ends the work; it changes nothing.
    ///
    /// # Errors
    /// [`QueryError`], the expression's mistakes before any row is read. What goes wrong later comes in the stream.
    pub async fn query(
        &self,
        expression: &str,
        limit: Option<u64>,
        timeout: Option<Duration>,
        catalog: &dyn Catalog,
    ) -> Result<QueryStream, QueryError> {
        let options = &self.shared.options;
        let timeout = timeout.map_or(options.timeout, |wanted| wanted.min(options.timeout));
        let deadline = Instant::now() + timeout;
        let rows = match limit {
            Some(limit) if limit <= options.max_rows => RowLimit::Cut(limit),
            _ => RowLimit::Refuse(options.max_rows),
        };
        let start = async {
            let most = match rows {
                RowLimit::Cut(most) | RowLimit::Refuse(most) => most,
            };
            // one more row tells whether there are more; a plan that keeps very many would hold them in memory
            let fetch = usize::try_from(most).ok().filter(|most| *most < MAX_PUSHED_LIMIT).map(|most| most + 1);
            let prepared = Box::pin(self.prepare(expression, fetch, catalog)).await?;
            let inner = prepared.plan.frame.execute_stream().await.map_err(|error| self.convert(&error))?;
            Ok((inner, prepared.manifest, prepared.reads))
        };
        let started = tokio::time::timeout_at(deadline, start).await;
        let (inner, manifest, reads) = started.unwrap_or(Err(QueryError::Timeout { after: timeout }))?;
        let bounds = Bounds { rows, deadline, timeout, memory_bytes: options.memory_bytes };
        Ok(QueryStream {
            schema: inner.schema(),
            versions: vec![manifest.id()],
            stats: QueryStats::new(reads.counters()),
            stream: bounded(inner, bounds, Arc::clone(reads.counters())),
        })
    }

    async fn prepare(
        &self,
        expression: &str,
        fetch: Option<usize>,
        catalog: &dyn Catalog,
    ) -> Result<Prepared, QueryError> {
        let options = &self.shared.options;
        let query = lang::parse(expression, options)?;
        let resolved = catalog.resolve(&query.dataset, query.version.as_deref()).await;
        let manifest = resolved.map_err(|error| QueryError::from_catalog(error, &name_of(&query)))?;
        let files = self.files(&query, &manifest)?;
        let reads = Reads::new(self.shared.store.clone(), Arc::clone(&self.shared.permits));
        let batch_rows = self.batch_rows(&files);
        let state = self.session(&reads, &files, &query, batch_rows)?;
        let opened = open_table(&state, &reads, &self.shared.schemas, files, batch_rows).await;
        let table: ChunkTable = opened?;
        let columns = Column::of_schema(&table.schema);
        let (stages, _) = check_stages(&query, columns.clone())?;
        let context = SessionContext::new_with_state(state);
        let frame = context.read_table(Arc::new(table)).map_err(|error| self.convert(&error))?;
        let mut plan = build(frame, &stages, columns).map_err(|error| self.convert(&error))?;
        if let Some(fetch) = fetch {
            plan.frame = cut(plan.frame, fetch).map_err(|error| self.convert(&error))?;
        }
        Ok(Prepared { plan, manifest, reads })
    }

    fn files(&self, query: &RawQuery, manifest: &SignedManifest) -> Result<Vec<Arc<ChunkFile>>, QueryError> {
        choose_files(&self.shared.store, manifest.manifest(), query.file.as_deref()).map_err(|refusal| match refusal {
            Refusal::Name { message, suggestion } => {
                let at = if query.file.is_some() { query.file_at } else { query.at };
                query.source.invalid_with(at, message, suggestion).into()
            }
            Refusal::Fault(fault) => fault.into(),
        })
    }

    /// Rows in one batch, fewer where the table is wide.
    fn batch_rows(&self, files: &[Arc<ChunkFile>]) -> usize {
        let width = files.first().and_then(|file| file.schema.as_ref()).map_or(1, |schema| schema.columns.len());
        self.shared.options.batch_rows.min(BATCH_CELLS / width.max(1)).max(1)
    }

    /// A session of its own for each query: its memory, its files, its functions.
    fn session(
        &self,
        reads: &Reads,
        files: &[Arc<ChunkFile>],
        query: &RawQuery,
        batch_rows: usize,
    ) -> Result<SessionState, QueryError> {
        let options = &self.shared.options;
        let runtime = self.runtime().map_err(|error| self.convert(&error))?;
        let objects = Arc::new(ChunkObjects::new(reads.clone(), files));
        runtime.register_object_store(ChunkTable::url().as_ref(), objects);
        // rows that are neither sorted nor grouped keep the order of the file, so one partition reads them
        let partitions = if query.keeps_order() { 1 } else { options.partitions.max(1) };
        let mut config = SessionConfig::new()
            .with_target_partitions(partitions)
            .with_batch_size(batch_rows)
            .with_information_schema(false)
            .with_repartition_file_min_size(1 << 20);
        config.options_mut().execution.parquet.pushdown_filters = true;
        config.options_mut().execution.parquet.reorder_filters = true;
        // what a sort sets aside for merging its pieces must leave room for the pieces
        config.options_mut().execution.sort_spill_reservation_bytes =
            (options.memory_bytes / (4 * partitions)).min(10 << 20);
        let builder = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime);
        Ok(builder.with_default_features().build())
    }

    fn runtime(&self) -> datafusion::common::Result<Arc<RuntimeEnv>> {
        let options = &self.shared.options;
        let disk = DiskManagerBuilder::default().with_max_temp_directory_size(options.spill_bytes);
        let (pool, disk): (Arc<dyn MemoryPool>, _) = match &options.spill_dir {
            Some(dir) => (
                Arc::new(FairSpillPool::new(options.memory_bytes)),
                disk.with_mode(DiskManagerMode::Directories(vec![dir.clone()])),
            ),
            None => (Arc::new(GreedyMemoryPool::new(options.memory_bytes)), disk.with_mode(DiskManagerMode::Disabled)),
        };
        let caches = CacheManagerConfig::default()
            .with_file_metadata_cache(Some(Arc::clone(&self.shared.footers)))
            .with_metadata_cache_limit(options.footer_cache_bytes);
        RuntimeEnvBuilder::new()
            .with_memory_pool(pool)
            .with_disk_manager_builder(disk)
            .with_cache_manager(caches)
            .build_arc()
    }

    fn convert(&self, error: &datafusion::common::DataFusionError) -> QueryError {
        convert(error, self.shared.options.memory_bytes)
    }
}

fn name_of(query: &RawQuery) -> String {
    match &query.version {
        Some(version) => format!("{}@{version}", query.dataset),
        None => query.dataset.to_string(),
    }
}

fn cut(frame: DataFrame, fetch: usize) -> datafusion::common::Result<DataFrame> {
    frame.limit(0, Some(fetch))
}
