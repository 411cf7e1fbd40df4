//! Runs queries: parse, resolve, open, check, plan, stream. Owns the caches that live between queries and the bounds
//! of each; holds no lock while it waits.

use std::sync::Arc;
use std::time::Duration;

use bib_chunks::{ChunkStore, SignedManifest};
use datafusion::common::Column as DfColumn;
use datafusion::execution::cache::cache_manager::{CacheManagerConfig, FileMetadataCache};
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::sync::{Semaphore, watch};

use crate::blocks::Layout;
use crate::cache::Cache;
use crate::catalog::{Catalog, Resolved};
use crate::error::QueryError;
use crate::fetch::Fetch;
use crate::lang::{Column, RawQuery, names_column};
use crate::memory::Memory;
use crate::options::QueryOptions;
use crate::page::{CountKey, KEY_BYTES, Kept, PageKey};
use crate::plan::{Order, Plan, build};
use crate::purpose::{Needs, Purpose, looks_at_cut, without_late_filters};
use crate::spill::Spill;
use crate::statistics::{StatisticsKey, TableStatistics};
use crate::stop::{Deadline, Stop};
use crate::stream::{Bounds, QueryStats, QueryStream, RowLimit, bounded, calmly, convert};
use crate::table::{
    Arrivals, Bringer, ChunkFile, ChunkObjects, ChunkTable, Counters, NumberedTable, Reads, SchemaCache, choose_files,
    open_table,
};
use crate::view::{Asked, View};

/// Rows up to which a limit is worth telling the plan: a sort then keeps that many instead of all.
const MAX_PUSHED_LIMIT: usize = 100_000;

/// Values in one batch at most: a table of thousands of columns is read a few rows at a time.
const BATCH_CELLS: usize = 1 << 20;

/// Columns from which on a query that gives out few rows unpacks values only where its filters let rows pass.
const LATE_COLUMNS_OF_FEW: usize = 4;

/// Runs queries over the chunk store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct QueryEngine {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    store: ChunkStore,
    pub(crate) options: QueryOptions,
    permits: Arc<Semaphore>,
    /// For reads that may wait for other nodes: they keep no others from their turn.
    waiting: Arc<Semaphore>,
    arrivals: Option<Arc<Arrivals>>,
    pub(crate) footers: Arc<FileMetadataCache>,
    pub(crate) schemas: SchemaCache,
    /// Views as they were parsed, by their texts.
    parsed: Memory<String, Arc<Asked>>,
    /// How tables are divided into blocks.
    pub(crate) layouts: Memory<PageKey, Option<Arc<Layout>>>,
    /// Rows of pages, and blocks of rows.
    pub(crate) pages: Memory<PageKey, Arc<Kept>>,
    /// How many rows match, by version, query and filter.
    pub(crate) counts: Cache<CountKey, u64>,
    pub(crate) statistics: Cache<StatisticsKey, Arc<TableStatistics>>,
}

/// The version that is read, and until when.
pub(crate) struct Target {
    pub(crate) manifest: Arc<SignedManifest>,
    pub(crate) whole: bool,
    deadline: Deadline,
}

/// A query that is ready to run.
pub(crate) struct Prepared {
    pub(crate) plan: Plan,
    /// The columns of the result.
    pub(crate) columns: Vec<Column>,
    pub(crate) reads: Reads,
    /// Rows of the table, as far as they were counted when it came in.
    pub(crate) table_rows: Option<u64>,
    /// Rows before the window that was asked for which the scan has left out already.
    pub(crate) left_out: u64,
    pub(crate) files: Vec<Arc<ChunkFile>>,
    /// Reads wait for other nodes as long as this lives.
    pub(crate) alive: watch::Sender<()>,
}

impl QueryEngine {
    /// An engine over `store`. Its methods must be called on a tokio runtime with time.
    #[must_use]
    pub fn new(store: ChunkStore, options: QueryOptions) -> Self {
        let places = |most: usize| Arc::new(Semaphore::new(most.max(1)));
        let (permits, waiting) = (places(options.concurrent_reads), places(options.concurrent_fetches));
        let footers: Arc<FileMetadataCache> = Arc::new(DefaultCache::new(options.footer_cache_bytes));
        let schemas = SchemaCache::new(options.nested_schema_cache.max(1));
        let (counts, statistics) = (Cache::new(options.count_cache), Cache::new(options.statistics_cache));
        let (parsed, layouts) = (Memory::new(options.parse_cache_bytes), Memory::new(options.layout_cache_bytes));
        let pages = Memory::new(options.page_cache_bytes);
        let shared = Shared {
            store,
            options,
            permits,
            waiting,
            arrivals: None,
            footers,
            schemas,
            parsed,
            layouts,
            pages,
            counts,
            statistics,
        };
        Self { shared: Arc::new(shared) }
    }

