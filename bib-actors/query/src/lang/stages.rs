//! Checks the steps of a query, one after the other: each step's columns are the next one's input. Owns what each
//! step takes and gives.

use cel::common::ast::{Expr, IdedExpr, LiteralValue};

use super::check::{Checker, a};
use super::functions::Aggregate;
use super::ir::{Kind, Lit, Node};
use super::pipeline::{RawQuery, RawStep, text_literal};
use super::source::{Checked, Source, Span};
use super::syntax::map_entry;
use super::types::{Column, Ty};

/// A step whose names and types are right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CheckedStage {
    Filter(Node),
    Map(Vec<NamedNode>),
    Aggregate {
        keys: Vec<NamedNode>,
        calls: Vec<AggregateCall>,
        /// Expressions over the calls.
        outputs: Vec<NamedNode>,
    },
    Sort(Vec<SortKey>),
    Limit(u64),
    Offset(u64),
    Count,
    Distinct,
}

/// A value with the name of its column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NamedNode {
    pub(crate) name: String,
    pub(crate) node: Node,
}

/// One aggregate over the rows of a group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AggregateCall {
    pub(crate) function: Aggregate,
    pub(crate) argument: Option<Node>,
    pub(crate) ty: Ty,
}

impl AggregateCall {
    /// Whether both compute the same; the place in the text does not matter.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let text =
            |call: &Self| call.argument.as_ref().map(|node| super::print::print(node, super::Style::Interpreter));
        self.function == other.function && text(self) == text(other)
    }
}

/// What to sort by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SortKey {
    pub(crate) node: Node,
    pub(crate) descending: bool,
}

/// Checks all steps against the table's columns; gives the steps and the columns of the result.
pub(crate) fn check_stages(query: &RawQuery, columns: Vec<Column>) -> Checked<(Vec<CheckedStage>, Vec<Column>)> {
    let mut columns = columns;
    let mut stages = Vec::with_capacity(query.steps.len());
    for step in &query.steps {
        let stage = check_step(&query.source, step, &columns)?;
        columns = stage.output(&columns);
        stages.push(stage);
    }
    Ok((stages, columns))
}

impl CheckedStage {
    /// The columns behind the step, when these are before it.
    pub(crate) fn output(&self, input: &[Column]) -> Vec<Column> {
        let column = |named: &NamedNode| match &named.node.kind {
            // a plain column keeps the type it has in the data
            Kind::Column(index, _) => Column { name: named.name.clone(), ..input[*index].clone() },
            _ => Column::computed(&named.name, &named.node.ty),
        };
        match self {
            Self::Map(outputs) => outputs.iter().map(column).collect(),
            Self::Aggregate { keys, outputs, .. } => {
                let computed = outputs.iter().map(|named| Column::computed(&named.name, &named.node.ty));
                let key = |named: &NamedNode| match named.node.ty {
                    Ty::Double => Column::computed(&named.name, &Ty::Double),
                    _ => column(named),
                };
                keys.iter().map(key).chain(computed).collect()
            }
            Self::Count => vec![Column::computed("count", &Ty::Int)],
            _ => input.to_vec(),
        }
    }
}

/// Whether a step gives a column this name.
pub(crate) fn names_column(stages: &[CheckedStage], name: &str) -> bool {
    stages.iter().any(|stage| match stage {
        CheckedStage::Map(outputs) => outputs.iter().any(|output| output.name == name),
        CheckedStage::Aggregate { keys, outputs, .. } => keys.iter().chain(outputs).any(|output| output.name == name),
        _ => false,
    })
}

