//! Types of operators. Owns which types fit together and what to write when they do not.

use super::check::{Checker, a};
use super::ir::{BinaryOp, Kind, Lit, Node};
use super::print::{Style, print};
use super::source::{Checked, Span};
use super::types::Ty;

impl Checker<'_> {
    pub(super) fn binary(&self, op: BinaryOp, left: Node, right: Node, at: Span) -> Checked<Node> {
        match op {
            BinaryOp::And | BinaryOp::Or => {
                let left = self.require_bool(left, op.symbol())?;
                let right = self.require_bool(right, op.symbol())?;
                Ok(Node::new(Kind::Binary(op, Box::new(left), Box::new(right)), Ty::Bool, at))
            }
            _ if op.is_comparison() => self.comparison(op, left, right, at),
            _ => self.arithmetic(op, left, right, at),
        }
    }

    fn comparison(&self, op: BinaryOp, left: Node, right: Node, at: Span) -> Checked<Node> {
        let is_null = |node: &Node| matches!(node.kind, Kind::Literal(Lit::Null));
        if is_null(&left) || is_null(&right) {
            let other = if is_null(&right) { left } else { right };
            return self.null_test(op, other, at);
        }
        let Some(ty) = left.ty.unify(&right.ty) else {
            let message = format!("{} cannot be compared with {}", a(&left.ty), a(&right.ty));
            return Err(self.source.invalid_with(at, message, conversion(&left, &right)));
        };
        self.refuse_opaque(&ty, at, "compared")?;
        if !matches!(op, BinaryOp::Eq | BinaryOp::Ne) && !ty.is_ordered() {
            return Err(self.source.invalid(at, format!("{} has no order, so {} means nothing", a(&ty), op.symbol())));
        }
        let (left, right) = (Box::new(left.convert(&ty)), Box::new(right.convert(&ty)));
        Ok(Node::new(Kind::Binary(op, left, right), Ty::Bool, at))
    }

    /// Refuses a value with parts that the interpreter has not: they would come out as missing.
    pub(super) fn refuse_opaque(&self, ty: &Ty, at: Span, not: &str) -> Checked<()> {
        match ty.opaque() {
            Some(part) => {
                let message = format!("values of type {part} can be selected, but not {not}");
                Err(self.source.invalid(at, message))
            }
            None => Ok(()),
        }
    }

    fn null_test(&self, op: BinaryOp, of: Node, at: Span) -> Checked<Node> {
        let test = Node::new(Kind::IsNull(Box::new(self.testable(of)?)), Ty::Bool, at);
        match op {
            BinaryOp::Eq => Ok(test),
            BinaryOp::Ne => Ok(Node::new(Kind::Not(Box::new(test)), Ty::Bool, at)),
            _ => Err(self.source.invalid_with(
                at,
                format!("null has no order, so {} means nothing", op.symbol()),
                "test for missing values with == null or != null".to_owned(),
            )),
        }
    }

    /// Inside a macro over a list a computation that has no value ends the macro for that row, so only what is
    /// simply there can be tested.
    pub(super) fn testable(&self, of: Node) -> Checked<Node> {
        if of.is_taken_out() && matches!(of.ty, Ty::Opaque(_)) {
            self.refuse_opaque(&of.ty, of.at, "looked up")?;
        }
        let mut inner = &of;
        let simple = loop {
            match &inner.kind {
                Kind::Column(..) | Kind::Local(_) | Kind::Literal(_) => break true,
                Kind::Field(of, _) | Kind::Convert(of) => inner = of,
                _ => break false,
            }
        };
        if self.locals.is_empty() || simple {
            return Ok(of);
        }
        Err(self.source.invalid_with(
            of.at,
            "inside a macro over a list, only a variable, a column or a field can be tested for null",
            "test it outside of the macro, or test the parts that it is computed from".to_owned(),
        ))
    }

    fn arithmetic(&self, op: BinaryOp, left: Node, right: Node, at: Span) -> Checked<Node> {
        use BinaryOp::{Add, Div, Mul, Rem, Sub};
        use Ty::{Date, Double, Duration, Int, List, String, Timestamp};
        let node =
            |left: Node, right: Node, ty| Ok(Node::new(Kind::Binary(op, Box::new(left), Box::new(right)), ty, at));
        match (op, &left.ty, &right.ty) {
            (Add | Sub | Mul | Div | Rem, Int, Int) => node(left, right, Int),
            (Add | Sub | Mul | Div, Int | Double, Int | Double) => {
                node(left.convert(&Double), right.convert(&Double), Double)
            }
            (Add, String, String) => node(left, right, String),
            (Add, List(_), List(_)) => match left.ty.unify(&right.ty) {
                Some(ty) => {
                    self.refuse_opaque(&ty, at, "joined")?;
                    node(left.convert(&ty), right.convert(&ty), ty)
                }
                None => Err(self.source.invalid(at, format!("{} and {} do not add up", a(&left.ty), a(&right.ty)))),
            },
            (Sub, Timestamp | Date, Timestamp | Date) => {
                node(left.convert(&Timestamp), right.convert(&Timestamp), Duration)
            }
            (Add | Sub, Timestamp | Date, Duration) => node(left.convert(&Timestamp), right, Timestamp),
            (Add, Duration, Timestamp | Date) => node(left, right.convert(&Timestamp), Timestamp),
            (Add | Sub, Duration, Duration) => node(left, right, Duration),
            _ => {
                let message = format!("{} has no meaning for {} and {}", op.symbol(), a(&left.ty), a(&right.ty));
                Err(self.source.invalid_with(at, message, arithmetic_hint(op, &left, &right)))
            }
        }
    }

    pub(super) fn negate(&self, inner: Node, at: Span) -> Checked<Node> {
        match (&inner.kind, &inner.ty) {
            // the least int has no counterpart: its negation is left to the computation, which has no value
            (Kind::Literal(Lit::Int(i)), _) if *i != i64::MIN => Ok(Node::literal(Lit::Int(-i), at)),
            (Kind::Literal(Lit::Double(d)), _) => Ok(Node::literal(Lit::Double(-d), at)),
            (_, Ty::Int | Ty::Double) => {
                let ty = inner.ty.clone();
                Ok(Node::new(Kind::Negate(Box::new(inner)), ty, at))
            }
            (_, ty) => Err(self.source.invalid(at, format!("- needs a number, but this is {}", a(ty)))),
        }
    }

    pub(super) fn contains(&self, needle: Node, within: Node, at: Span) -> Checked<Node> {
        let boxed = |needle: Node, within: Node| {
            Ok(Node::new(Kind::Contains(Box::new(needle), Box::new(within)), Ty::Bool, at))
        };
        match within.ty.clone() {
            Ty::List(item) => {
                let Some(ty) = needle.ty.unify(&item) else {
                    let message = format!("{} is never in a list of {item}", a(&needle.ty));
                    return Err(self.source.invalid_with(at, message, item_hint(&needle, &item)));
                };
                if needle.ty == Ty::Null {
                    let suggestion = "test for missing values with == null".to_owned();
                    return Err(self.source.invalid_with(at, "null is not in any list", suggestion));
                }
                self.refuse_opaque(&ty, at, "compared")?;
                let needle = needle.convert(&ty);
                let within = within.convert(&Ty::List(Box::new(ty)));
                match within.kind {
                    Kind::List(items) => {
                        if let Some(null) = items.iter().find(|i| matches!(i.kind, Kind::Literal(Lit::Null))) {
                            let suggestion = "add || x == null for missing values".to_owned();
                            let message = "null in a list is never found by `in`";
                            return Err(self.source.invalid_with(null.at, message, suggestion));
                        }
                        Ok(Node::new(Kind::InList(Box::new(needle), items), Ty::Bool, at))
                    }
                    _ => boxed(needle, within),
                }
            }
            Ty::Map(_) if needle.ty == Ty::String => boxed(needle, within),
            Ty::String if needle.ty == Ty::String => {
                let suggestion = format!("write {}.contains(...)", print(&within, Style::People));
                Err(self.source.invalid_with(at, "`in` looks into a list, not into a text", suggestion))
            }
            ty => {
                let message = format!("`in` needs a list on its right, but this is {}", a(&ty));
                Err(self.source.invalid_with(at, message, "write x in [a, b, c]".to_owned()))
            }
        }
    }
}

