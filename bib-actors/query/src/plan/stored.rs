//! Values as they are in the data, where that differs from what the language computes with. Owns how a comparison with a
//! constant keeps its meaning when DataFusion moves a cast from the column to the constant, so that scans can skip by it:
//! a constant between two values of a coarser column would be cut to the lower one.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::logical_expr::{Expr, Operator, ScalarUDF, lit};

use super::compare::{binary, operator};
use super::kernels::{Kernel, Work};
use crate::lang::{BinaryOp, Column, Kind, Lit, Node, Ty};

/// The type that a value has in the data; none for one that is computed.
pub(super) fn stored<'a>(columns: &'a [Column], node: &Node) -> Option<&'a DataType> {
    match &node.kind {
        Kind::Column(index, _) => columns.get(*index).map(|column| &column.arrow),
        Kind::Field(of, name) => match stored(columns, of)? {
            DataType::Struct(fields) => fields.iter().find(|field| field.name() == name).map(|field| field.data_type()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether values of this type may be whole numbers of more than 63 bits.
pub(super) fn is_unsigned(stored: &DataType) -> bool {
    *value_type(stored) == DataType::UInt64
}

/// Microseconds from one value of a coarse column of times to the next; none where every microsecond has a value.
pub(super) fn unit(columns: &[Column], node: &Node) -> Option<i64> {
    match value_type(stored(columns, node)?) {
        DataType::Timestamp(TimeUnit::Second, _) => Some(1_000_000),
        DataType::Timestamp(TimeUnit::Millisecond, _) => Some(1_000),
        _ => None,
    }
}

fn value_type(stored: &DataType) -> &DataType {
    match stored {
        DataType::Dictionary(_, value) => value,
        other => other,
    }
}

/// Whether a value is a constant that may lie between two values of a column of times.
pub(super) fn may_lie_between(node: &Node, unit: i64) -> bool {
    match &node.kind {
        Kind::Literal(Lit::Timestamp(us)) => us.rem_euclid(unit) != 0,
        Kind::Literal(_) => false,
        // what depends on no row is reckoned before the plan is made
        _ => is_constant(node),
    }
}

fn is_constant(node: &Node) -> bool {
    !matches!(node.kind, Kind::Column(..) | Kind::Aggregate(_) | Kind::Local(_))
        && node.children().into_iter().all(is_constant)
}

/// The constant in `constant op column` as a value that the column may have, the answer being the same; none where the
/// answer is another one then.
pub(super) fn on_grid(op: BinaryOp, constant: &Expr, unit: i64) -> Option<Expr> {
    let up = match op {
        BinaryOp::Gt | BinaryOp::Le => true,
        BinaryOp::Lt | BinaryOp::Ge => false,
        _ => return None,
    };
    let step = Kernel::new(Work::Step { unit, up }, vec![Ty::Timestamp], Ty::Timestamp);
    Some(ScalarUDF::from(step).call(vec![constant.clone()]))
}

/// The value as one of `ty`, null where it does not fit.
pub(super) fn convert(value: Expr, ty: &Ty) -> Expr {
    ScalarUDF::from(Kernel::new(Work::Convert, vec![ty.clone()], ty.clone())).call(vec![value])
}

/// What stands by `value op number` so that scans can skip by it, for whole numbers without a sign: they cannot see
/// through the conversion. It is never false where the comparison is true or null.
pub(super) fn fence(op: BinaryOp, value: Expr, number: i64) -> Option<Expr> {
    let number = u64::try_from(number).ok()?;
    let beyond = binary(value.clone(), Operator::Gt, lit(i64::MAX.unsigned_abs()));
    Some(binary(binary(value, operator(op), lit(number)), Operator::Or, beyond))
}
