//! Checks an expression against the columns it may name, before anything runs. Owns the rules for names, literals,
//! lists and conditions; operators are in `operators.rs`, calls in `calls.rs`.

use cel::common::ast::{CallExpr, Expr, IdedExpr, ListExpr, LiteralValue, operators as cel_ops};

use super::ir::{BinaryOp, Kind, Lit, Node};
use super::pipeline::text_literal;
use super::print::is_identifier;
use super::source::{Checked, Source, Span};
use super::stages::AggregateCall;
use super::suggest::{did_you_mean, nearest};
use super::types::{Column, Ty};

/// The names that are known at one place of an expression.
pub(super) struct Checker<'a> {
    pub(super) source: &'a Source,
    pub(super) columns: &'a [Column],
    /// The name of the row in this step.
    pub(super) row: &'a str,
    /// Variables of the macros around the place, innermost last.
    pub(super) locals: Vec<Local>,
    /// The aggregates found so far, where aggregates are allowed.
    pub(super) aggregates: Option<Vec<AggregateCall>>,
}

/// The variable of a macro.
pub(super) struct Local {
    pub(super) name: String,
    pub(super) ty: Ty,
    /// How often what is in the macro runs for one row, as far as the expression says: its list and those of the macros
    /// around it are written there.
    pub(super) turns: usize,
}