/// What to write when two types cannot be compared.
fn conversion(left: &Node, right: &Node) -> Option<String> {
    let literal = |node: &Node| matches!(node.kind, Kind::Literal(_));
    // the literal is what a user changes first
    let (fixed, other) = if literal(left) && !literal(right) { (left, right) } else { (right, left) };
    let text = print(fixed, Style::People);
    let other_text = print(other, Style::People);
    match (&other.ty, &fixed.ty) {
        (Ty::Timestamp, Ty::String) => {
            Some(format!("write timestamp({text}), for example timestamp(\"2013-01-31T12:00:00Z\")"))
        }
        (Ty::Date, Ty::String) => Some(format!("write date({text}), for example date(\"2013-01-31\")")),
        (Ty::Duration, Ty::String) => Some(format!("write duration({text}), for example duration(\"90m\")")),
        (Ty::Duration, Ty::Int) => Some("write a duration, for example duration(\"90m\")".to_owned()),
        (Ty::String, Ty::Int | Ty::Double) if literal(fixed) => {
            Some(format!("write \"{text}\" to compare as text, or double({other_text}) to compare as a number"))
        }
        (Ty::Int | Ty::Double, Ty::String) => match &fixed.kind {
            Kind::Literal(Lit::String(s)) if s.parse::<f64>().is_ok() => {
                Some(format!("write {s} without quotation marks"))
            }
            Kind::Literal(Lit::String(s)) if s.is_empty() || s == "NA" => {
                Some("missing values are null: write == null".to_owned())
            }
            _ => Some(format!("write string({other_text}) to compare as text, or double({text}) as a number")),
        },
        (Ty::String, Ty::Int | Ty::Double) => Some(format!("write double({other_text}) to compare as a number")),
        (Ty::Bool, Ty::Int) => Some("write true or false".to_owned()),
        (Ty::Bool, Ty::String) => Some("write true or false without quotation marks".to_owned()),
        (Ty::List(_), _) => Some(format!("write {text} in {other_text}")),
        _ => None,
    }
}

