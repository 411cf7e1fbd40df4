//! A checked expression: every node knows its type, every name is resolved. Pure data, no text of the user but names.

use super::functions::Op;
use super::source::Span;
use super::types::Ty;

/// A checked expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) ty: Ty,
    /// The place in the expression that stands for the node.
    pub(crate) at: Span,
}

/// What a node does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Literal(Lit),
    /// A column of the stage's input, by position and name.
    Column(usize, String),
    /// The variable of an enclosing `all`, `exists`, `exists_one`, `map` or `filter` over a list.
    Local(String),
    /// A field of a struct.
    Field(Box<Node>, String),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary(BinaryOp, Box<Node>, Box<Node>),
    Conditional(Box<Node>, Box<Node>, Box<Node>),
    /// `x == null` or `!has(x)`.
    IsNull(Box<Node>),
    /// `x in [a, b, c]`.
    InList(Box<Node>, Vec<Node>),
    /// `x in y` where y is a computed list, or a map whose keys are meant.
    Contains(Box<Node>, Box<Node>),
    /// A function of the table in `functions.rs`.
    Call(Op, Vec<Node>),
    /// The node's value as its type: int to double, date to timestamp, null to anything.
    Convert(Box<Node>),
    List(Vec<Node>),
    /// A list by position or a map by key.
    Index(Box<Node>, Box<Node>),
    /// A macro over a list.
    Macro(Box<MacroCall>),
    /// The n-th aggregate of the stage.
    Aggregate(usize),
}

/// `range.kind(variable, body)`; `map` may have a condition before its body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MacroCall {
    pub(crate) kind: MacroKind,
    pub(crate) range: Node,
    pub(crate) variable: String,
    pub(crate) condition: Option<Node>,
    pub(crate) body: Node,
}

/// The macros over lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MacroKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

impl MacroKind {
    pub(crate) const NAMES: [(&'static str, Self); 5] = [
        ("all", Self::All),
        ("exists", Self::Exists),
        ("exists_one", Self::ExistsOne),
        ("map", Self::Map),
        ("filter", Self::Filter),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// A literal, also the timestamps, dates and durations that were written as text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lit {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    /// Microseconds since 1970, UTC.
    Timestamp(i64),
    /// Days since 1970.
    Date(i32),
    /// Microseconds.
    Duration(i64),
}

impl Lit {
    pub(crate) fn ty(&self) -> Ty {
        match self {
            Self::Null => Ty::Null,
            Self::Bool(_) => Ty::Bool,
            Self::Int(_) => Ty::Int,
            Self::Double(_) => Ty::Double,
            Self::String(_) => Ty::String,
            Self::Bytes(_) => Ty::Bytes,
            Self::Timestamp(_) => Ty::Timestamp,
            Self::Date(_) => Ty::Date,
            Self::Duration(_) => Ty::Duration,
        }
    }
}

/// Operators with two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum BinaryOp {
    And,
    Or,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

impl BinaryOp {
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::And => "&&",
            Self::Or => "||",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Rem => "%",
        }
    }

    pub(crate) const fn is_comparison(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge)
    }
}

impl Node {
    pub(crate) fn new(kind: Kind, ty: Ty, at: Span) -> Self {
        Self { kind, ty, at }
    }

    pub(crate) fn literal(lit: Lit, at: Span) -> Self {
        let ty = lit.ty();
        Self { kind: Kind::Literal(lit), ty, at }
    }

    /// The same value as type `ty`, which [`Ty::unify`] allowed.
    pub(crate) fn convert(self, ty: &Ty) -> Self {
        if self.ty == *ty {
            return self;
        }
        let at = self.at;
        let kind = match (self.kind, ty) {
            (Kind::Literal(Lit::Null), _) => Kind::Literal(Lit::Null),
            (Kind::Literal(Lit::Int(i)), Ty::Double) => Kind::Literal(Lit::Double(i as f64)),
            (Kind::Literal(Lit::Date(days)), Ty::Timestamp) => {
                Kind::Literal(Lit::Timestamp(i64::from(days) * 86_400_000_000))
            }
            (Kind::List(items), Ty::List(item)) => {
                Kind::List(items.into_iter().map(|node| node.convert(item)).collect())
            }
            (kind, _) => Kind::Convert(Box::new(Self { kind, ty: self.ty, at })),
        };
        Self { kind, ty: ty.clone(), at }
    }

