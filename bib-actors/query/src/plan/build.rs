//! Checked steps to a data frame. Owns the order of operations and the types of aggregates.

use std::collections::HashSet;

use arrow::datatypes::DataType;
use datafusion::common::{Column as DfColumn, Result};
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn as aggregates;
use datafusion::logical_expr::{Expr, SortExpr, cast};

use super::compare::{canonical, number_or_null};
use super::every_row::every_row;
use super::lower::{Lowering, aggregate_name};
use crate::lang::{Aggregate, AggregateCall, CheckedStage, Column, Kind, NamedNode, Node, Ty};
use crate::stop::Stop;

/// A query as a data frame.
pub(crate) struct Plan {
    pub(crate) frame: DataFrame,
    /// What runs row by row and why.
    pub(crate) row_by_row: Vec<String>,
    /// The column of the rows' positions in their table, behind all others, where it was asked for and the rows are
    /// still those of the table.
    pub(crate) position: Option<String>,
}

/// What order the rows shall have.
pub(crate) enum Order {
    /// Only that of the last `sort`.
    Free,
    /// The one that the language promises: that of the file, or of the last `sort`.
    Promised,
    /// One that is the same each time, so that pages fit together. Rows that compare equal are ordered by their
    /// positions in the table, which the named column holds; behind a step that makes new rows, by all their values.
    Total {
        /// The column of positions; none where no limit comes before a step that makes new rows.
        position: Option<String>,
    },
}

/// Applies `stages` to a table with `columns`. What runs row by row is ended by `stop`.
pub(crate) fn build(
    table: DataFrame,
    stages: &[CheckedStage],
    columns: Vec<Column>,
    order: Order,
    stop: Stop,
) -> Result<Plan> {
    let (total, in_file_order, position) = match order {
        Order::Free => (false, false, None),
        Order::Promised => (false, true, None),
        Order::Total { position } => (true, position.is_some(), position),
    };
    let mut builder =
        Builder { made: false, row_by_row: Vec::new(), total, in_file_order, position, settled: true, stop };
    let (mut frame, mut columns) = (table, columns);
    for stage in stages {
        let next = stage.output(&columns);
        frame = builder.apply(frame, stage, &columns)?;
        builder.made |= makes_columns(stage);
        columns = next;
    }
    let frame = builder.settle(frame, &columns)?;
    Ok(Plan { frame, row_by_row: builder.row_by_row, position: builder.position })
}

struct Builder {
    /// Whether a step so far has made columns.
    made: bool,
    row_by_row: Vec<String>,
    /// Whether the order must be total.
    total: bool,
    /// Whether the rows are those of the table, and must come as they stand there.
    in_file_order: bool,
    position: Option<String>,
    /// Whether the rows have an order already.
    settled: bool,
    stop: Stop,
}

impl Builder {
    fn apply(&mut self, frame: DataFrame, stage: &CheckedStage, columns: &[Column]) -> Result<DataFrame> {
        let frame = match stage {
            // which rows these are depends on the order
            CheckedStage::Limit(_) | CheckedStage::Offset(_) => self.settle(frame, columns)?,
            _ => frame,
        };
        let position = self.position.clone().filter(|_| self.total);
        let mut lowering =
            Lowering { columns, made: self.made, row_by_row: &mut self.row_by_row, stop: Some(&self.stop) };
        match stage {
            CheckedStage::Filter(condition) => {
                let condition = lowering.condition(condition)?;
                frame.filter(if self.in_file_order { condition.and(every_row()) } else { condition })
            }
            CheckedStage::Map(outputs) => {
                let outputs = named(&mut lowering, outputs)?;
                frame.select(outputs.into_iter().chain(position.as_deref().map(plain)).collect::<Vec<_>>())
            }
            CheckedStage::Aggregate { keys, calls, outputs } => {
                (self.position, self.settled, self.in_file_order) = (None, false, false);
                aggregate(frame, &mut lowering, keys, calls, outputs)
            }
            CheckedStage::Sort(keys) => {
                let keys = keys.iter().map(|key| ordered(&mut lowering, &key.node, key.descending));
                let mut keys = keys.collect::<Result<Vec<_>>>()?;
                if self.total {
                    keys.extend(ties(&mut lowering, position.as_deref())?);
                }
                self.settled = true;
                frame.sort(keys)
            }
            CheckedStage::Limit(rows) => frame.limit(0, Some(usize::try_from(*rows).unwrap_or(usize::MAX))),
            CheckedStage::Offset(rows) => frame.limit(usize::try_from(*rows).unwrap_or(usize::MAX), None),
            CheckedStage::Count => {
                (self.position, self.settled, self.in_file_order) = (None, true, false);
                let count = aggregates::count(Expr::Literal(1_i64.into(), None)).alias("count");
                frame.aggregate(Vec::new(), vec![count])
            }
            CheckedStage::Distinct => {
                (self.position, self.settled, self.in_file_order) = (None, false, false);
                let frame = match position {
                    Some(_) => frame.select(columns.iter().map(|column| plain(&column.name)).collect::<Vec<_>>())?,
                    None => frame,
                };
                frame.distinct()
            }
        }
    }

