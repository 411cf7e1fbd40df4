//! Checked expressions to DataFusion expressions. Owns the choice between vectorized and row by row, and what
//! `explain` says about it.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column as DfColumn, Result, ScalarValue};
use datafusion::functions::{core, expr_fn};
use datafusion::logical_expr::{Case, Cast, Expr, Operator, ScalarUDF, lit};

use super::compare::{binary, comparison, in_list, is_canonical, mirrored, operator};
use super::kernels::{Kernel, Work};
use super::logic::{Asked, joined};
use super::pattern::{bounds_of, matches};
use super::stored::{convert, fence, is_unsigned, may_lie_between, on_grid, stored, unit};
use crate::breach::CONSTANT_BYTES;
use crate::lang::{BinaryOp, Column, Kind, Lit, Node, Op, Style, Ty, print};
use crate::row::{RowExpression, made};
use crate::stop::Stop;

/// Translates the expressions of one step.
pub(crate) struct Lowering<'a> {
    pub(crate) columns: &'a [Column],
    /// Whether an earlier step has made the columns: several may be the same one of the table then, or a constant.
    pub(crate) made: bool,
    /// What runs row by row and why.
    pub(crate) row_by_row: &'a mut Vec<String>,
    /// What ends that; none where nothing runs so.
    pub(crate) stop: Option<&'a Stop>,
}