    /// The nodes directly below.
    pub(crate) fn children(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::Literal(_) | Kind::Column(..) | Kind::Local(_) | Kind::Aggregate(_) => Vec::new(),
            Kind::Field(a, _) | Kind::Not(a) | Kind::Negate(a) | Kind::IsNull(a) | Kind::Convert(a) => vec![a],
            Kind::Binary(_, a, b) | Kind::Contains(a, b) | Kind::Index(a, b) => vec![a, b],
            Kind::Conditional(a, b, c) => vec![a, b, c],
            Kind::InList(a, items) => std::iter::once(&**a).chain(items).collect(),
            Kind::Call(_, items) | Kind::List(items) => items.iter().collect(),
            Kind::Macro(call) => {
                std::iter::once(&call.range).chain(&call.condition).chain(std::iter::once(&call.body)).collect()
            }
        }
    }

    /// The same node over other nodes below.
    pub(crate) fn map_children<E>(&self, f: &mut impl FnMut(&Self) -> Result<Self, E>) -> Result<Self, E> {
        let mut boxed = |node: &Self| f(node).map(Box::new);
        let kind = match &self.kind {
            Kind::Literal(_) | Kind::Column(..) | Kind::Local(_) | Kind::Aggregate(_) => self.kind.clone(),
            Kind::Field(a, name) => Kind::Field(boxed(a)?, name.clone()),
            Kind::Not(a) => Kind::Not(boxed(a)?),
            Kind::Negate(a) => Kind::Negate(boxed(a)?),
            Kind::IsNull(a) => Kind::IsNull(boxed(a)?),
            Kind::Convert(a) => Kind::Convert(boxed(a)?),
            Kind::Binary(op, a, b) => Kind::Binary(*op, boxed(a)?, boxed(b)?),
            Kind::Contains(a, b) => Kind::Contains(boxed(a)?, boxed(b)?),
            Kind::Index(a, b) => Kind::Index(boxed(a)?, boxed(b)?),
            Kind::Conditional(a, b, c) => Kind::Conditional(boxed(a)?, boxed(b)?, boxed(c)?),
            Kind::InList(a, items) => {
                let needle = boxed(a)?;
                Kind::InList(needle, items.iter().map(f).collect::<Result<_, E>>()?)
            }
            Kind::Call(op, items) => Kind::Call(*op, items.iter().map(f).collect::<Result<_, E>>()?),
            Kind::List(items) => Kind::List(items.iter().map(f).collect::<Result<_, E>>()?),
            Kind::Macro(call) => Kind::Macro(Box::new(MacroCall {
                kind: call.kind,
                range: f(&call.range)?,
                variable: call.variable.clone(),
                condition: call.condition.as_ref().map(&mut *f).transpose()?,
                body: f(&call.body)?,
            })),
        };
        Ok(Self { kind, ty: self.ty.clone(), at: self.at })
    }

    /// Whether the value is an item of a list or a map, or a field of one, which the interpreter takes out of it.
    pub(super) fn is_taken_out(&self) -> bool {
        match &self.kind {
            Kind::Local(_) | Kind::Index(..) => true,
            Kind::Field(of, _) => of.is_taken_out(),
            _ => false,
        }
    }

    /// Whether the node reads the variable of a macro around it.
    pub(crate) fn has_free_local(&self) -> bool {
        fn free<'a>(node: &'a Node, bound: &mut Vec<&'a str>) -> bool {
            match &node.kind {
                Kind::Local(name) => !bound.contains(&name.as_str()),
                Kind::Macro(call) => {
                    if free(&call.range, bound) {
                        return true;
                    }
                    bound.push(&call.variable);
                    let found = call.condition.iter().chain([&call.body]).any(|part| free(part, bound));
                    bound.pop();
                    found
                }
                _ => node.children().into_iter().any(|child| free(child, bound)),
            }
        }
        free(self, &mut Vec::new())
    }
}
