//! A condition that stands alone, as a viewer's filter box holds it. Owns its form; the row is called `r`, so that what
//! is written in the box can be pasted into `.filter(r, ...)`.

use cel::common::ast::IdedExpr;

use super::check::Checker;
use super::source::{Checked, Source};
use super::stages::CheckedStage;
use super::syntax::parse_tree;
use super::types::Column;
use crate::error::QueryError;
use crate::options::QueryOptions;

/// The name of the row.
const ROW: &str = "r";

/// A condition that parses.
pub(crate) struct RawCondition {
    source: Source,
    tree: IdedExpr,
}

impl RawCondition {
    /// Parses `text`; none when it is blank, because then all rows are meant.
    pub(crate) fn parse(text: &str, options: &QueryOptions) -> Result<Option<Self>, QueryError> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        match parse_tree(text, options) {
            Ok((source, tree)) => Ok(Some(Self { source, tree })),
            Err(QueryError::InvalidExpression(invalid)) => Err(QueryError::InvalidFilter(invalid)),
            Err(other) => Err(other),
        }
    }

    /// Checks it against the columns that it may name.
    pub(crate) fn check(&self, columns: &[Column]) -> Checked<CheckedStage> {
        let mut checker = Checker { source: &self.source, columns, row: ROW, locals: Vec::new(), aggregates: None };
        Ok(CheckedStage::Filter(checker.boolean(&self.tree, "a filter")?))
    }
}