impl Lowering<'_> {
    /// A value that is only passed on: a plain column keeps the type it has in the data.
    pub(crate) fn output(&mut self, node: &Node) -> Result<Expr> {
        match &node.kind {
            Kind::Column(_, name) => Ok(Expr::Column(DfColumn::new_unqualified(name))),
            _ => self.lower(node),
        }
    }

    /// A condition of which only matters whether it is true.
    pub(super) fn condition(&mut self, node: &Node) -> Result<Expr> {
        match &node.kind {
            Kind::Binary(op @ (BinaryOp::And | BinaryOp::Or), a, b) => {
                let (a, b) = (self.condition(a)?, self.condition(b)?);
                joined(operator(*op), a, b, Asked::Truth, self.made)
            }
            _ => self.lower(node),
        }
    }

    /// A value that is computed with.
    pub(crate) fn lower(&mut self, node: &Node) -> Result<Expr> {
        if let Some(why) = needs_rows(node) {
            let shown = print(node, Style::People);
            let line = format!("{shown}: {why}");
            if !self.row_by_row.contains(&line) {
                self.row_by_row.push(line);
            }
            return self.row_expression(node);
        }
        match &node.kind {
            Kind::Literal(value) => literal(value, &node.ty),
            Kind::Column(index, _) => {
                let column = self.raw(node)?;
                let canonical = is_canonical(&self.columns[*index].arrow, &node.ty);
                Ok(if node.ty.is_nested() || canonical { column } else { self.computed(column, node) })
            }
            Kind::Aggregate(index) => {
                let value = Expr::Column(DfColumn::new_unqualified(aggregate_name(*index)));
                // sums of ints come with 38 digits
                Ok(if node.ty.is_number() { cast(value, &node.ty) } else { value })
            }
            Kind::Field(..) => {
                let field = self.raw(node)?;
                // the field may be narrower than what the language computes with
                Ok(if node.ty.is_nested() { field } else { self.computed(field, node) })
            }
            Kind::Not(inner) => match &inner.kind {
                Kind::IsNull(of) => Ok(self.lower_any(of)?.is_not_null()),
                _ => Ok(Expr::Not(Box::new(self.lower(inner)?))),
            },
            Kind::IsNull(of) => Ok(self.lower_any(of)?.is_null()),
            Kind::Negate(inner) => self.kernel(Work::Negate, std::slice::from_ref(&**inner), &node.ty),
            Kind::Binary(op, a, b) => self.binary(*op, a, b, &node.ty),
            Kind::Conditional(condition, yes, no) => {
                let (condition, yes, no) = (self.lower(condition)?, self.lower(yes)?, self.lower(no)?);
                // a condition that is null chooses neither
                let when = vec![(Box::new(lit(true)), Box::new(yes)), (Box::new(lit(false)), Box::new(no))];
                Ok(Expr::Case(Case::new(Some(Box::new(condition)), when, None)))
            }
            Kind::InList(needle, items) => {
                let ty = needle.ty.clone();
                let between = |unit| items.iter().any(|item| may_lie_between(item, unit));
                let needle = match unit(self.columns, needle) {
                    Some(unit) if between(unit) => convert(self.raw(needle)?, &ty),
                    _ => self.lower(needle)?,
                };
                let items = items.iter().map(|item| self.lower(item)).collect::<Result<Vec<_>>>()?;
                Ok(in_list(needle, items, &ty))
            }
            Kind::Call(op, args) => self.call(*op, args, &node.ty),
            Kind::Convert(inner) => Ok(cast(self.lower(inner)?, &node.ty)),
            Kind::Local(_) | Kind::Contains(..) | Kind::List(_) | Kind::Index(..) | Kind::Macro(_) => {
                self.row_expression(node)
            }
        }
    }

    /// A value of which only its presence matters, so that a scan can answer from statistics.
    fn lower_any(&mut self, node: &Node) -> Result<Expr> {
        self.output(node)
    }

    /// A column or a field as it is in the data.
    fn raw(&mut self, node: &Node) -> Result<Expr> {
        match &node.kind {
            Kind::Field(of, name) => Ok(core::expr_fn::get_field(self.lower(of)?, name.as_str())),
            _ => self.output(node),
        }
    }

    /// What [`Self::raw`] gave as a value of the language.
    fn computed(&self, raw: Expr, node: &Node) -> Expr {
        match stored(self.columns, node) {
            // a cast would fail all rows for one that does not fit
            Some(stored) if node.ty == Ty::Int && is_unsigned(stored) => convert(raw, &node.ty),
            _ => cast(raw, &node.ty),
        }
    }

    fn comparison(&mut self, op: BinaryOp, a: &Node, b: &Node) -> Result<Expr> {
        let (left, right) = (self.side(op, a, b)?, self.side(mirrored(op), b, a)?);
        let compared = comparison(op, left, right, &a.ty);
        let fences = [self.fence(op, a, b)?, self.fence(mirrored(op), b, a)?];
        Ok(fences.into_iter().flatten().fold(compared, |all, fence| binary(all, Operator::And, fence)))
    }

    /// The value of `node` in `node op other`, of which one may be a column of coarse times.
    fn side(&mut self, op: BinaryOp, node: &Node, other: &Node) -> Result<Expr> {
        if let Some(unit) = unit(self.columns, other)
            && may_lie_between(node, unit)
        {
            let constant = self.lower(node)?;
            return Ok(on_grid(op, &constant, unit).unwrap_or(constant));
        }
        match unit(self.columns, node) {
            Some(unit) if matches!(op, BinaryOp::Eq | BinaryOp::Ne) && may_lie_between(other, unit) => {
                Ok(convert(self.raw(node)?, &node.ty))
            }
            _ => self.lower(node),
        }
    }

    fn fence(&mut self, op: BinaryOp, node: &Node, other: &Node) -> Result<Option<Expr>> {
        match (stored(self.columns, node), &other.kind) {
            (Some(DataType::UInt64), Kind::Literal(Lit::Int(number))) => Ok(fence(op, self.raw(node)?, *number)),
            _ => Ok(None),
        }
    }

    fn binary(&mut self, op: BinaryOp, a: &Node, b: &Node, result: &Ty) -> Result<Expr> {
        if op.is_comparison() {
            let (a, b) = as_whole_numbers(a, b).unwrap_or_else(|| (a.clone(), b.clone()));
            return self.comparison(op, &a, &b);
        }
        match (op, result) {
            (BinaryOp::And | BinaryOp::Or, _) => {
                joined(operator(op), self.lower(a)?, self.lower(b)?, Asked::Value, self.made)
            }
            (_, Ty::Double) => Ok(binary(self.lower(a)?, operator(op), self.lower(b)?)),
            (BinaryOp::Add, Ty::String) => self.kernel(Work::Concat, &[a.clone(), b.clone()], result),
            _ => self.kernel(Work::Arithmetic(op), &[a.clone(), b.clone()], result),
        }
    }

    fn call(&mut self, op: Op, args: &[Node], result: &Ty) -> Result<Expr> {
        let native = match (op, args) {
            (Op::Contains, [a, b]) => expr_fn::contains(self.lower(a)?, self.lower(b)?),
            (Op::StartsWith, [a, b]) => match awkward(b).and_then(bounds_of) {
                Some((from, to)) => {
                    let a = self.lower(a)?;
                    a.clone().gt_eq(lit(from)).and(a.lt(lit(to)))
                }
                None => expr_fn::starts_with(self.lower(a)?, self.lower(b)?),
            },
            (Op::EndsWith, [a, b]) => expr_fn::ends_with(self.lower(a)?, self.lower(b)?),
            (Op::Matches, [a, Node { kind: Kind::Literal(Lit::String(pattern)), .. }]) => {
                matches(self.lower(a)?, pattern)?
            }
            (Op::Coalesce, args) => {
                let args = args.iter().map(|arg| self.lower(arg)).collect::<Result<Vec<_>>>()?;
                core::expr_fn::coalesce(args)
            }
            (
                Op::ToInt | Op::ToDouble | Op::ToText | Op::ToBool | Op::ToTimestamp | Op::ToDate | Op::ToDuration,
                [a],
            ) if a.ty == *result => self.lower(a)?,
            _ => return self.kernel(Work::Function(op), args, result),
        };
        Ok(native)
    }

    fn kernel(&mut self, work: Work, args: &[Node], result: &Ty) -> Result<Expr> {
        let params = args.iter().map(|arg| arg.ty.clone()).collect();
        let args = args.iter().map(|arg| self.lower(arg)).collect::<Result<Vec<_>>>()?;
        if let Some(text) = constant(work, &args)? {
            return Ok(lit(text));
        }
        Ok(ScalarUDF::from(Kernel::new(work, params, result.clone())).call(args))
    }

    /// The expression for the interpreter. What below it can be vectorized is, and comes as an argument.
    fn row_expression(&mut self, node: &Node) -> Result<Expr> {
        let mut arguments = Arguments::default();
        let body = node.map_children(&mut |child| self.hoist(child, &mut arguments))?;
        let constant = arguments.exprs.iter().all(|argument| argument.column_refs().is_empty());
        let may_last = constant && has_macro(&body);
        let shown = print(node, Style::People);
        let compiled = RowExpression::compile(&body, arguments.types, shown, may_last, self.stop.cloned())?;
        Ok(ScalarUDF::from(compiled).call(arguments.exprs))
    }

    /// Replaces parts that can be vectorized by arguments.
    fn hoist(&mut self, node: &Node, arguments: &mut Arguments) -> Result<Node> {
        if matches!(node.kind, Kind::Literal(_)) {
            return Ok(node.clone());
        }
        if needs_rows(node).is_some() || node.has_free_local() {
            return node.map_children(&mut |child| self.hoist(child, arguments));
        }
        let text = print(node, Style::Interpreter);
        let index = match arguments.texts.iter().position(|known| *known == text) {
            Some(index) => index,
            None => {
                arguments.exprs.push(self.output(node)?);
                arguments.types.push(node.ty.clone());
                arguments.texts.push(text);
                arguments.texts.len() - 1
            }
        };
        Ok(Node::new(Kind::Column(index, format!("argument {index}")), node.ty.clone(), node.at))
    }
}

