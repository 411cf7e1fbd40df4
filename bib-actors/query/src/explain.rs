//! How a query would run, told without running it. Owns the shape of that answer.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::displayable;

use crate::catalog::Catalog;
use crate::engine::{Prepared, QueryEngine};
use crate::error::QueryError;
use crate::plan::Plan;
use crate::purpose::Purpose;
use crate::stop::Deadline;
use crate::stream::calmly;
use crate::table::{Presence, presence};
use crate::view::View;

/// How a query would run.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The logical and the physical plan as text.
    pub plan: String,
    /// What runs row by row, each with its reason. Empty when all of it is vectorized.
    pub row_by_row: Vec<String>,
    /// The columns of the result.
    pub schema: SchemaRef,
    /// How much of the table is here; `None` when all of it ought to be.
    pub presence: Option<Presence>,
    /// Bytes that other nodes sent for this explanation: footers, for instance.
    pub bytes_fetched: u64,
}

impl QueryEngine {
    /// Says how `expression` would run, without reading rows.
    ///
    /// Cancel-safe: it changes nothing.
    ///
    /// # Errors
    /// As [`Self::query`], but for what only rows can show.
    pub async fn explain(&self, expression: &str, catalog: &dyn Catalog) -> Result<Explanation, QueryError> {
        let timeout = self.shared.options.timeout;
        let deadline = Deadline::of(timeout);
        let work = async {
            let view = View::of(expression);
            let asked = view.parse(&self.shared.options)?;
            let target = self.resolve(&asked, catalog, deadline).await?;
            let prepared = Box::pin(self.prepare(&asked, &view, &target, Purpose::Rows)).await?;
            let Prepared { plan, reads, files, alive: _alive, .. } = prepared;
            let Plan { frame, row_by_row, .. } = plan;
            let logical = frame.clone().into_optimized_plan().map_err(|error| self.convert(&error))?;
            let schema = Arc::clone(frame.schema().inner());
            let physical = frame.create_physical_plan().await.map_err(|error| self.convert(&error))?;
            let physical = displayable(physical.as_ref()).indent(false).to_string();
            let plan = format!("logical plan\n{}\n\nphysical plan\n{}", logical.display_indent(), physical.trim_end());
            let presence = if target.whole { None } else { Some(presence(&reads, files).await?) };
            Ok(Explanation { plan, row_by_row, schema, presence, bytes_fetched: reads.counters().fetched() })
        };
        tokio::time::timeout(timeout, calmly(work)).await.unwrap_or(Err(QueryError::Timeout { after: timeout }))
    }
}
