//! One page of a view: some of its rows, where they stand, and how many there are in all. Owns the bounds of a page and
//! the caches of counts and rows: a version never changes, so what was read of it once stays right.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef, UInt64Type};
use bib_domain::VersionId;
use datafusion::functions_aggregate::expr_fn as aggregates;
use datafusion::logical_expr::Expr;
use futures::StreamExt;

use crate::catalog::Catalog;
use crate::engine::{Prepared, QueryEngine, Target};
use crate::error::{LimitKind, QueryError};
use crate::memory::Weighed;
use crate::purpose::Purpose;
use crate::stop::Deadline;
use crate::stream::{Cost, QueryStats, calmly, convert};
use crate::view::{Asked, View};

/// Longest query and filter whose count is remembered: keys are held in memory too.
pub(crate) const KEY_BYTES: usize = 4 << 10;
/// What the description of a column takes in memory, more or less.
const FIELD_BYTES: usize = 256;

/// Some rows of a view.
#[derive(Debug, Clone)]
pub struct Page {
    /// The columns.
    pub schema: SchemaRef,
    /// The version that was read.
    pub version: VersionId,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// Where each row stands in its table, from 0 and over all files of the query: it never changes, so a link can name
    /// it. Empty when the query makes new rows of the table's.
    pub positions: Vec<u64>,
    /// Rows of the view, on all pages.
    pub matches: u64,
    /// Rows of the query without the view's filter.
    pub total: u64,
    /// What the page has cost.
    pub stats: QueryStats,
}

/// What is kept of a page, or of a block of rows that pages are cut out of.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) positions: Vec<u64>,
    pub(crate) matches: u64,
    pub(crate) total: u64,
}

impl Weighed for Arc<Kept> {
    fn bytes(&self) -> usize {
        let rows: usize = self.batches.iter().map(RecordBatch::get_array_memory_size).sum();
        // the names of the columns stand in the view that it is kept by
        rows + self.positions.capacity() * size_of::<u64>() + self.schema.fields().len() * FIELD_BYTES
    }
}

/// What rows of a version are kept by: who asks for them is not part of it, since whoever gets here may see them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    version: VersionId,
    view: View,
    rows: Range<u64>,
}

impl PageKey {
    /// Some rows; none when the view is too long to be remembered.
    pub(crate) fn part(version: VersionId, view: &View, rows: Range<u64>) -> Option<Self> {
        (view.bytes() <= KEY_BYTES).then(|| Self { version, view: view.clone(), rows })
    }

    /// All of it.
    pub(crate) fn whole(version: VersionId, view: &View) -> Option<Self> {
        Self::part(version, view, 0..u64::MAX)
    }
}

impl Weighed for PageKey {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.view.bytes()
    }
}

/// What a count is remembered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CountKey {
    version: VersionId,
    expression: String,
    filter: String,
}

impl QueryEngine {
    /// The rows of `view` from `offset` on, at most `rows` of them and never more than `page_rows` of the options.
    ///
    /// The order is total and the same at each call, so that pages fit together: rows that compare equal are ordered by
    /// their position in the table, and behind a step that makes new rows by all their values.
    ///
    /// Cancel-safe: dropping the future ends the work; it changes nothing.
    ///
    /// # Errors
    /// [`QueryError`]; the view's mistakes before any row is read.
    pub async fn page(
        &self,
        view: &View,
        offset: u64,
        rows: u64,
        timeout: Option<Duration>,
        catalog: &dyn Catalog,
    ) -> Result<Page, QueryError> {
        let timeout = self.timeout(timeout);
        let deadline = Deadline::of(timeout);
        let work = Box::pin(self.read_page(view, offset, rows, deadline, catalog));
        let late = QueryError::Timeout { after: timeout };
        let page = tokio::time::timeout_at(deadline.at, calmly(work)).await;
        // a timer ends only work that waits for something, and a page may be made without waiting
        if deadline.is_over() { Err(late) } else { page.unwrap_or(Err(late)) }
    }

    /// The version that a page or statistics of `view` would be read from: what they hold follows from it and the view.
    ///
    /// # Errors
    /// [`QueryError`]: the view's mistakes that show without its table, and a dataset that is not there for the caller.
    pub async fn version(
        &self,
        view: &View,
        timeout: Option<Duration>,
        catalog: &dyn Catalog,
    ) -> Result<VersionId, QueryError> {
        let timeout = self.timeout(timeout);
        let deadline = Deadline::of(timeout);
        let work = Box::pin(async {
            let asked = self.parse(view).await?;
            Ok(self.resolve(&asked, catalog, deadline).await?.manifest.id())
        });
        tokio::time::timeout_at(deadline.at, calmly(work)).await.unwrap_or(Err(QueryError::Timeout { after: timeout }))
    }