    /// An engine that has chunks that are not in the store brought there.
    #[must_use]
    pub fn fetching(store: ChunkStore, options: QueryOptions, fetch: Arc<dyn Fetch>) -> Self {
        let arrivals = Arrivals::new(store.clone(), fetch, &options);
        let mut engine = Self::new(store, options);
        if let Some(shared) = Arc::get_mut(&mut engine.shared) {
            shared.arrivals = Some(arrivals);
        }
        engine
    }

    /// The bounds of its queries.
    #[must_use]
    pub fn options(&self) -> &QueryOptions {
        &self.shared.options
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
        Box::pin(self.start(&View::of(expression), limit, timeout, catalog, Purpose::Rows)).await
    }

    /// Starts a view: all its rows, in the order of its pages. Otherwise as [`Self::query`].
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn rows(
        &self,
        view: &View,
        limit: Option<u64>,
        timeout: Option<Duration>,
        catalog: &dyn Catalog,
    ) -> Result<QueryStream, QueryError> {
        Box::pin(self.start(view, limit, timeout, catalog, Purpose::Pages)).await
    }

    async fn start(
        &self,
        view: &View,
        limit: Option<u64>,
        timeout: Option<Duration>,
        catalog: &dyn Catalog,
        purpose: Purpose,
    ) -> Result<QueryStream, QueryError> {
        let options = &self.shared.options;
        let timeout = self.timeout(timeout);
        let deadline = Deadline::of(timeout);
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
            let asked = self.parse(view).await?;
            let target = self.resolve(&asked, catalog, deadline).await?;
            let prepared = Box::pin(self.prepare(&asked, view, &target, purpose)).await?;
            let Prepared { plan, reads, alive, .. } = prepared;
            let mut frame = plan.frame;
            if let Some(position) = plan.position {
                let position = DfColumn::new_unqualified(position);
                frame = frame.drop_columns(&[position]).map_err(|error| self.convert(&error))?;
            }
            if let Some(fetch) = fetch {
                frame = frame.limit(0, Some(fetch)).map_err(|error| self.convert(&error))?;
            }
            let inner = frame.execute_stream().await.map_err(|error| self.convert(&error))?;
            Ok((inner, target.manifest.id(), reads, alive))
        };
        let started = tokio::time::timeout_at(deadline.at, calmly(start)).await;
        let (inner, version, reads, alive) = started.unwrap_or(Err(QueryError::Timeout { after: timeout }))?;
        let bounds = Bounds { rows, deadline, memory_bytes: options.memory_bytes, _alive: alive };
        Ok(QueryStream {
            schema: inner.schema(),
            versions: vec![version],
            stats: QueryStats::new(reads.counters()),
            stream: bounded(inner, bounds, Arc::clone(reads.counters())),
        })
    }

    /// The time that a query gets: what its caller wants, within the node's.
    pub(crate) fn timeout(&self, wanted: Option<Duration>) -> Duration {
        let most = self.shared.options.timeout;
        wanted.map_or(most, |wanted| wanted.min(most))
    }

    /// The view as it parses, which depends on nothing but its text.
    pub(crate) async fn parse(&self, view: &View) -> Result<Arc<Asked>, QueryError> {
        let parse = async { view.parse(&self.shared.options).map(Arc::new) };
        if view.expression.len() + view.filter.len() > KEY_BYTES {
            return parse.await;
        }
        let key = format!("{} {}{}", view.expression.len(), view.expression, view.filter);
        self.shared.parsed.get_or(key, parse).await
    }

    /// The version that is meant, to be read until `deadline`.
    pub(crate) async fn resolve(
        &self,
        asked: &Asked,
        catalog: &dyn Catalog,
        deadline: Deadline,
    ) -> Result<Target, QueryError> {
        let query = &asked.query;
        let resolved = catalog.resolve(&query.dataset, query.version.as_deref()).await;
        let Resolved { manifest, whole } =
            resolved.map_err(|error| QueryError::from_catalog(error, &name_of(query)))?;
        if !whole && self.shared.arrivals.is_none() {
            return Err(QueryError::Incomplete { dataset: name_of(query) });
        }
        Ok(Target { manifest, whole, deadline })
    }

    /// How a query reads, and what keeps it waiting for chunks that are not here.
    pub(crate) fn reads(&self, target: &Target) -> (Reads, watch::Sender<()>) {
        let (alive, waits) = watch::channel(());
        let shared = &self.shared;
        let permits = if target.whole { &shared.permits } else { &shared.waiting };
        let counters = Arc::new(Counters::default());
        let reads = Reads::new(shared.store.clone(), Arc::clone(permits), Arc::clone(&counters));
        let Some(arrivals) = &shared.arrivals else { return (reads, alive) };
        let (dataset, version) = (&target.manifest.manifest().dataset, target.manifest.id());
        (
            reads.bringing(Bringer::new(Arc::clone(arrivals), dataset, version, counters, target.deadline.at, waits)),
            alive,
        )
    }

    /// Opens the table, checks the steps against it and plans them.
    pub(crate) async fn prepare(
        &self,
        asked: &Asked,
        view: &View,
        target: &Target,
        purpose: Purpose,
    ) -> Result<Prepared, QueryError> {
        let options = &self.shared.options;
        let query = &asked.query;
        let files = self.files(query, target)?;
        let rows_of = |file: &Arc<ChunkFile>| file.schema.as_ref().and_then(|schema| schema.rows);
        let table_rows = files.iter().map(rows_of).sum();
        let (reads, alive) = self.reads(target);
        let options = QueryOptions { batch_rows: self.batch_rows(&files), ..options.clone() };
        let needs = Needs::of(asked, purpose);
        // rows that are neither sorted nor grouped keep the order of the file, so one partition reads them
        let partitions = if needs.is_in_order() { 1 } else { options.partitions.max(1) };
        let mut state = self.session(&reads, &files, partitions, options.batch_rows)?;
        if looks_at_cut(asked, view, purpose) {
            without_late_filters(&mut state);
        }
        let dataset = &target.manifest.manifest().dataset;
        let opened = open_table(&state, &reads, &self.shared.schemas, dataset, files.clone(), &options).await;
        let mut table: ChunkTable = opened.map_err(|refusal| refusal.of(query))?;
        if query.gives_rows() {
            // no more than `max_rows` may come out of it, so its filters let few pass
            table.late_columns = LATE_COLUMNS_OF_FEW;
        }
        let left_out = match purpose {
            Purpose::Window { first, rows } if table.narrow(first..first.saturating_add(rows)) => first,
            _ => 0,
        };
        let columns = Column::of_schema(&table.schema);
        let (stages, result) = asked.check(view, columns.clone())?;
        let context = SessionContext::new_with_state(state);
        let (frame, order) = if needs == Needs::Positions {
            let table = NumberedTable::new(table, |name| names_column(&stages, name));
            let position = Some(table.position().to_owned());
            (context.read_table(Arc::new(table)), Order::Total { position })
        } else {
            let order = match needs {
                Needs::FileOrder => Order::Promised,
                Needs::Values => Order::Total { position: None },
                Needs::Positions | Needs::Nothing => Order::Free,
            };
            (context.read_table(Arc::new(table)), order)
        };
        let stop = Stop::new(target.deadline, &alive);
        let plan = frame
            .and_then(|frame| build(frame, &stages, columns, order, stop))
            .map_err(|error| self.convert(&error))?;
        Ok(Prepared { plan, columns: result, reads, table_rows, left_out, files, alive })
    }

    pub(crate) fn files(&self, query: &RawQuery, target: &Target) -> Result<Vec<Arc<ChunkFile>>, QueryError> {
        let chosen = choose_files(&self.shared.store, target.manifest.manifest(), target.whole, query.file.as_deref());
        chosen.map_err(|refusal| refusal.of(query))
    }

    /// Rows in one batch, fewer where the table is wide.
    fn batch_rows(&self, files: &[Arc<ChunkFile>]) -> usize {
        let width = files.first().and_then(|file| file.schema.as_ref()).map_or(1, |schema| schema.columns.len());
        self.shared.options.batch_rows.min(BATCH_CELLS / width.max(1)).max(1)
    }

    /// A session of its own for each query: its memory, its files, its functions.
    pub(crate) fn session(
        &self,
        reads: &Reads,
        files: &[Arc<ChunkFile>],
        partitions: usize,
        batch_rows: usize,
    ) -> Result<SessionState, QueryError> {
        let options = &self.shared.options;
        let runtime = self.runtime().map_err(|error| self.convert(&error))?;
        let objects = Arc::new(ChunkObjects::new(reads.clone(), files, options.parquet_bytes));
        runtime.register_object_store(ChunkTable::url().as_ref(), objects);
        let mut config = SessionConfig::new()
            .with_target_partitions(partitions)
            .with_batch_size(batch_rows)
            .with_information_schema(false)
            .with_repartition_file_min_size(1 << 20);
        // what a sort sets aside for merging its pieces must leave room for the pieces
        config.options_mut().execution.sort_spill_reservation_bytes =
            (options.memory_bytes / (4 * partitions)).min(10 << 20);
        // plans are made of functions, not of their names: a register of all that there are is never looked into
        Ok(SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).build())
    }

    fn runtime(&self) -> datafusion::common::Result<Arc<RuntimeEnv>> {
        let options = &self.shared.options;
        let disk = DiskManagerBuilder::default();
        let (pool, disk): (Arc<dyn MemoryPool>, _) = match &options.spill_dir {
            Some(dir) => (
                Arc::new(FairSpillPool::new(options.memory_bytes)),
                disk.with_temp_file_factory(Arc::new(Spill::new(dir.clone(), options.spill_bytes))),
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

    pub(crate) fn convert(&self, error: &datafusion::common::DataFusionError) -> QueryError {
        convert(error, self.shared.options.memory_bytes)
    }
}

fn name_of(query: &RawQuery) -> String {
    match &query.version {
        Some(version) => format!("{}@{version}", query.dataset),
        None => query.dataset.to_string(),
    }
}
