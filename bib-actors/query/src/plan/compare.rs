//! Comparisons as DataFusion expressions. Owns the two zeros: Arrow orders -0.0 before 0.0, the language says that
//! they are equal.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, lit};

use crate::lang::{BinaryOp, Ty};

/// `a op b` for two values of type `ty`.
pub(super) fn comparison(op: BinaryOp, a: Expr, b: Expr, ty: &Ty) -> Expr {
    if *ty != Ty::Double {
        return binary(a, operator(op), b);
    }
    if let Some(zero) = zero_test(op, &a, &b) {
        return zero;
    }
    if is_literal(&a) || is_literal(&b) {
        return binary(a, operator(op), b);
    }
    binary(one_zero(a), operator(op), one_zero(b))
}

/// `x in [...]` for items of type `ty`.
pub(super) fn in_list(needle: Expr, items: Vec<Expr>, ty: &Ty) -> Expr {
    if *ty != Ty::Double {
        return Expr::InList(InList::new(Box::new(needle), items, false));
    }
    let mut list = Vec::with_capacity(items.len() + 1);
    for item in items {
        match double(&item) {
            Some(0.0) => list.extend([lit(0.0_f64), lit(-0.0_f64)]),
            Some(_) => list.push(item),
            None => list.push(one_zero(item)),
        }
    }
    let all_literal = list.iter().all(is_literal);
    let needle = if all_literal { needle } else { one_zero(needle) };
    Expr::InList(InList::new(Box::new(needle), list, false))
}

/// A comparison with a literal zero: the literal is replaced by the zero that keeps both on one side.
fn zero_test(op: BinaryOp, a: &Expr, b: &Expr) -> Option<Expr> {
    let (value, op) = match (double(a), double(b)) {
        (None, Some(0.0)) => (a.clone(), op),
        (Some(0.0), None) => (b.clone(), mirrored(op)),
        _ => return None,
    };
    let at_least = |value: Expr| binary(value, Operator::GtEq, lit(-0.0_f64));
    let at_most = |value: Expr| binary(value, Operator::LtEq, lit(0.0_f64));
    Some(match op {
        BinaryOp::Eq => binary(at_least(value.clone()), Operator::And, at_most(value)),
        BinaryOp::Ne => binary(
            binary(value.clone(), Operator::Lt, lit(-0.0_f64)),
            Operator::Or,
            binary(value, Operator::Gt, lit(0.0_f64)),
        ),
        BinaryOp::Ge => at_least(value),
        BinaryOp::Le => at_most(value),
        BinaryOp::Lt => binary(value, Operator::Lt, lit(-0.0_f64)),
        BinaryOp::Gt => binary(value, Operator::Gt, lit(0.0_f64)),
        _ => return None,
    })
}

fn mirrored(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        other => other,
    }
}

/// Adding 0.0 turns -0.0 into 0.0 and changes nothing else.
pub(super) fn one_zero(value: Expr) -> Expr {
    binary(value, Operator::Plus, lit(0.0_f64))
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(..))
}

fn double(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(d)), _) => Some(*d),
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