    async fn read_page(
        &self,
        view: &View,
        offset: u64,
        rows: u64,
        deadline: Deadline,
        catalog: &dyn Catalog,
    ) -> Result<Page, QueryError> {
        let asked = self.parse(view).await?;
        // who may not see the version ends here, whatever is in memory
        let target = self.resolve(&asked, catalog, deadline).await?;
        let rows = rows.min(self.shared.options.page_rows);
        let window = offset..offset.saturating_add(rows);
        let mut cost = Cost::default();
        // without a filter and an order, the place in the table says which rows a page has
        let plain = asked.query.is_whole_table() && asked.filter.is_none() && view.sort.is_none();
        let of_blocks = if plain && target.whole && self.shared.options.page_cache_bytes > 0 {
            self.page_of_blocks(&asked, view, &target, window.clone(), &mut cost).await
        } else {
            None
        };
        let kept = match (of_blocks, PageKey::part(target.manifest.id(), view, window)) {
            (Some(kept), _) => kept,
            (None, Some(key)) if target.whole => {
                let make = Box::pin(self.make_page(&asked, view, &target, (offset, rows), plain, &mut cost));
                self.shared.pages.get_or(key, make).await?
            }
            (None, _) => Box::pin(self.make_page(&asked, view, &target, (offset, rows), plain, &mut cost)).await?,
        };
        let given = kept.batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let Kept { schema, batches, positions, matches, total } = (*kept).clone();
        let stats = QueryStats::of(&cost, given);
        Ok(Page { schema, version: target.manifest.id(), batches, positions, matches, total, stats })
    }

    async fn make_page(
        &self,
        asked: &Asked,
        view: &View,
        target: &Target,
        (offset, rows): (u64, u64),
        plain: bool,
        cost: &mut Cost,
    ) -> Result<Arc<Kept>, QueryError> {
        let purpose = if plain { Purpose::Window { first: offset, rows } } else { Purpose::Pages };
        let prepared = Box::pin(self.prepare(asked, view, target, purpose)).await?;
        let known = prepared.table_rows.filter(|_| asked.query.is_whole_table());
        let skip = usize::try_from(offset - prepared.left_out).unwrap_or(usize::MAX);
        let counters = Arc::clone(prepared.reads.counters());
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        let reading = self.collect(prepared, skip, rows, self.shared.options.page_bytes);
        let counting = self.counts(asked, view, target, known);
        let made = tokio::try_join!(Box::pin(reading), Box::pin(counting));
        cost.add(&counters);
        let ((schema, batches, positions), (matches, total)) = made?;
        Ok(Arc::new(Kept { schema, batches, positions, matches, total }))
    }

    /// Reads so many rows of `most` bytes at most.
    pub(crate) async fn collect(
        &self,
        prepared: Prepared,
        skip: usize,
        rows: usize,
        most: usize,
    ) -> Result<(SchemaRef, Vec<RecordBatch>, Vec<u64>), QueryError> {
        let options = &self.shared.options;
        let frame = prepared.plan.frame.limit(skip, Some(rows)).map_err(|error| self.convert(&error))?;
        let mut stream = frame.execute_stream().await.map_err(|error| self.convert(&error))?;
        let numbered = prepared.plan.position.is_some();
        let columns: Vec<usize> = (0..stream.schema().fields().len() - usize::from(numbered)).collect();
        let broken = |error: arrow::error::ArrowError| QueryError::Internal(error.to_string());
        let schema = Arc::new(stream.schema().project(&columns).map_err(broken)?);
        let (mut batches, mut positions, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|error| convert(&error, options.memory_bytes))?;
            if numbered && let Some(column) = batch.columns().last().and_then(|c| c.as_primitive_opt::<UInt64Type>()) {
                positions.extend_from_slice(column.values());
            }
            let batch = compact(&batch.project(&columns).map_err(broken)?).map_err(broken)?;
            let size = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(0);
            bytes += batch.columns().iter().map(size).sum::<usize>();
            if bytes > most {
                return Err(QueryError::Limit { which: LimitKind::PageBytes, limit: most as u64 });
            }
            batches.push(batch);
        }
        Ok((schema, batches, positions))
    }

    /// The rows of the view, and those without its filter.
    async fn counts(
        &self,
        asked: &Asked,
        view: &View,
        target: &Target,
        known: Option<u64>,
    ) -> Result<(u64, u64), QueryError> {
        let all = View::of(&view.expression);
        let total = match known {
            Some(rows) => rows,
            None => {
                let asked = self.parse(&all).await?;
                self.count(&asked, &all, target).await?
            }
        };
        if asked.filter.is_none() {
            return Ok((total, total));
        }
        let filtered = View { filter: view.filter.clone(), ..all };
        Ok((self.count(asked, &filtered, target).await?, total))
    }

    async fn count(&self, asked: &Asked, view: &View, target: &Target) -> Result<u64, QueryError> {
        let count = Box::pin(async {
            let Prepared { plan, alive: _alive, .. } = self.prepare(asked, view, target, Purpose::Count).await?;
            let count = aggregates::count(Expr::Literal(1_i64.into(), None));
            let counted = async { plan.frame.aggregate(Vec::new(), vec![count])?.collect().await };
            let batches = counted.await.map_err(|error| self.convert(&error))?;
            let first = batches.iter().find(|batch| batch.num_rows() > 0);
            let value = first.and_then(|batch| batch.column(0).as_primitive_opt::<arrow::datatypes::Int64Type>());
            let value = value.map(|column| column.value(0)).and_then(|count| u64::try_from(count).ok());
            value.ok_or_else(|| QueryError::Internal("a count has no value".to_owned()))
        });
        if view.expression.len() + view.filter.len() > KEY_BYTES {
            return count.await;
        }
        let (expression, filter) = (view.expression.clone(), view.filter.clone());
        self.shared.counts.get_or(CountKey { version: target.manifest.id(), expression, filter }, count).await
    }
}

/// The same rows without what else lies in the buffers of texts that are views.
pub(crate) fn compact(batch: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let columns = batch.columns().iter().map(|column| -> ArrayRef {
        match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()),
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
            _ => Arc::clone(column),
        }
    });
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &options)
}
