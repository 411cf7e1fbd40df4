//! What somebody wants to see of a query: its rows, narrowed by a filter, in an order, some columns of them. Owns the
//! way from these wishes to steps of the query; knows no plan.

use std::sync::Arc;

use crate::error::QueryError;
use crate::lang::{
    CheckedStage, Column, Kind, NamedNode, Node, RawCondition, RawQuery, SortKey, check_stages, nearest, parse,
};
use crate::memory::Weighed;
use crate::options::QueryOptions;

/// Bytes of a tree that one character of its text becomes at most, as far as usual texts go.
const TREE_BYTES: usize = 64;

/// What is wanted of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// The query.
    pub expression: String,
    /// A condition over a row `r` of its result; empty for all rows.
    pub filter: String,
    /// The columns of its result that are wanted, in this order; empty for all.
    pub columns: Vec<String>,
    /// What its rows are sorted by; none for the order that the query gives.
    pub sort: Option<SortBy>,
}

/// A column to sort by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SortBy {
    /// Its name in the query's result.
    pub column: String,
    /// Whether the greatest comes first.
    pub descending: bool,
}

impl View {
    /// All rows of a query as it gives them.
    #[must_use]
    pub fn of(expression: impl Into<String>) -> Self {
        Self { expression: expression.into(), ..Self::default() }
    }

    /// Bytes of its texts.
    pub(crate) fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(|name| name.len() + size_of::<String>()).sum();
        self.expression.len() + self.filter.len() + columns + self.sort.as_ref().map_or(0, |sort| sort.column.len())
    }

    /// Parses what can be without the columns.
    pub(crate) fn parse(&self, options: &QueryOptions) -> Result<Asked, QueryError> {
        let query = parse(&self.expression, options)?;
        let text = self.expression.len() + self.filter.len();
        Ok(Asked { filter: RawCondition::parse(&self.filter, options)?, query, text })
    }
}

/// A view that parses.
pub(crate) struct Asked {
    pub(crate) query: RawQuery,
    pub(crate) filter: Option<RawCondition>,
    /// Bytes of the text.
    text: usize,
}

impl Weighed for Arc<Asked> {
    fn bytes(&self) -> usize {
        // a tree of values and calls, each of a few characters at least
        TREE_BYTES * self.text
    }
}

impl Asked {
    /// The steps of the query and of the view, and the columns behind them.
    pub(crate) fn check(
        &self,
        view: &View,
        columns: Vec<Column>,
    ) -> Result<(Vec<CheckedStage>, Vec<Column>), QueryError> {
        let (mut stages, mut columns) = check_stages(&self.query, columns)?;
        if let Some(filter) = &self.filter {
            stages.push(filter.check(&columns).map_err(QueryError::InvalidFilter)?);
        }
        if let Some(sort) = &view.sort {
            stages.push(sort_stage(sort, &columns)?);
        }
        if !view.columns.is_empty() {
            let choice = CheckedStage::Map(choose(&view.columns, &columns)?);
            columns = choice.output(&columns);
            stages.push(choice);
        }
        Ok((stages, columns))
    }
}

fn sort_stage(sort: &SortBy, columns: &[Column]) -> Result<CheckedStage, QueryError> {
    let node = column(&sort.column, columns)?;
    if !node.ty.is_ordered() {
        return Err(QueryError::Column {
            name: sort.column.clone(),
            message: format!("rows cannot be sorted by {:?}, which is of type {}", sort.column, node.ty),
            suggestion: "sort by another column, or by a value made of it: .sort(r, size(r.column))".to_owned(),
        });
    }
    Ok(CheckedStage::Sort(vec![SortKey { node, descending: sort.descending }]))
}

fn choose(names: &[String], columns: &[Column]) -> Result<Vec<NamedNode>, QueryError> {
    let mut chosen: Vec<NamedNode> = Vec::with_capacity(names.len());
    for name in names {
        if !chosen.iter().any(|known| known.name == *name) {
            chosen.push(NamedNode { name: name.clone(), node: column(name, columns)? });
        }
    }
    Ok(chosen)
}

/// The column of this name.
pub(crate) fn column(name: &str, columns: &[Column]) -> Result<Node, QueryError> {
    if let Some(index) = columns.iter().position(|column| column.name == name) {
        let ty = columns[index].ty.clone();
        return Ok(Node::new(Kind::Column(index, name.to_owned()), ty, Default::default()));
    }
    let near = nearest(name, columns.iter().map(|column| column.name.as_str()));
    let suggestion = match near.first() {
        Some(near) => format!("did you mean {near:?}?"),
        None => "the names of the columns stand above the rows, and in `bib dataset get`".to_owned(),
    };
    Err(QueryError::Column {
        name: name.to_owned(),
        message: format!("there is no column {name:?} in the result"),
        suggestion,
    })
}
