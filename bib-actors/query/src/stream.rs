//! The result of a query while it runs: bounded in rows and time, with errors in our words. Dropping it stops the
//! work behind it.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use bib_domain::VersionId;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;

use crate::breach::Breach;
use crate::error::{LimitKind, QueryError};
use crate::stop::Deadline;
use crate::table::{Cause, Counters, Lacking, ReadFault};

/// A running query.
pub struct QueryStream {
    /// The columns of the result.
    pub schema: SchemaRef,
    /// The versions that are read.
    pub versions: Vec<VersionId>,
    /// The rows. After an error nothing follows. Cancel-safe: dropping it ends the query.
    pub stream: BoxStream<'static, Result<RecordBatch, QueryError>>,
    /// What the query has done so far.
    pub stats: QueryStats,
}

impl fmt::Debug for QueryStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryStream")
            .field("schema", &self.schema)
            .field("versions", &self.versions)
            .finish_non_exhaustive()
    }
}

/// What a query has done so far. Cheap to clone; outlives the stream.
#[derive(Debug, Clone)]
pub struct QueryStats {
    counters: Arc<Counters>,
}

impl QueryStats {
    pub(crate) fn new(counters: &Arc<Counters>) -> Self {
        Self { counters: Arc::clone(counters) }
    }

    /// What something has cost that is there already.
    pub(crate) fn of(cost: &Cost, rows: u64) -> Self {
        let counters = Counters::default();
        counters.add_bytes(cost.read);
        counters.add_fetched(cost.fetched);
        counters.add_rows(rows);
        Self { counters: Arc::new(counters) }
    }

    /// Bytes read from chunks.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.counters.bytes()
    }

    /// Bytes that other nodes sent for it.
    #[must_use]
    pub fn bytes_fetched(&self) -> u64 {
        self.counters.fetched()
    }

    /// Rows given out.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.counters.rows()
    }

    /// Whether the caller's limit cut rows off.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.counters.truncated()
    }
}

/// Bytes that were moved for a page; none of one that was in memory.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    read: u64,
    fetched: u64,
}

impl Cost {
    pub(crate) fn add(&mut self, counters: &Counters) {
        self.read += counters.bytes();
        self.fetched += counters.fetched();
    }
}

/// How many rows may come, and what happens with more.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RowLimit {
    /// The caller wants this many; more are cut off.
    Cut(u64),
    /// The node allows this many; more are an error.
    Refuse(u64),
}

/// What bounds a running query.
pub(crate) struct Bounds {
    pub(crate) rows: RowLimit,
    pub(crate) deadline: Deadline,
    pub(crate) memory_bytes: usize,
    /// Kept as long as somebody waits for rows.
    pub(crate) _alive: watch::Sender<()>,
}

/// Puts the bounds around DataFusion's stream.
pub(crate) fn bounded(
    inner: SendableRecordBatchStream,
    bounds: Bounds,
    counters: Arc<Counters>,
) -> BoxStream<'static, Result<RecordBatch, QueryError>> {
    let state = Some((inner, bounds, counters));
    stream::unfold(state, |state| async move {
        let (mut inner, bounds, counters) = state?;
        let memory = bounds.memory_bytes;
        let next = calmly(async { inner.next().await.transpose().map_err(|error| convert(&error, memory)) });
        let batch = match tokio::time::timeout_at(bounds.deadline.at, next).await {
            Err(_) => return Some((Err(QueryError::Timeout { after: bounds.deadline.after }), None)),
            Ok(Ok(None)) => return None,
            Ok(Err(error)) => return Some((Err(error), None)),
            Ok(Ok(Some(batch))) => batch,
        };
        let (most, cut) = match bounds.rows {
            RowLimit::Cut(most) => (most, true),
            RowLimit::Refuse(most) => (most, false),
        };
        let left = most.saturating_sub(counters.rows());
        let rows = batch.num_rows() as u64;
        if rows <= left {
            counters.add_rows(rows);
            return Some((Ok(batch), Some((inner, bounds, counters))));
        }
        if !cut {
            return Some((Err(QueryError::Limit { which: LimitKind::Rows, limit: most }), None));
        }
        counters.set_truncated();
        counters.add_rows(left);
        let last = batch.slice(0, usize::try_from(left).unwrap_or(usize::MAX));
        Some((Ok(last), None))
    })
    .boxed()
}

/// Turns a panic into an error: readers of foreign formats may not foresee everything.
pub(crate) async fn calmly<T>(work: impl Future<Output = Result<T, QueryError>>) -> Result<T, QueryError> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(QueryError::Internal("a part of it panicked, perhaps on a damaged file".to_owned())))
}

/// DataFusion's error in our words.
pub(crate) fn convert(error: &DataFusionError, memory_bytes: usize) -> QueryError {
    if let Some(fault) = ReadFault::find(error) {
        return fault.into();
    }
    if let Some(breach) = Breach::find(error).or_else(|| Breach::in_text(&error.to_string())) {
        return breach.into();
    }
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => {
            QueryError::Limit { which: LimitKind::Memory, limit: memory_bytes as u64 }
        }
        DataFusionError::ParquetError(error) => QueryError::Data {
            file: "a Parquet file".to_owned(),
            detail: format!("its structure is damaged ({error}); make the file again and publish it"),
        },
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::CastError(why) | ArrowError::ComputeError(why) | ArrowError::ArithmeticOverflow(why) => {
                computation(why)
            }
            ArrowError::ParquetError(why) | ArrowError::IpcError(why) | ArrowError::JsonError(why) => {
                QueryError::Data {
                    file: "a file".to_owned(),
                    detail: format!("its structure is damaged ({why}); make the file again and publish it"),
                }
            }
            other => QueryError::Internal(other.to_string()),
        },
        DataFusionError::Execution(why) => computation(why),
        other => QueryError::Internal(other.to_string()),
    }
}

fn computation(why: &str) -> QueryError {
    let detail = if why.contains("is out of range Int64") {
        format!("a sum does not fit into 64 bits ({why}); sum doubles instead: sum(double(r.column))")
    } else {
        format!("a value could not be computed ({why}); filter such rows out first")
    };
    QueryError::Computation { detail }
}

impl From<ReadFault> for QueryError {
    fn from(fault: ReadFault) -> Self {
        match fault.cause {
            Cause::Lacking(what) => {
                let Lacking { dataset, chunks, bytes, came, why } = *what;
                Self::Elsewhere { file: fault.file, dataset, chunks, bytes, came, why }
            }
            Cause::Data | Cause::Missing => Self::Data { file: fault.file, detail: fault.detail },
        }
    }
}
