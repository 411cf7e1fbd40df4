//! Checks calls: functions, macros over lists, `has`, `coalesce` and aggregates. Owns the choice of a signature.

use cel::common::ast::{CallExpr, Expr, IdedExpr};

use super::check::{Checker, Local, a};
use super::functions::{Aggregate, ELSEWHERE, Form, OVERLOADS, Op, Overload};
use super::ir::{BinaryOp, Kind, Lit, MacroCall, MacroKind, Node};
use super::literal::fold;
use super::pipeline::STEPS;
use super::source::{Checked, Span};
use super::stages::AggregateCall;
use super::suggest::{did_you_mean, nearest};
use super::types::Ty;

/// Macros within each other. Each goes over its list once for every item around it, so that more of them end for short
/// lists only.
pub(crate) const MACRO_LEVELS: usize = 3;

/// How often a macro within others may run for one row when their lists are written in the expression: what that costs
/// does not depend on the data, and is paid for every row.
const MAX_TURNS: usize = 100_000;

impl Checker<'_> {
    pub(super) fn call(&mut self, call: &CallExpr, at: Span) -> Checked<Node> {
        let name = call.func_name.as_str();
        match &call.target {
            Some(target) if is_math(target) => {
                let args = self.all(&call.args)?;
                self.function(&format!("math.{name}"), Form::Global, args, at)
            }
            Some(target) => {
                if let Some((_, kind)) = MacroKind::NAMES.iter().find(|(known, _)| *known == name) {
                    return self.macro_call(*kind, target, &call.args, at);
                }
                let mut args = vec![self.part(target)?];
                args.extend(self.all(&call.args)?);
                self.function(name, Form::Member, args, at)
            }
            None if name == "has" => self.has(&call.args, at),
            None if name == "coalesce" => self.coalesce(&call.args, at),
            None if name == "dataset" => {
                Err(self.source.invalid(at, "a query reads one dataset: dataset() cannot stand inside of it"))
            }
            None => match Aggregate::of_name(name) {
                Some(aggregate) => self.aggregate(aggregate, name, &call.args, at),
                None => {
                    let args = self.all(&call.args)?;
                    self.function(name, Form::Global, args, at)
                }
            },
        }
    }

    /// The arguments of a function: of a list or a map it only counts what is in there.
    fn all(&mut self, args: &[IdedExpr]) -> Checked<Vec<Node>> {
        args.iter().map(|arg| self.part(arg)).collect()
    }

    fn has(&mut self, args: &[IdedExpr], at: Span) -> Checked<Node> {
        let [arg] = args else {
            return Err(self.source.invalid(at, format!("has() takes one column or field, not {} values", args.len())));
        };
        let node = self.part(arg)?;
        if !matches!(node.kind, Kind::Column(..) | Kind::Field(..) | Kind::Index(..)) {
            let suggestion = format!("write has({})", self.column_text("column"));
            return Err(self.source.invalid_with(node.at, "has() tests a column or a field", suggestion));
        }
        let test = Node::new(Kind::IsNull(Box::new(self.testable(node)?)), Ty::Bool, at);
        Ok(Node::new(Kind::Not(Box::new(test)), Ty::Bool, at))
    }

    fn coalesce(&mut self, args: &[IdedExpr], at: Span) -> Checked<Node> {
        let nodes = args.iter().map(|arg| self.check(arg)).collect::<Checked<Vec<_>>>()?;
        if nodes.len() < 2 {
            let suggestion = "write coalesce(first, second): the first that is not null".to_owned();
            return Err(self.source.invalid_with(at, "coalesce() needs two values or more", suggestion));
        }
        if !self.locals.is_empty() {
            return Err(self.source.invalid(at, "coalesce() cannot stand inside a macro over a list"));
        }
        let mut ty = Ty::Null;
        for node in &nodes {
            ty = ty.unify(&node.ty).ok_or_else(|| {
                let message = format!("coalesce() takes values of one type, not {} beside {}", a(&ty), a(&node.ty));
                self.source.invalid(node.at, message)
            })?;
        }
        let nodes = nodes.into_iter().map(|node| node.convert(&ty)).collect();
        Ok(Node::new(Kind::Call(Op::Coalesce, nodes), ty, at))
    }

    fn function(&self, name: &str, form: Form, args: Vec<Node>, at: Span) -> Checked<Node> {
        let named: Vec<&Overload> = OVERLOADS.iter().filter(|overload| overload.name == name).collect();
        if named.is_empty() {
            return Err(self.unknown_function(name, form, &args, at));
        }
        if !named.iter().any(|overload| overload.form == form || overload.form == Form::Both) {
            let message = format!("{name} is written {}", usage(named[0]));
            return Err(self.source.invalid(at, message));
        }
        let fits = |overload: &&&Overload, loose: bool| {
            overload.params.len() == args.len()
                && overload.params.iter().zip(&args).all(|(param, arg)| {
                    param.accepts(&arg.ty)
                        || loose && param.ty().is_some_and(|ty| arg.ty != Ty::Null && arg.ty.unify(&ty) == Some(ty))
                })
        };
        let overload = named.iter().find(|o| fits(o, false)).or_else(|| named.iter().find(|o| fits(o, true)));
        let Some(overload) = overload else { return Err(self.no_overload(name, &named, &args, at)) };
        let args: Vec<Node> = overload
            .params
            .iter()
            .zip(args)
            .map(|(param, arg)| match param.ty() {
                Some(ty) => arg.convert(&ty),
                None => arg,
            })
            .collect();
        // the result is always a plain type; only parameters may be "any list"
        let ty = overload.result.ty().unwrap_or(Ty::Null);
        if let (Op::Matches, Kind::Literal(Lit::String(pattern))) = (overload.op, &args[args.len() - 1].kind)
            && let Err(error) = regex::Regex::new(pattern)
        {
            let why = error.to_string().lines().last().unwrap_or_default().replace("error: ", "");
            let message = format!("this is not a regular expression: {why}");
            return Err(self.source.invalid(args[args.len() - 1].at, message));
        }
        fold(self.source, Node::new(Kind::Call(overload.op, args), ty, at))
    }

    fn unknown_function(
        &self,
        name: &str,
        form: Form,
        args: &[Node],
        at: Span,
    ) -> Box<crate::error::InvalidExpression> {
        let plain = name.to_ascii_lowercase();
        let suggestion = if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == plain) {
            Some(format!("did you mean {ours}?"))
        } else if STEPS.contains(&name) {
            Some(format!("{name} is a step: it stands behind dataset(...), not inside another step"))
        } else {
            let macros = MacroKind::NAMES.iter().map(|(name, _)| *name);
            let aggregates = Aggregate::NAMES.iter().map(|(name, _)| *name);
            let known = OVERLOADS.iter().map(|o| o.name).chain(macros).chain(aggregates).chain(["has", "coalesce"]);
            let mut near = nearest(name, known);
            near.dedup();
            did_you_mean(&near)
        };
        let message = match (form, args.first()) {
            (Form::Member, Some(of)) => format!("{} has no function {name:?}", a(&of.ty)),
            _ => format!("there is no function {name:?}"),
        };
        self.source.invalid_with(at, message, suggestion)
    }

    fn no_overload(
        &self,
        name: &str,
        named: &[&Overload],
        args: &[Node],
        at: Span,
    ) -> Box<crate::error::InvalidExpression> {
        let mut uses: Vec<String> = named.iter().map(|overload| usage(overload)).collect();
        uses.dedup();
        let suggestion = format!("it is written {}", uses.join(", "));
        if !named.iter().any(|overload| overload.params.len() == args.len()) {
            let own = usize::from(named.iter().all(|overload| overload.form == Form::Member));
            let given = args.len().saturating_sub(own);
            let message = format!("{name}() does not take {given} value{}", if given == 1 { "" } else { "s" });
            return self.source.invalid_with(at, message, suggestion);
        }
        let wrong = (0..args.len())
            .find(|&i| named.iter().all(|o| o.params.get(i).is_none_or(|param| !param.accepts(&args[i].ty))))
            .unwrap_or(0);
        let message = format!("{name}() does not take {} here", a(&args[wrong].ty));
        self.source.invalid_with(args[wrong].at, message, suggestion)
    }

    fn macro_call(&mut self, kind: MacroKind, target: &IdedExpr, args: &[IdedExpr], at: Span) -> Checked<Node> {
        let name = kind.name();
        let range = self.part(target)?;
        let Ty::List(item) = range.ty.clone() else {
            let message = format!("{name} goes over a list, but this is {}", a(&range.ty));
            return Err(self.source.invalid(range.at, message));
        };
        let (variable, condition, body) = match (kind, args) {
            (_, [variable, body]) => (variable, None, body),
            (MacroKind::Map, [variable, condition, body]) => (variable, Some(condition), body),
            _ => {
                let suggestion = format!("write list.{name}(x, expression with x)");
                return Err(self.source.invalid_with(
                    at,
                    format!("{name} takes a variable and an expression"),
                    suggestion,
                ));
            }
        };
        let Expr::Ident(variable) = &variable.expr else {
            let variable_at = self.source.span(variable);
            return Err(self
                .source
                .invalid(variable_at, format!("the first value of {name} is the name of a variable")));
        };
        if variable == self.row {
            let message = format!("{variable:?} already names the row");
            return Err(self.source.invalid_with(at, message, "choose another name for the variable".to_owned()));
        }
        let turns = self.turns(name, &range, at)?;
        self.locals.push(Local { name: variable.clone(), ty: (*item).clone(), turns });
        let parts = self.macro_parts(kind, condition, body);
        self.locals.pop();
        let (condition, body) = parts?;
        let ty = match kind {
            MacroKind::All | MacroKind::Exists | MacroKind::ExistsOne => Ty::Bool,
            MacroKind::Map => Ty::List(Box::new(body.ty.clone())),
            MacroKind::Filter => Ty::List(item),
        };
        self.refuse_opaque(&ty, body.at, "made into a list")?;
        let call = MacroCall { kind, range, variable: variable.clone(), condition, body };
        Ok(Node::new(Kind::Macro(Box::new(call)), ty, at))
    }

    /// How often the body of a macro over `range` runs, within those around it.
    fn turns(&self, name: &str, range: &Node, at: Span) -> Checked<usize> {
        if self.locals.len() == MACRO_LEVELS {
            let message =
                format!("{name} stands within {MACRO_LEVELS} other macros, and no more than {MACRO_LEVELS} fit");
            let suggestion = "make a column of the inner part first: .map(r, {\"name\": ...})".to_owned();
            return Err(self.source.invalid_with(at, message, suggestion));
        }
        let around = self.locals.last().map_or(1, |local| local.turns);
        let turns = around.saturating_mul(written(range));
        if turns > MAX_TURNS {
            let message = format!("{name} would run {turns} times for each row, and at most {MAX_TURNS} are allowed");
            let suggestion = "shorten the lists that are written here".to_owned();
            return Err(self.source.invalid_with(at, message, suggestion));
        }
        Ok(turns)
    }

    fn macro_parts(
        &mut self,
        kind: MacroKind,
        condition: Option<&IdedExpr>,
        body: &IdedExpr,
    ) -> Checked<(Option<Node>, Node)> {
        let condition = condition.map(|condition| self.boolean(condition, "map")).transpose()?;
        let body = match kind {
            MacroKind::Map => self.check(body)?,
            _ => self.boolean(body, kind.name())?,
        };
        Ok((condition, body))
    }

    fn aggregate(&mut self, aggregate: Aggregate, name: &str, args: &[IdedExpr], at: Span) -> Checked<Node> {
        let Some(outer) = self.aggregates.take() else {
            let suggestion = match name {
                "min" => "for the smaller of two values write math.least(a, b)".to_owned(),
                "max" => "for the greater of two values write math.greatest(a, b)".to_owned(),
                _ => format!("write .aggregate(r, {{keys}}, {{\"{name}\": {name}(...)}})"),
            };
            let message = format!("{name}() goes over many rows, so it stands in the last part of .aggregate() only");
            return Err(self.source.invalid_with(at, message, suggestion));
        };
        // inside of an aggregate there are no aggregates
        let argument = match args {
            [] => Ok(None),
            [arg] => self.check(arg).map(Some),
            _ => Err(self.source.invalid(at, format!("{name}() takes one value, not {}", args.len()))),
        };
        self.aggregates = Some(outer);
        let argument = argument?;
        if argument.is_none() && aggregate != Aggregate::Count {
            let suggestion = format!("write {name}({})", self.column_text("column"));
            return Err(self.source.invalid_with(at, format!("{name}() needs a value"), suggestion));
        }
        let ty = aggregate.result(argument.as_ref().map(|node| &node.ty)).map_err(|wanted| {
            let place = argument.as_ref().map_or(at, |node| node.at);
            let given = argument.as_ref().map_or_else(String::new, |node| a(&node.ty));
            self.source.invalid(place, format!("{name}() needs {wanted}, but this is {given}"))
        })?;
        let call = AggregateCall { function: aggregate, argument, ty: ty.clone() };
        let calls = self.aggregates.get_or_insert_default();
        let index = calls.iter().position(|known| known.same_as(&call)).unwrap_or_else(|| {
            calls.push(call);
            calls.len() - 1
        });
        Ok(Node::new(Kind::Aggregate(index), ty, at))
    }
}

/// Items of a list that is written in the expression; one for any other, of which nothing is known.
fn written(range: &Node) -> usize {
    match &range.kind {
        Kind::List(items) => items.len().max(1),
        Kind::Binary(BinaryOp::Add, a, b) => written(a).saturating_add(written(b)),
        Kind::Conditional(_, yes, no) => written(yes).max(written(no)),
        Kind::Convert(of) => written(of),
        Kind::Macro(call) => written(&call.range),
        _ => 1,
    }
}

fn is_math(target: &IdedExpr) -> bool {
    matches!(&target.expr, Expr::Ident(name) if name == "math")
}

/// `x.startsWith(string)`
fn usage(overload: &Overload) -> String {
    let names: Vec<&str> = overload.params.iter().map(|param| param.name()).collect();
    match (overload.form, names.as_slice()) {
        (Form::Member, [own, rest @ ..]) => format!("{own}.{}({})", overload.name, rest.join(", ")),
        _ => format!("{}({})", overload.name, names.join(", ")),
    }
}
