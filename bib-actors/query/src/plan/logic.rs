//! `&&` and `||` as DataFusion expressions. Owns that they stay null where they are: of two lists that the same value is
//! looked up in, DataFusion makes one, and where that is empty it says false for `x in A && x in B`, and true for
//! `!(x in A) || !(x in B)`, also where x is null.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Operator, TryCast};

use super::compare::binary;
use super::stored::convert;
use crate::lang::Ty;

/// What is asked of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Whether it is true: a filter drops a row for null as for false.
    Truth,
    /// Which of the three.
    Value,
}

/// `a op b` for `&&` or `||`, over columns that an earlier step may have `made`.
pub(super) fn joined(op: Operator, a: Expr, b: Expr, asked: Asked, made: bool) -> Result<Expr> {
    // DataFusion does not look through the function
    let b = if loses_null(op, &a, &b, asked, made)? { convert(b, &Ty::Bool) } else { b };
    Ok(binary(a, op, b))
}

/// A value that is looked up in a list, and whether the answer counts as it is or turned around.
#[derive(Clone, Copy)]
struct Lookup<'a> {
    /// None for what an earlier step has made, whatever that was.
    value: Option<&'a Expr>,
    plain: bool,
    turned: bool,
}

/// Of a condition that a step has made anything may be found.
const ANY: Lookup<'_> = Lookup { value: None, plain: true, turned: true };

/// Whether some list on one side may be joined with one on the other, and the join may be empty.
fn loses_null(op: Operator, a: &Expr, b: &Expr, asked: Asked, made: bool) -> Result<bool> {
    if op == Operator::And && asked == Asked::Truth {
        return Ok(false);
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    lookups(a, Some(true), made, &mut left)?;
    lookups(b, Some(true), made, &mut right)?;
    let harmful = |a: &Lookup<'_>, b: &Lookup<'_>| match (op, asked) {
        (Operator::And, _) => a.plain || b.plain,
        (_, Asked::Truth) => a.turned && b.turned,
        (_, Asked::Value) => a.turned || b.turned,
    };
    let same = |a: &Lookup<'_>, b: &Lookup<'_>| a.value.zip(b.value).is_none_or(|(a, b)| a == b);
    Ok(left.iter().any(|a| right.iter().any(|b| harmful(a, b) && same(a, b))))
}

/// Collects what is looked up in `expr`, which counts as it is or turned around, or in both ways where that is not known.
fn lookups<'a>(expr: &'a Expr, plain: Option<bool>, made: bool, found: &mut Vec<Lookup<'a>>) -> Result<()> {
    let lookup = |value, negated: bool| Lookup {
        value: (!made).then_some(value),
        plain: plain.is_none_or(|plain| plain != negated),
        turned: plain.is_none_or(|plain| plain == negated),
    };
    match expr {
        Expr::InList(InList { expr: value, negated, .. }) => found.push(lookup(bare(value), *negated)),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            lookups(left, plain, made, found)?;
            lookups(right, plain, made, found)?;
        }
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Eq | Operator::NotEq), right }) => {
            // several of these become a list
            match (bare(left), bare(right)) {
                // a step before may have made a condition of one side, or a constant
                (Expr::Column(_), other) | (other, Expr::Column(_)) if made && !is_plain_value(other) => {
                    found.push(ANY);
                }
                (column @ Expr::Column(_), other) | (other, column @ Expr::Column(_))
                    if other.column_refs().is_empty() =>
                {
                    found.push(lookup(column, *op == Operator::NotEq));
                }
                _ => below(expr, made, found)?,
            }
        }
        Expr::Not(inner) => lookups(inner, plain.map(|plain| !plain), made, found)?,
        // a condition of a step before is put in its place
        Expr::Column(_) if made && plain.is_some() => found.push(ANY),
        other => below(other, made, found)?,
    }
    Ok(())
}

fn below<'a>(expr: &'a Expr, made: bool, found: &mut Vec<Lookup<'a>>) -> Result<()> {
    expr.apply_children(|child| {
        lookups(child, None, made, found)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// What is cast: DataFusion moves a cast of a column to the constant beside it.
fn bare(mut expr: &Expr) -> &Expr {
    while let Expr::Cast(Cast { expr: inner, .. }) | Expr::TryCast(TryCast { expr: inner, .. }) = expr {
        expr = inner;
    }
    expr
}

/// A constant beside which a column is no condition.
fn is_plain_value(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if !matches!(value, ScalarValue::Boolean(_)))
}