fn check_step(source: &Source, step: &RawStep, columns: &[Column]) -> Checked<CheckedStage> {
    let wrong = |usage: &str| {
        let given = step.args.len();
        let message = format!("{} does not take {given} value{}", step.name, if given == 1 { "" } else { "s" });
        source.invalid_with(step.at, message, format!("write {usage}"))
    };
    match (step.name.as_str(), step.args.as_slice()) {
        ("filter", [row, condition]) => {
            let mut checker = checker(source, columns, row, "filter")?;
            Ok(CheckedStage::Filter(checker.boolean(condition, "filter")?))
        }
        ("filter", _) => Err(wrong(".filter(r, condition), for example .filter(r, r.delay > 60)")),
        ("map", [row, value]) => map(source, columns, row, value),
        ("map", _) => Err(wrong(".map(r, {\"name\": value}), for example .map(r, {\"delay\": r.dep_delay})")),
        ("select", names) if !names.is_empty() => select(source, columns, names),
        ("select", _) => Err(wrong(".select(\"column\", \"column\")")),
        ("aggregate", [row, keys, outputs]) => aggregate(source, columns, row, keys, outputs),
        ("aggregate", _) => Err(wrong(
            ".aggregate(r, {keys}, {values}), for example .aggregate(r, {\"origin\": r.origin}, {\"n\": count()})",
        )),
        ("sort", [row, keys @ ..]) if !keys.is_empty() => sort(source, columns, row, keys),
        ("sort", _) => Err(wrong(".sort(r, r.column) or .sort(r, r.column, \"desc\")")),
        ("limit", [count]) => Ok(CheckedStage::Limit(number(source, count, "limit")?)),
        ("limit", _) => Err(wrong(".limit(10)")),
        ("offset", [count]) => Ok(CheckedStage::Offset(number(source, count, "offset")?)),
        ("offset", _) => Err(wrong(".offset(10)")),
        ("count", []) => Ok(CheckedStage::Count),
        ("count", _) => Err(wrong(".count() without a value; count rows by group with .aggregate()")),
        ("distinct", []) => match columns.iter().find(|c| c.ty.is_nested() || matches!(c.ty, Ty::Opaque(_))) {
            Some(column) => {
                let message = format!("distinct cannot compare the column {:?}, {}", column.name, a(&column.ty));
                let suggestion = "leave the column out first: .select(\"...\").distinct()".to_owned();
                Err(source.invalid_with(step.at, message, suggestion))
            }
            None => Ok(CheckedStage::Distinct),
        },
        ("distinct", _) => Err(wrong(".distinct() without a value; choose columns with .select() before it")),
        (name, _) => Err(source.invalid(step.at, format!("{name:?} is not a step of a query"))),
    }
}

/// A checker for a step whose first value names the row.
fn checker<'a>(source: &'a Source, columns: &'a [Column], row: &'a IdedExpr, step: &str) -> Checked<Checker<'a>> {
    match &row.expr {
        Expr::Ident(name) if name != "math" => {
            Ok(Checker { source, columns, row: name, locals: Vec::new(), aggregates: None })
        }
        _ => Err(source.invalid_with(
            source.span(row),
            format!("the first value of {step} is a name for the row"),
            format!("write .{step}(r, ...) and then r.column"),
        )),
    }
}

fn map(source: &Source, columns: &[Column], row: &IdedExpr, value: &IdedExpr) -> Checked<CheckedStage> {
    let mut checker = checker(source, columns, row, "map")?;
    if matches!(value.expr, Expr::Map(_)) {
        let outputs = named(&mut checker, value, "map")?;
        if outputs.is_empty() {
            return Err(source.invalid(source.span(value), "map needs at least one value"));
        }
        return Ok(CheckedStage::Map(outputs));
    }
    let node = checker.check(value)?;
    refuse_null(source, &node)?;
    let name = match &node.kind {
        Kind::Column(_, name) | Kind::Field(_, name) => name.clone(),
        _ => "value".to_owned(),
    };
    Ok(CheckedStage::Map(vec![NamedNode { name, node }]))
}

/// `{"name": value, ...}`
fn named(checker: &mut Checker<'_>, expr: &IdedExpr, step: &str) -> Checked<Vec<NamedNode>> {
    let source = checker.source;
    let Expr::Map(map) = &expr.expr else {
        let suggestion = "write {\"name\": value}, or {} for none".to_owned();
        return Err(source.invalid_with(source.span(expr), format!("{step} takes a map here"), suggestion));
    };
    let mut outputs: Vec<NamedNode> = Vec::with_capacity(map.entries.len());
    for (key, value) in map.entries.iter().filter_map(|entry| map_entry(&entry.expr)) {
        let key_at = source.span(key);
        let Some(name) = text_literal(key) else {
            let suggestion = match &key.expr {
                Expr::Ident(name) => Some(format!("write \"{name}\": ...")),
                _ => None,
            };
            return Err(source.invalid_with(key_at, "the name of a column is a text", suggestion));
        };
        if name.is_empty() {
            return Err(source.invalid(key_at, "the name of a column cannot be empty"));
        }
        if outputs.iter().any(|output| output.name == name) {
            return Err(source.invalid(key_at, format!("the name {name:?} is given twice")));
        }
        let node = checker.check(value)?;
        refuse_null(source, &node)?;
        outputs.push(NamedNode { name: name.to_owned(), node });
    }
    Ok(outputs)
}

fn refuse_null(source: &Source, node: &Node) -> Checked<()> {
    let untyped = matches!(node.kind, Kind::Literal(Lit::Null)) || node.ty == Ty::List(Box::new(Ty::Null));
    if untyped {
        return Err(source.invalid(node.at, "a column needs a type, and null or an empty list alone has none"));
    }
    Ok(())
}

