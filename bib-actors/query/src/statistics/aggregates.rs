//! What the two scans compute for each column, and the row that comes of it. Owns the names in that row.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::expr_fn::{approx_distinct, count, max, min};
use datafusion::logical_expr::{Expr, cast};

use super::bins::Edges;
use super::histogram::histogram;
use super::tally::tally;
use crate::lang::{Column, Node, Ty};
use crate::options::QueryOptions;
use crate::plan::{Lowering, bits, column_node, finite_or_null};

/// The name of the number of rows.
pub(super) const ROWS: &str = "rows";

/// Something that is computed for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Values,
    Finite,
    Min,
    Max,
    Distinct,
    Tally,
    Bins,
}

/// The name of something of the n-th column.
pub(super) fn name(index: usize, what: What) -> String {
    format!("{what:?} {index}")
}

/// The range, the nulls, the different and the frequent values of each column.
pub(super) fn first_scan(columns: &[Column], options: &QueryOptions) -> Result<Vec<Expr>> {
    let mut all = vec![count(Expr::Literal(ScalarValue::Int64(Some(1)), None)).alias(ROWS)];
    for (index, column) in columns.iter().enumerate() {
        let node = column_node(index, column);
        let mut add = |what, expr: Expr| all.push(expr.alias(name(index, what)));
        add(
            What::Values,
            count(Lowering { columns, made: false, row_by_row: &mut Vec::new(), stop: None }.output(&node)?),
        );
        let value = lower(columns, &node)?;
        match column.ty {
            Ty::Int | Ty::Timestamp | Ty::Date => {
                let axis = axis(value, &column.ty);
                add(What::Min, min(axis.clone()));
                add(What::Max, max(axis.clone()));
                add(What::Distinct, approx_distinct(axis));
            }
            Ty::Double => {
                let finite = finite_or_null(value.clone());
                add(What::Finite, count(finite.clone()));
                add(What::Min, min(finite.clone()));
                add(What::Max, max(finite));
                add(What::Distinct, approx_distinct(bits(value)));
            }
            Ty::String => {
                let text = cast(value, DataType::Utf8View);
                add(What::Min, min(text.clone()));
                add(What::Max, max(text.clone()));
                add(What::Distinct, approx_distinct(text.clone()));
                add(What::Tally, tally(options).call(vec![text]));
            }
            Ty::Bool => add(What::Tally, tally(options).call(vec![cast(value, DataType::Utf8View)])),
            _ => {}
        }
    }
    Ok(all)
}

/// How many values fall into each bin of each column that has bins.
pub(super) fn second_scan(columns: &[Column], bins: &[Option<Edges>]) -> Result<Vec<Expr>> {
    let mut all = Vec::new();
    for (index, (column, edges)) in columns.iter().zip(bins).enumerate() {
        let Some(edges) = edges else { continue };
        let value = lower(columns, &column_node(index, column))?;
        let axis = if column.ty == Ty::Double { value } else { axis(value, &column.ty) };
        all.push(histogram(edges.clone()).call(vec![axis]).alias(name(index, What::Bins)));
    }
    Ok(all)
}

fn lower(columns: &[Column], node: &Node) -> Result<Expr> {
    // plain columns never run row by row
    Lowering { columns, made: false, row_by_row: &mut Vec::new(), stop: None }.lower(node)
}

/// Whole numbers, microseconds or days.
fn axis(value: Expr, ty: &Ty) -> Expr {
    match ty {
        Ty::Int => value,
        Ty::Date => cast(cast(value, DataType::Int32), DataType::Int64),
        _ => cast(value, DataType::Int64),
    }
}

/// The row that a scan gives.
#[derive(Debug, Default)]
pub(super) struct Found(HashMap<String, ScalarValue>);

impl Found {
    pub(super) fn read(batches: &[RecordBatch]) -> Result<Self> {
        let mut found = HashMap::new();
        if let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) {
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                found.insert(field.name().clone(), ScalarValue::try_from_array(column, 0)?);
            }
        }
        Ok(Self(found))
    }

    pub(super) fn get(&self, index: usize, what: What) -> Option<&ScalarValue> {
        self.0.get(&name(index, what)).filter(|value| !value.is_null())
    }

    pub(super) fn whole(&self, index: usize, what: What) -> Option<i64> {
        match self.get(index, what)? {
            ScalarValue::Int64(value) => *value,
            ScalarValue::UInt64(value) => value.and_then(|value| i64::try_from(value).ok()),
            _ => None,
        }
    }

    pub(super) fn double(&self, index: usize, what: What) -> Option<f64> {
        match self.get(index, what)? {
            ScalarValue::Float64(value) => *value,
            _ => None,
        }
    }

    pub(super) fn text(&self, index: usize, what: What) -> Option<&str> {
        match self.get(index, what)? {
            ScalarValue::Utf8(value) | ScalarValue::Utf8View(value) | ScalarValue::LargeUtf8(value) => value.as_deref(),
            _ => None,
        }
    }

    /// A number of rows by its name.
    pub(super) fn count(&self, name: &str) -> u64 {
        match self.0.get(name) {
            Some(ScalarValue::Int64(Some(rows))) => u64::try_from(*rows).unwrap_or(0),
            _ => 0,
        }
    }
}