fn arithmetic_hint(op: BinaryOp, left: &Node, right: &Node) -> Option<String> {
    let text = |node: &Node| print(node, Style::People);
    match (op, &left.ty, &right.ty) {
        (BinaryOp::Add, Ty::String, other) if !other.is_nested() => Some(format!("write string({})", text(right))),
        (BinaryOp::Add, other, Ty::String) if !other.is_nested() => Some(format!("write string({})", text(left))),
        (_, Ty::String, number) if number.is_number() => Some(format!("write double({})", text(left))),
        (_, number, Ty::String) if number.is_number() => Some(format!("write double({})", text(right))),
        (BinaryOp::Rem, ..) => Some("% works on ints: write int(...)".to_owned()),
        (_, Ty::Timestamp | Ty::Date, Ty::Int) => Some("write a duration, for example duration(\"24h\")".to_owned()),
        (_, Ty::Null, _) | (_, _, Ty::Null) => Some("arithmetic with null is always null".to_owned()),
        _ => None,
    }
}

fn item_hint(needle: &Node, item: &Ty) -> Option<String> {
    match (&needle.ty, item) {
        (Ty::Int | Ty::Double, Ty::String) => Some("write the numbers without quotation marks".to_owned()),
        (Ty::String, Ty::Int | Ty::Double) => Some("write the texts in quotation marks".to_owned()),
        (Ty::Timestamp, Ty::String) => Some("write timestamp(\"...\") around each text".to_owned()),
        (Ty::Date, Ty::String) => Some("write date(\"...\") around each text".to_owned()),
        _ => None,
    }
}
