//! Comparisons as DataFusion expressions. Owns what doubles mean in them: the two zeros are equal, and nothing but
//! `!=` is true for NaN. Arrow orders doubles by their bits instead, so a comparison with a constant stands beside a
//! test for NaN; any other comparison of doubles is a kernel. Scans skip by the least and greatest value, which leave
//! NaN out: the test, which they cannot see through, keeps them from skipping where NaN makes the condition true, also
//! when it is turned around by `!`.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Case, Expr, Operator, ScalarUDF, lit};

use super::kernels::{Kernel, Work};
use crate::lang::{BinaryOp, Op, Ty};

/// `a op b` for two values of type `ty`.
pub(super) fn comparison(op: BinaryOp, a: Expr, b: Expr, ty: &Ty) -> Expr {
    if *ty != Ty::Double {
        return binary(a, operator(op), b);
    }
    match (constant(&a), constant(&b)) {
        (None, Some(number)) => with_constant(op, a, number),
        (Some(number), None) => with_constant(mirrored(op), b, number),
        _ => ScalarUDF::from(Kernel::new(Work::Compare(op), vec![Ty::Double, Ty::Double], Ty::Bool)).call(vec![a, b]),
    }
}

/// `x in [...]` for items of type `ty`.
pub(super) fn in_list(needle: Expr, items: Vec<Expr>, ty: &Ty) -> Expr {
    if items.is_empty() {
        // DataFusion's empty list is false also for null
        let when = (Box::new(needle.is_not_null()), Box::new(lit(false)));
        return Expr::Case(Case::new(None, vec![when], None));
    }
    let settled = |item: &Expr| match ty {
        Ty::Double => constant(item).is_some(),
        _ => matches!(item, Expr::Literal(..)),
    };
    if !items.iter().all(settled) {
        // only a list of constants is looked up as a set
        let each = items.into_iter().map(|item| comparison(BinaryOp::Eq, needle.clone(), item, ty));
        return each.reduce(|a, b| binary(a, Operator::Or, b)).unwrap_or_else(|| lit(false));
    }
    let mut list = items;
    if list.iter().any(|item| constant(item) == Some(0.0)) {
        list.extend([lit(0.0_f64), lit(-0.0_f64)]);
    }
    let found = Expr::InList(InList::new(Box::new(needle.clone()), list, false));
    if *ty == Ty::Double { binary(found, Operator::And, is_number(needle)) } else { found }
}

/// The value with one zero and one NaN, for sorting and grouping.
pub(super) fn canonical(value: Expr) -> Expr {
    ScalarUDF::from(Kernel::new(Work::Canonical, vec![Ty::Double], Ty::Double)).call(vec![value])
}

/// The value, or null for NaN.
pub(super) fn number_or_null(value: Expr) -> Expr {
    ScalarUDF::from(Kernel::new(Work::NumberOrNull, vec![Ty::Double], Ty::Double)).call(vec![value])
}

/// The value, or null for what is infinite or NaN.
pub(crate) fn finite_or_null(value: Expr) -> Expr {
    ScalarUDF::from(Kernel::new(Work::FiniteOrNull, vec![Ty::Double], Ty::Double)).call(vec![value])
}

/// The value's bits as an int, to count different ones by.
pub(crate) fn bits(value: Expr) -> Expr {
    ScalarUDF::from(Kernel::new(Work::Bits, vec![Ty::Double], Ty::Int)).call(vec![value])
}

/// `value op number`, with the test for NaN on the side that it decides.
fn with_constant(op: BinaryOp, value: Expr, number: f64) -> Expr {
    let compare = |op: Operator, number: f64| binary(value.clone(), op, lit(number));
    // the zero that keeps both on one side
    let (low, high) = if number == 0.0 { (-0.0, 0.0) } else { (number, number) };
    let compared = match op {
        BinaryOp::Lt => compare(Operator::Lt, low),
        BinaryOp::Le => compare(Operator::LtEq, high),
        BinaryOp::Gt => compare(Operator::Gt, high),
        BinaryOp::Ge => compare(Operator::GtEq, low),
        BinaryOp::Eq if number == 0.0 => {
            binary(compare(Operator::GtEq, low), Operator::And, compare(Operator::LtEq, high))
        }
        BinaryOp::Ne if number == 0.0 => binary(compare(Operator::Lt, low), Operator::Or, compare(Operator::Gt, high)),
        other => compare(operator(other), number),
    };
    match op {
        BinaryOp::Ne => binary(compared, Operator::Or, is_nan(value)),
        _ => binary(compared, Operator::And, is_number(value)),
    }
}

fn is_nan(value: Expr) -> Expr {
    ScalarUDF::from(Kernel::new(Work::Function(Op::IsNan), vec![Ty::Double], Ty::Bool)).call(vec![value])
}

fn is_number(value: Expr) -> Expr {
    Expr::Not(Box::new(is_nan(value)))
}

/// The operator that says the same with its sides exchanged.
pub(super) fn mirrored(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        other => other,
    }
}

/// A literal double that is a number.
fn constant(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(d)), _) if !d.is_nan() => Some(*d),
        _ => None,
    }
}

pub(super) fn binary(a: Expr, op: Operator, b: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(a), op, Box::new(b)))
}

pub(super) fn operator(op: BinaryOp) -> Operator {
    match op {
        BinaryOp::And => Operator::And,
        BinaryOp::Or => Operator::Or,
        BinaryOp::Eq => Operator::Eq,
        BinaryOp::Ne => Operator::NotEq,
        BinaryOp::Lt => Operator::Lt,
        BinaryOp::Le => Operator::LtEq,
        BinaryOp::Gt => Operator::Gt,
        BinaryOp::Ge => Operator::GtEq,
        BinaryOp::Add => Operator::Plus,
        BinaryOp::Sub => Operator::Minus,
        BinaryOp::Mul => Operator::Multiply,
        BinaryOp::Div => Operator::Divide,
        BinaryOp::Rem => Operator::Modulo,
    }
}

/// Whether Arrow's values of this type can be compared and computed with as they are.
pub(super) fn is_canonical(arrow: &DataType, ty: &Ty) -> bool {
    match ty {
        // every spelling of text and bytes compares with every other
        Ty::String => !matches!(arrow, DataType::Dictionary(..)),
        Ty::Bytes => !matches!(arrow, DataType::Dictionary(..) | DataType::FixedSizeBinary(_)),
        Ty::Opaque(_) | Ty::Null => true,
        ty => *arrow == ty.to_arrow(),
    }
}