impl Checker<'_> {
    /// Checks one expression.
    pub(super) fn check(&mut self, expr: &IdedExpr) -> Checked<Node> {
        let node = self.part(expr)?;
        if node.is_taken_out() {
            self.refuse_opaque(&node.ty, node.at, "looked up")?;
        }
        Ok(node)
    }

    /// The same for a value that is only looked into, so that it may have parts which the interpreter has not.
    pub(super) fn part(&mut self, expr: &IdedExpr) -> Checked<Node> {
        let at = self.source.span(expr);
        match &expr.expr {
            Expr::Literal(value) => self.literal(value, at),
            Expr::Ident(name) => self.name(name, at),
            Expr::Select(select) => self.select(&select.operand, &select.field, at),
            Expr::List(list) => self.list(list, at),
            Expr::Call(call) => self.call_or_operator(call, at),
            Expr::Map(_) => Err(self.source.invalid_with(
                at,
                "a map {...} can only be the whole result of .map() or .aggregate()",
                "give each value a name there: .map(r, {\"a\": ..., \"b\": ...})".to_owned(),
            )),
            _ => Err(self.source.invalid(at, "this cannot be used in a query")),
        }
    }

    fn literal(&self, value: &LiteralValue, at: Span) -> Checked<Node> {
        let lit = match value {
            LiteralValue::Null => Lit::Null,
            LiteralValue::Boolean(b) => Lit::Bool(*b.inner()),
            LiteralValue::Int(i) => Lit::Int(*i.inner()),
            LiteralValue::UInt(u) => match i64::try_from(*u.inner()) {
                Ok(i) => Lit::Int(i),
                Err(_) => return Err(self.source.invalid(at, "the number does not fit into 64 bits with a sign")),
            },
            LiteralValue::Double(d) => Lit::Double(*d.inner()),
            LiteralValue::String(s) => Lit::String(s.inner().to_owned()),
            LiteralValue::Bytes(b) => Lit::Bytes(b.inner().to_vec()),
        };
        Ok(Node::literal(lit, at))
    }

    fn name(&self, name: &str, at: Span) -> Checked<Node> {
        if let Some(local) = self.locals.iter().rev().find(|local| local.name == name) {
            return Ok(Node::new(Kind::Local(name.to_owned()), local.ty.clone(), at));
        }
        let row = self.row;
        if name == row {
            let message = format!("{row:?} is a whole row, here one value is needed");
            return Err(self.source.invalid_with(at, message, self.example_column()));
        }
        let suggestion = if self.columns.iter().any(|column| column.name == name) {
            Some(format!("write {} for the column", self.column_text(name)))
        } else {
            let near = nearest(name, self.columns.iter().map(|column| column.name.as_str()));
            match near.first() {
                Some(column) => Some(format!("did you mean {}?", self.column_text(column))),
                None if name == "NA" || name == "None" || name == "NULL" || name == "nil" => {
                    Some("write null for a missing value".to_owned())
                }
                None if name == "True" || name == "TRUE" => Some("write true".to_owned()),
                None if name == "False" || name == "FALSE" => Some("write false".to_owned()),
                None => Some(format!("the row is called {row:?} here; a text stands in quotation marks: \"{name}\"")),
            }
        };
        Err(self.source.invalid_with(at, format!("{name:?} is not known here"), suggestion))
    }

    fn example_column(&self) -> Option<String> {
        self.columns
            .first()
            .map(|column| format!("name a column of it, for example {}", self.column_text(&column.name)))
    }

    /// How a column is written in this step.
    pub(super) fn column_text(&self, name: &str) -> String {
        if is_identifier(name) { format!("{}.{name}", self.row) } else { format!("{}[{name:?}]", self.row) }
    }

    fn is_row(&self, expr: &IdedExpr) -> bool {
        matches!(&expr.expr, Expr::Ident(name) if name == self.row)
            && !self.locals.iter().any(|local| local.name == self.row)
    }

    fn select(&mut self, operand: &IdedExpr, field: &str, at: Span) -> Checked<Node> {
        if self.is_row(operand) {
            return self.column_named(field, at);
        }
        let of = self.part(operand)?;
        self.field(of, field, at)
    }

    /// The column of this name.
    pub(super) fn column_named(&self, name: &str, at: Span) -> Checked<Node> {
        if let Some(index) = self.columns.iter().position(|column| column.name == name) {
            let column = &self.columns[index];
            return Ok(Node::new(Kind::Column(index, name.to_owned()), column.ty.clone(), at));
        }
        let near = nearest(name, self.columns.iter().map(|column| column.name.as_str()));
        let suggestion = did_you_mean(&near.iter().map(|name| self.column_text(name)).collect::<Vec<_>>());
        let suggestion = suggestion.unwrap_or_else(|| format!("the columns are {}", column_list(self.columns)));
        Err(self.source.invalid_with(at, format!("there is no column {name:?}"), suggestion))
    }

    fn field(&self, of: Node, field: &str, at: Span) -> Checked<Node> {
        match of.ty.clone() {
            Ty::Struct(fields) => match fields.iter().find(|(name, _)| name == field) {
                Some((_, ty)) => Ok(Node::new(Kind::Field(Box::new(of), field.to_owned()), ty.clone(), at)),
                None => {
                    let near = nearest(field, fields.iter().map(|(name, _)| name.as_str()));
                    let known: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
                    let suggestion =
                        did_you_mean(&near).unwrap_or_else(|| format!("the fields are {}", known.join(", ")));
                    Err(self.source.invalid_with(at, format!("there is no field {field:?}"), suggestion))
                }
            },
            Ty::Map(value) => {
                let key = Node::literal(Lit::String(field.to_owned()), at);
                Ok(Node::new(Kind::Index(Box::new(of), Box::new(key)), *value, at))
            }
            ty => {
                let message = format!("{} has no fields, so .{field} means nothing", a(&ty));
                let suggestion = self
                    .columns
                    .iter()
                    .any(|column| column.name.contains('.'))
                    .then(|| format!("a column whose name has a dot is written {}[\"...\"]", self.row));
                Err(self.source.invalid_with(at, message, suggestion))
            }
        }
    }

    fn list(&mut self, list: &ListExpr, at: Span) -> Checked<Node> {
        let mut items = Vec::with_capacity(list.elements.len());
        let mut ty = Ty::Null;
        for element in &list.elements {
            let item = self.check(element)?;
            ty = ty.unify(&item.ty).ok_or_else(|| {
                let message = format!("a list holds values of one type, not {} beside {}", a(&ty), a(&item.ty));
                self.source.invalid(item.at, message)
            })?;
            items.push(item);
        }
        self.refuse_opaque(&ty, at, "made into a list")?;
        let items = items.into_iter().map(|item| item.convert(&ty)).collect();
        Ok(Node::new(Kind::List(items), Ty::List(Box::new(ty)), at))
    }

    fn call_or_operator(&mut self, call: &CallExpr, at: Span) -> Checked<Node> {
        let binary = match call.func_name.as_str() {
            cel_ops::LOGICAL_AND => Some(BinaryOp::And),
            cel_ops::LOGICAL_OR => Some(BinaryOp::Or),
            cel_ops::EQUALS => Some(BinaryOp::Eq),
            cel_ops::NOT_EQUALS => Some(BinaryOp::Ne),
            cel_ops::LESS => Some(BinaryOp::Lt),
            cel_ops::LESS_EQUALS => Some(BinaryOp::Le),
            cel_ops::GREATER => Some(BinaryOp::Gt),
            cel_ops::GREATER_EQUALS => Some(BinaryOp::Ge),
            cel_ops::ADD => Some(BinaryOp::Add),
            cel_ops::SUBSTRACT => Some(BinaryOp::Sub),
            cel_ops::MULTIPLY => Some(BinaryOp::Mul),
            cel_ops::DIVIDE => Some(BinaryOp::Div),
            cel_ops::MODULO => Some(BinaryOp::Rem),
            _ => None,
        };
        match (binary, call.func_name.as_str(), call.args.as_slice()) {
            (Some(op), _, [a, b]) => {
                let (a, b) = (self.part(a)?, self.part(b)?);
                self.binary(op, a, b, at)
            }
            (_, cel_ops::LOGICAL_NOT, [inner]) => {
                let inner = self.boolean(inner, "!")?;
                Ok(Node::new(Kind::Not(Box::new(inner)), Ty::Bool, at))
            }
            (_, cel_ops::NEGATE, [inner]) => {
                let inner = self.check(inner)?;
                self.negate(inner, at)
            }
            (_, cel_ops::IN, [needle, within]) => {
                let (needle, within) = (self.check(needle)?, self.part(within)?);
                self.contains(needle, within, at)
            }
            (_, cel_ops::INDEX, [of, index]) => self.index(of, index, at),
            (_, cel_ops::CONDITIONAL, [condition, yes, no]) => {
                let condition = self.boolean(condition, "? :")?;
                let (yes, no) = (self.check(yes)?, self.check(no)?);
                let Some(ty) = yes.ty.unify(&no.ty) else {
                    let message = format!("both results of ? : have one type, not {} and {}", a(&yes.ty), a(&no.ty));
                    return Err(self.source.invalid(no.at, message));
                };
                let (yes, no) = (Box::new(yes.convert(&ty)), Box::new(no.convert(&ty)));
                Ok(Node::new(Kind::Conditional(Box::new(condition), yes, no), ty, at))
            }
            _ => self.call(call, at),
        }
    }

    /// Checks an expression that must be true or false.
    pub(super) fn boolean(&mut self, expr: &IdedExpr, wanted_by: &str) -> Checked<Node> {
        let node = self.check(expr)?;
        self.require_bool(node, wanted_by)
    }

    pub(super) fn require_bool(&self, node: Node, wanted_by: &str) -> Checked<Node> {
        if node.ty == Ty::Bool {
            return Ok(node);
        }
        let suggestion = match node.ty {
            Ty::Int => Some("compare it, for example with != 0".to_owned()),
            Ty::String => Some("compare it with a text in quotation marks".to_owned()),
            Ty::Null => Some("compare with == null to find missing values".to_owned()),
            _ => None,
        };
        let message = format!("{wanted_by} needs true or false, but this is {}", a(&node.ty));
        Err(self.source.invalid_with(node.at, message, suggestion))
    }

    fn index(&mut self, of: &IdedExpr, index: &IdedExpr, at: Span) -> Checked<Node> {
        let text = text_literal(index);
        if self.is_row(of) {
            let index_at = self.source.span(index);
            return match text {
                Some(name) => self.column_named(name, index_at),
                None => Err(self.source.invalid_with(
                    index_at,
                    "a column is named by a text",
                    format!("write {}[\"name\"]", self.row),
                )),
            };
        }
        let of = self.part(of)?;
        let index_at = self.source.span(index);
        if let (Ty::Struct(_), Some(name)) = (&of.ty, text) {
            return self.field(of, name, index_at);
        }
        let index = self.check(index)?;
        match (&of.ty, &index.ty) {
            (Ty::List(item), Ty::Int) => {
                let ty = (**item).clone();
                Ok(Node::new(Kind::Index(Box::new(of), Box::new(index)), ty, at))
            }
            (Ty::Map(value), Ty::String) => {
                let ty = (**value).clone();
                Ok(Node::new(Kind::Index(Box::new(of), Box::new(index)), ty, at))
            }
            (Ty::List(_), other) => {
                Err(self.source.invalid(index_at, format!("a list is indexed by an int, not by {}", a(other))))
            }
            (Ty::Map(_) | Ty::Struct(_), other) => {
                Err(self.source.invalid(index_at, format!("a key is a text, not {}", a(other))))
            }
            (ty, _) => Err(self.source.invalid(at, format!("{} cannot be indexed", a(ty)))),
        }
    }
}

/// A type with its article.
pub(super) fn a(ty: &Ty) -> String {
    match ty {
        Ty::Int => format!("an {ty}"),
        Ty::Null | Ty::Bytes => ty.to_string(),
        Ty::Opaque(_) => format!("a value of type {ty}"),
        _ => format!("a {ty}"),
    }
}

/// Columns that a message lists at most.
const LISTED: usize = 30;

fn column_list(columns: &[Column]) -> String {
    let mut names: Vec<&str> = columns.iter().take(LISTED).map(|column| column.name.as_str()).collect();
    let more = format!("and {} more", columns.len().saturating_sub(LISTED));
    if columns.len() > LISTED {
        names.push(&more);
    }
    names.join(", ")
}
