//! Checked steps to a data frame. Owns the order of operations and the types of aggregates.

use arrow::datatypes::DataType;
use datafusion::common::{Column as DfColumn, Result};
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn as aggregates;
use datafusion::logical_expr::{Expr, SortExpr, cast};

use super::compare::{canonical, number_or_null};
use super::lower::{Lowering, aggregate_name};
use crate::lang::{Aggregate, AggregateCall, CheckedStage, Column, NamedNode, Ty};

/// A query as a data frame.
pub(crate) struct Plan {
    pub(crate) frame: DataFrame,
    /// What runs row by row and why.
    pub(crate) row_by_row: Vec<String>,
}

/// Applies `stages` to a table with `columns`.
pub(crate) fn build(table: DataFrame, stages: &[CheckedStage], columns: Vec<Column>) -> Result<Plan> {
    let mut plan = Plan { frame: table, row_by_row: Vec::new() };
    let mut columns = columns;
    for stage in stages {
        let next = stage.output(&columns);
        plan.frame = apply(plan.frame, stage, &columns, &mut plan.row_by_row)?;
        columns = next;
    }
    Ok(plan)
}

fn apply(
    frame: DataFrame,
    stage: &CheckedStage,
    columns: &[Column],
    row_by_row: &mut Vec<String>,
) -> Result<DataFrame> {
    let mut lowering = Lowering { columns, row_by_row };
    match stage {
        CheckedStage::Filter(condition) => frame.filter(lowering.lower(condition)?),
        CheckedStage::Map(outputs) => frame.select(named(&mut lowering, outputs)?),
        CheckedStage::Aggregate { keys, calls, outputs } => aggregate(frame, &mut lowering, keys, calls, outputs),
        CheckedStage::Sort(keys) => {
            let keys = keys
                .iter()
                // missing values come last in both directions
                .map(|key| {
                    let value = lowering.lower(&key.node)?;
                    let value = if key.node.ty == Ty::Double { canonical(value) } else { value };
                    Ok(SortExpr::new(value, !key.descending, false))
                })
                .collect::<Result<Vec<_>>>()?;
            frame.sort(keys)
        }
        CheckedStage::Limit(rows) => frame.limit(0, Some(usize::try_from(*rows).unwrap_or(usize::MAX))),
        CheckedStage::Offset(rows) => frame.limit(usize::try_from(*rows).unwrap_or(usize::MAX), None),
        CheckedStage::Count => {
            let count = aggregates::count(Expr::Literal(1_i64.into(), None)).alias("count");
            frame.aggregate(Vec::new(), vec![count])
        }
        CheckedStage::Distinct => frame.distinct(),
    }
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