/// What a row expression is given.
#[derive(Default)]
struct Arguments {
    exprs: Vec<Expr>,
    types: Vec<Ty>,
    texts: Vec<String>,
}

/// The name of the n-th aggregate of a step, until its outputs are named.
pub(super) fn aggregate_name(index: usize) -> String {
    format!("aggregate {index}")
}

/// Why a node itself, whatever is below it, cannot be vectorized.
fn needs_rows(node: &Node) -> Option<&'static str> {
    match &node.kind {
        Kind::Macro(_) => Some("a macro goes over the list of each row"),
        Kind::List(_) => Some("it makes a list for each row"),
        Kind::Index(..) => Some("it looks into the list or map of each row"),
        Kind::Contains(..) => Some("it searches the list or map of each row"),
        Kind::InList(needle, _) if needle.ty.is_nested() => Some("it compares lists or structs"),
        Kind::Binary(_, a, _) if a.ty.is_nested() => Some("it compares or joins lists or structs"),
        Kind::Convert(_) if node.ty.is_nested() => Some("it converts the values of a list"),
        Kind::Call(Op::Split | Op::Join, _) => Some("texts are split or joined for each row"),
        Kind::Call(Op::Size, args) if args[0].ty.is_nested() => Some("it counts what is in each row"),
        Kind::Call(Op::Matches, args) if !matches!(args[1].kind, Kind::Literal(_)) => {
            Some("the regular expression differs from row to row")
        }
        Kind::Local(_) => Some("it belongs to a macro"),
        _ => None,
    }
}

