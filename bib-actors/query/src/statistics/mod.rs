//! What is in the columns of a query's result: how much is missing, the range, how many different values, how they
//! are spread. Owns the two scans that find out, and the cache of what they found.

mod aggregates;
mod bins;
mod describe;
mod histogram;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use bib_domain::VersionId;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::Expr;

use crate::catalog::Catalog;
use crate::engine::{Prepared, QueryEngine, Target};
use crate::error::QueryError;
use crate::lang::Column;
use crate::purpose::Purpose;
use crate::stop::Deadline;
use crate::stream::calmly;
use crate::view::{Asked, View};
use aggregates::{Found, first_scan, second_scan};

/// What is in the columns of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct TableStatistics {
    /// The version that was read.
    pub version: VersionId,
    /// Rows of the result.
    pub rows: u64,
    /// Its columns, in their order.
    pub columns: Vec<ColumnStatistics>,
    /// Columns that were not described, because there are more than `statistics_columns` of the options.
    pub columns_left: usize,
}

/// What is in one column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ColumnStatistics {
    /// The column's name.
    pub name: String,
    /// Its type in the language.
    pub kind: String,
    /// Rows without a value.
    pub nulls: u64,
    /// A condition over the row `r` that is true for them.
    pub nulls_filter: String,
    /// Values that are infinite or NaN; neither range nor bars speak of them.
    pub not_finite: u64,
    /// The least value, for types that have an order.
    pub min: Option<String>,
    /// The greatest value.
    pub max: Option<String>,
    /// Different values.
    pub distinct: Option<u64>,
    /// Whether `distinct` was counted; otherwise it is estimated within a few per cent.
    pub distinct_exact: bool,
    /// How numbers and times are spread: ranges beside each other that hold all values. They are equally wide, but for
    /// months and years, which follow the calendar.
    pub bins: Vec<Bar>,
    /// The most frequent texts or booleans, the most frequent first. Empty when there are too many different ones for
    /// any to be frequent.
    pub top_values: Vec<Bar>,
}

/// How often a value or a range comes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bar {
    /// The value, or the least that is in the range.
    pub from: String,
    /// The least that is beyond the range; empty for a single value and for a range without an end.
    pub to: String,
    /// Rows.
    pub count: u64,
    /// A condition over the row `r` that is true for exactly these rows; empty when the value is too long to write.
    pub filter: String,
}

/// What statistics are remembered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatisticsKey {
    version: VersionId,
    view: View,
}

impl QueryEngine {
    /// Describes the columns of `view`; the order of its rows does not matter. What was found is remembered, since a
    /// version never changes.
    ///
    /// Cancel-safe: dropping the future ends the work; it changes nothing.
    ///
    /// # Errors
    /// [`QueryError`]; the view's mistakes before any row is read.
    pub async fn statistics(
        &self,
        view: &View,
        timeout: Option<Duration>,
        catalog: &dyn Catalog,
    ) -> Result<Arc<TableStatistics>, QueryError> {
        let timeout = self.timeout(timeout);
        let deadline = Deadline::of(timeout);
        let view = View { sort: None, ..view.clone() };
        let work = Box::pin(async {
            let asked = self.parse(&view).await?;
            let target = self.resolve(&asked, catalog, deadline).await?;
            let key = StatisticsKey { version: target.manifest.id(), view: view.clone() };
            let make = Box::pin(self.describe(&asked, &view, &target));
            self.shared.statistics.get_or(key, make).await
        });
        tokio::time::timeout_at(deadline.at, calmly(work)).await.unwrap_or(Err(QueryError::Timeout { after: timeout }))
    }

    async fn describe(&self, asked: &Asked, view: &View, target: &Target) -> Result<Arc<TableStatistics>, QueryError> {
        let options = &self.shared.options;
        let Prepared { plan, columns, alive: _alive, .. } = self.prepare(asked, view, target, Purpose::Any).await?;
        let described: Vec<Column> = columns.iter().take(options.statistics_columns).cloned().collect();
        let first = first_scan(&described, options).map_err(|error| self.convert(&error))?;
        let found = self.one_row(plan.frame.clone(), first).await?;
        let bins: Vec<_> = described
            .iter()
            .enumerate()
            .map(|(index, column)| describe::edges(column, &found, index, options.histogram_bins))
            .collect();
        let second = second_scan(&described, &bins).map_err(|error| self.convert(&error))?;
        let counts = if second.is_empty() { Found::default() } else { self.one_row(plan.frame, second).await? };
        let rows = found.count(aggregates::ROWS);
        let columns_left = columns.len() - described.len();
        let columns = described
            .iter()
            .zip(&bins)
            .enumerate()
            .map(|(index, (column, bins))| describe::column(column, bins.as_ref(), &found, &counts, index, rows))
            .collect();
        Ok(Arc::new(TableStatistics { version: target.manifest.id(), rows, columns, columns_left }))
    }

    async fn one_row(&self, frame: DataFrame, aggregates: Vec<Expr>) -> Result<Found, QueryError> {
        let computed = async { frame.aggregate(Vec::new(), aggregates)?.collect().await };
        let batches = computed.await.map_err(|error| self.convert(&error))?;
        Found::read(&batches).map_err(|error| self.convert(&error))
    }
}
