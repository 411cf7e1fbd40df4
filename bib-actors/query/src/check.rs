//! Validation without running: what an editor asks while somebody types. Owns the answer's shape.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::catalog::Catalog;
use crate::engine::QueryEngine;
use crate::error::{InvalidExpression, QueryError};
use crate::purpose::Purpose;
use crate::stop::Deadline;
use crate::view::View;

/// What the checker says.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It would run.
    Valid {
        /// The columns of the result.
        schema: SchemaRef,
    },
    /// The expression has a mistake.
    Expression(Box<InvalidExpression>),
    /// The filter has a mistake; places are within the filter.
    Filter(Box<InvalidExpression>),
    /// A column that is wanted beside them is not there or cannot be used so.
    Column {
        /// Its name.
        name: String,
        /// What is wrong.
        message: String,
        /// What to do instead.
        suggestion: String,
    },
}

impl QueryEngine {
    /// Checks a view without reading rows.
    ///
    /// Cancel-safe: it changes nothing.
    ///
    /// # Errors
    /// When it cannot be checked: the dataset is not here, the catalogue does not answer, the text is too large.
    pub async fn check(&self, view: &View, catalog: &dyn Catalog) -> Result<Verdict, QueryError> {
        let timeout = self.timeout(None);
        let deadline = Deadline::of(timeout);
        let work = Box::pin(async {
            let asked = self.parse(view).await?;
            let target = self.resolve(&asked, catalog, deadline).await?;
            let prepared = Box::pin(self.prepare(&asked, view, &target, Purpose::Rows)).await?;
            Ok(Arc::clone(prepared.plan.frame.schema().inner()))
        });
        match tokio::time::timeout(timeout, work).await.unwrap_or(Err(QueryError::Timeout { after: timeout })) {
            Ok(schema) => Ok(Verdict::Valid { schema }),
            Err(QueryError::InvalidExpression(invalid)) => Ok(Verdict::Expression(invalid)),
            Err(QueryError::InvalidFilter(invalid)) => Ok(Verdict::Filter(invalid)),
            Err(QueryError::Column { name, message, suggestion }) => Ok(Verdict::Column { name, message, suggestion }),
            Err(other) => Err(other),
        }
    }
}