fn select(source: &Source, columns: &[Column], names: &[IdedExpr]) -> Checked<CheckedStage> {
    let checker = Checker { source, columns, row: "r", locals: Vec::new(), aggregates: None };
    let mut outputs: Vec<NamedNode> = Vec::with_capacity(names.len());
    for expr in names {
        let at = source.span(expr);
        let Some(name) = text_literal(expr) else {
            let suggestion = "write .select(\"column\"); computed values are made by .map(r, {...})".to_owned();
            return Err(source.invalid_with(at, "select takes the names of columns as texts", suggestion));
        };
        if outputs.iter().any(|output| output.name == name) {
            return Err(source.invalid(at, format!("the column {name:?} is selected twice")));
        }
        let node = checker.column_named(name, at)?;
        outputs.push(NamedNode { name: name.to_owned(), node });
    }
    Ok(CheckedStage::Map(outputs))
}

fn aggregate(
    source: &Source,
    columns: &[Column],
    row: &IdedExpr,
    keys: &IdedExpr,
    outputs: &IdedExpr,
) -> Checked<CheckedStage> {
    let mut checker = checker(source, columns, row, "aggregate")?;
    let keys = named(&mut checker, keys, "aggregate")?;
    if let Some(key) = keys.iter().find(|key| !key.node.ty.is_ordered()) {
        return Err(source.invalid(key.node.at, format!("rows cannot be grouped by {}", a(&key.node.ty))));
    }
    checker.aggregates = Some(Vec::new());
    let values = named(&mut checker, outputs, "aggregate")?;
    let calls = checker.aggregates.take().unwrap_or_default();
    if keys.is_empty() && values.is_empty() {
        let suggestion = "write {\"n\": count()} as the last map".to_owned();
        return Err(source.invalid_with(source.span(outputs), "aggregate has nothing to compute", suggestion));
    }
    for value in &values {
        if let Some(twice) = keys.iter().find(|key| key.name == value.name) {
            return Err(source.invalid(value.node.at, format!("the name {:?} is given twice", twice.name)));
        }
        if let Some(loose) = column_outside(&value.node) {
            let column = checker.column_text(&loose.1);
            let message = format!("{column} has many values in a group; an aggregate has to choose or join them");
            let suggestion = format!("write max({column}) or mean({column}), or make it a key of the group");
            return Err(source.invalid_with(loose.0, message, suggestion));
        }
    }
    Ok(CheckedStage::Aggregate { keys, calls, outputs: values })
}

/// A column that is not inside an aggregate.
fn column_outside(node: &Node) -> Option<(Span, String)> {
    match &node.kind {
        Kind::Column(_, name) => Some((node.at, name.clone())),
        _ => node.children().into_iter().find_map(column_outside),
    }
}

fn sort(source: &Source, columns: &[Column], row: &IdedExpr, keys: &[IdedExpr]) -> Checked<CheckedStage> {
    let mut checker = checker(source, columns, row, "sort")?;
    let mut sorted: Vec<SortKey> = Vec::new();
    for key in keys {
        let at = source.span(key);
        if let Some(direction) = text_literal(key) {
            let Some(last) = sorted.last_mut() else {
                return Err(source.invalid(at, "sort takes a value first, then \"asc\" or \"desc\""));
            };
            match direction {
                "asc" => last.descending = false,
                "desc" => last.descending = true,
                other => {
                    let suggestion = match columns.iter().any(|column| column.name == other) {
                        true => Some(format!("write {} for the column", checker.column_text(other))),
                        false => Some("write \"asc\" or \"desc\"".to_owned()),
                    };
                    return Err(source.invalid_with(at, format!("{other:?} is not a direction"), suggestion));
                }
            }
            continue;
        }
        let node = checker.check(key)?;
        if !node.ty.is_ordered() {
            return Err(source.invalid(node.at, format!("rows cannot be sorted by {}", a(&node.ty))));
        }
        sorted.push(SortKey { node, descending: false });
    }
    Ok(CheckedStage::Sort(sorted))
}

fn number(source: &Source, expr: &IdedExpr, step: &str) -> Checked<u64> {
    let value = match &expr.expr {
        Expr::Literal(LiteralValue::Int(i)) => u64::try_from(*i.inner()).ok(),
        Expr::Literal(LiteralValue::UInt(u)) => Some(*u.inner()),
        _ => None,
    };
    let most = u64::try_from(isize::MAX).unwrap_or(u64::MAX);
    value.filter(|n| *n <= most).ok_or_else(|| {
        let message = format!("{step} takes a whole number of rows, 0 or more");
        source.invalid_with(source.span(expr), message, format!("write .{step}(10)"))
    })
}