    /// Gives the rows a total order if they need one and have none.
    fn settle(&mut self, frame: DataFrame, columns: &[Column]) -> Result<DataFrame> {
        if !self.total || self.settled {
            return Ok(frame);
        }
        self.settled = true;
        let mut lowering =
            Lowering { columns, made: self.made, row_by_row: &mut self.row_by_row, stop: Some(&self.stop) };
        let keys = ties(&mut lowering, self.position.as_deref())?;
        if keys.is_empty() { Ok(frame) } else { frame.sort(keys) }
    }
}

/// Whether a step makes columns, or passes one on twice.
fn makes_columns(stage: &CheckedStage) -> bool {
    match stage {
        CheckedStage::Map(outputs) => {
            let mut known = HashSet::new();
            !outputs.iter().all(|output| matches!(&output.node.kind, Kind::Column(index, _) if known.insert(*index)))
        }
        CheckedStage::Aggregate { .. } => true,
        _ => false,
    }
}

fn plain(name: &str) -> Expr {
    Expr::Column(DfColumn::new_unqualified(name))
}

/// Missing values come last in both directions.
fn ordered(lowering: &mut Lowering<'_>, node: &Node, descending: bool) -> Result<SortExpr> {
    let value = lowering.lower(node)?;
    let value = if node.ty == Ty::Double { canonical(value) } else { value };
    Ok(SortExpr::new(value, !descending, false))
}

/// What orders rows that compare equal: their position, or all their values that have an order.
fn ties(lowering: &mut Lowering<'_>, position: Option<&str>) -> Result<Vec<SortExpr>> {
    if let Some(position) = position {
        return Ok(vec![SortExpr::new(plain(position), true, false)]);
    }
    let columns = lowering.columns;
    let columns = columns.iter().enumerate().filter(|(_, column)| column.ty.is_ordered());
    columns.map(|(index, column)| ordered(lowering, &column_node(index, column), false)).collect()
}

/// A column as a value.
pub(crate) fn column_node(index: usize, column: &Column) -> Node {
    Node::new(Kind::Column(index, column.name.clone()), column.ty.clone(), Default::default())
}

fn named(lowering: &mut Lowering<'_>, outputs: &[NamedNode]) -> Result<Vec<Expr>> {
    outputs.iter().map(|output| Ok(lowering.output(&output.node)?.alias(&output.name))).collect()
}

fn aggregate(
    frame: DataFrame,
    lowering: &mut Lowering<'_>,
    keys: &[NamedNode],
    calls: &[AggregateCall],
    outputs: &[NamedNode],
) -> Result<DataFrame> {
    let groups = keys
        .iter()
        .map(|key| {
            let value = lowering.output(&key.node)?;
            // both zeros are one group, and so is every NaN
            let value = if key.node.ty == Ty::Double { canonical(cast(value, DataType::Float64)) } else { value };
            Ok(value.alias(&key.name))
        })
        .collect::<Result<Vec<_>>>()?;
    let values = calls
        .iter()
        .enumerate()
        .map(|(index, call)| Ok(aggregate_call(lowering, call)?.alias(aggregate_name(index))))
        .collect::<Result<Vec<_>>>()?;
    let frame = frame.aggregate(groups, values)?;
    let keys = keys.iter().map(|key| Expr::Column(DfColumn::new_unqualified(&key.name)));
    let outputs = named(lowering, outputs)?;
    frame.select(keys.chain(outputs).collect::<Vec<_>>())
}

fn aggregate_call(lowering: &mut Lowering<'_>, call: &AggregateCall) -> Result<Expr> {
    let argument = match &call.argument {
        // only whether there is a value matters
        Some(node) if call.function == Aggregate::Count => lowering.output(node)?,
        Some(node) => lowering.lower(node)?,
        None => return Ok(aggregates::count(Expr::Literal(1_i64.into(), None))),
    };
    let double = |argument: Expr| cast(argument, DataType::Float64);
    Ok(match call.function {
        Aggregate::Count => aggregates::count(argument),
        Aggregate::CountDistinct if call.argument.as_ref().is_some_and(|node| node.ty == Ty::Double) => {
            aggregates::count_distinct(canonical(double(argument)))
        }
        Aggregate::CountDistinct => aggregates::count_distinct(argument),
        // 38 digits cannot overflow; `lower` makes an int of them again, or a clear error
        Aggregate::Sum if call.ty == Ty::Int => aggregates::sum(cast(argument, DataType::Decimal128(38, 0))),
        Aggregate::Sum => aggregates::sum(argument),
        Aggregate::Mean => aggregates::avg(double(argument)),
        // NaN is not the least and not the greatest
        Aggregate::Min if call.ty == Ty::Double => aggregates::min(number_or_null(argument)),
        Aggregate::Max if call.ty == Ty::Double => aggregates::max(number_or_null(argument)),
        Aggregate::Min => aggregates::min(argument),
        Aggregate::Max => aggregates::max(argument),
        Aggregate::Stddev => aggregates::stddev(double(argument)),
        Aggregate::Variance => aggregates::var_sample(double(argument)),
        Aggregate::Median => aggregates::median(double(argument)),
    })
}