fn has_macro(node: &Node) -> bool {
    matches!(node.kind, Kind::Macro(_)) || node.children().into_iter().any(has_macro)
}

/// A column of whole numbers beside a whole double: compared as whole numbers, so that scans can skip by it.
fn as_whole_numbers(a: &Node, b: &Node) -> Option<(Node, Node)> {
    /// Up to here every whole number is a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let int_side = |node: &Node| match &node.kind {
        Kind::Convert(inner) if node.ty == Ty::Double && inner.ty == Ty::Int => Some((**inner).clone()),
        _ => None,
    };
    let whole = |node: &Node| match &node.kind {
        Kind::Literal(Lit::Double(d)) if d.fract() == 0.0 && d.abs() < EXACT => {
            Some(Node::literal(Lit::Int(*d as i64), node.at))
        }
        _ => None,
    };
    match (int_side(a), whole(b), whole(a), int_side(b)) {
        (Some(a), Some(b), _, _) | (_, _, Some(a), Some(b)) => Some((a, b)),
        _ => None,
    }
}

fn cast(expr: Expr, ty: &Ty) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), ty.to_arrow()))
}

fn literal(value: &Lit, ty: &Ty) -> Result<Expr> {
    let utc = || Some(Arc::from(crate::lang::UTC));
    Ok(match value {
        Lit::Null => Expr::Literal(ScalarValue::try_from(&ty.to_arrow())?, None),
        Lit::Bool(b) => lit(*b),
        Lit::Int(i) => lit(*i),
        Lit::Double(d) => lit(*d),
        Lit::String(s) => lit(s.as_str()),
        Lit::Bytes(b) => lit(ScalarValue::Binary(Some(b.clone()))),
        Lit::Timestamp(us) => lit(ScalarValue::TimestampMicrosecond(Some(*us), utc())),
        Lit::Date(days) => lit(ScalarValue::Date32(Some(*days))),
        Lit::Duration(us) => lit(ScalarValue::DurationMicrosecond(Some(*us))),
    })
}

/// The text that a function makes of constants. Known here, so that one which is too long is refused with the query:
/// planning only goes on without it.
fn constant(work: Work, args: &[Expr]) -> Result<Option<String>> {
    let text = |at: usize| match args.get(at) {
        Some(Expr::Literal(ScalarValue::Utf8(text), _)) => text.as_deref(),
        _ => None,
    };
    let (Some(first), Some(second)) = (text(0), text(1)) else { return Ok(None) };
    match (work, text(2)) {
        (Work::Concat, _) => {
            made::fits(first, second, CONSTANT_BYTES)?;
            Ok(Some([first, second].concat()))
        }
        (Work::Function(Op::Replace), Some(to)) => Ok(Some(made::replaced(first, second, to, CONSTANT_BYTES)?)),
        _ => Ok(None),
    }
}

/// A prefix that `LIKE` would read as a pattern: DataFusion turns `starts_with` into `LIKE`, and a pattern with an escape
/// in it runs as a regular expression on each row. Two comparisons are faster, and prune row groups as well.
fn awkward(prefix: &Node) -> Option<&str> {
    match &prefix.kind {
        Kind::Literal(Lit::String(text)) if text.contains(['%', '_', '\\']) => Some(text),
        _ => None,
    }
}
