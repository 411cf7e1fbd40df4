//! Splits a query into its source and its steps. Owns the outer form `dataset(...).step(...).step(...)`; what the
//! steps mean is checked in `stages.rs`, once the columns are known.

use bib_domain::DatasetRef;
use cel::common::ast::{Expr, IdedExpr, LiteralValue};

use super::source::{Checked, Source, Span};
use super::suggest::{did_you_mean, nearest};
use super::syntax::parse_tree;
use crate::error::QueryError;
use crate::options::QueryOptions;

/// The names of the steps.
pub(super) const STEPS: [&str; 9] =
    ["filter", "map", "select", "aggregate", "sort", "limit", "offset", "count", "distinct"];

/// A query whose outer form is right.
pub(crate) struct RawQuery {
    pub(crate) source: Source,
    pub(crate) dataset: DatasetRef,
    pub(crate) version: Option<String>,
    pub(crate) file: Option<String>,
    /// The place of `dataset(...)`.
    pub(crate) at: Span,
    /// The place of the file's name.
    pub(crate) file_at: Span,
    pub(super) steps: Vec<RawStep>,
}

impl RawQuery {
    /// Whether the rows are those of the table as it is.
    pub(crate) fn is_whole_table(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether the rows must be read in the order of the file: no step looks at all of them first, or a limit or an
    /// offset keeps some of them before.
    pub(crate) fn needs_order(&self) -> bool {
        self.names().find(|name| *name == "sort" || is_cut(name) || makes_rows(name)).is_none_or(is_cut)
    }

    /// Whether which rows there are depends on their order somewhere.
    pub(crate) fn cuts(&self) -> bool {
        self.names().any(is_cut)
    }

    /// Whether it cuts rows that a step before has made: which ones these are does not depend on the order of the file.
    pub(crate) fn cuts_new_rows(&self) -> bool {
        self.names().find(|name| is_cut(name) || makes_rows(name)).is_some_and(makes_rows) && self.cuts()
    }

    /// Whether there are as many rows whichever ones a limit keeps, and an offset leaves out.
    pub(crate) fn cuts_by_number(&self) -> bool {
        let mut behind = self.names().skip_while(|name| !is_cut(name));
        behind.all(|name| is_cut(name) || matches!(name, "map" | "select" | "sort"))
    }

    /// Whether a step looks at all rows that a limit or an offset has kept.
    pub(crate) fn looks_at_cut(&self) -> bool {
        self.names().skip_while(|name| !is_cut(name)).any(|name| name == "sort" || makes_rows(name))
    }

    /// Whether its result is rows of the table, not what was reckoned over many of them.
    pub(crate) fn gives_rows(&self) -> bool {
        !self.names().any(makes_rows)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.name.as_str())
    }
}

/// Whether what comes out of a step is no rows of the table.
fn makes_rows(name: &str) -> bool {
    matches!(name, "aggregate" | "count" | "distinct")
}

/// Whether a step keeps rows by their place in the order.
fn is_cut(name: &str) -> bool {
    matches!(name, "limit" | "offset")
}

/// `.name(args)`.
pub(super) struct RawStep {
    pub(super) name: String,
    pub(super) at: Span,
    pub(super) args: Vec<IdedExpr>,
}

/// Parses a query as far as it can be without the dataset's columns.
pub(crate) fn parse(text: &str, options: &QueryOptions) -> Result<RawQuery, QueryError> {
    let (source, tree) = parse_tree(text, options)?;
    Ok(split(source, tree)?)
}

fn split(source: Source, tree: IdedExpr) -> Checked<RawQuery> {
    let mut steps = Vec::new();
    let mut rest = tree;
    loop {
        let at = source.span(&rest);
        match rest.expr {
            Expr::Call(call) if call.target.is_none() && call.func_name == "dataset" => {
                steps.reverse();
                return source_of(source, at, &call.args, steps);
            }
            Expr::Call(mut call) if call.target.is_some() => {
                let Some(target) = call.target.take() else { return Err(no_dataset(&source, at)) };
                check_step_name(&source, at, &call.func_name, &target)?;
                let name = if call.func_name == "order_by" { "sort".to_owned() } else { call.func_name };
                steps.push(RawStep { name, at, args: call.args });
                rest = *target;
            }
            _ => return Err(no_dataset(&source, at)),
        }
    }
}

fn no_dataset(source: &Source, at: Span) -> Box<crate::error::InvalidExpression> {
    source.invalid_with(
        at,
        "a query begins with the dataset that it reads",
        "write dataset(\"topic/name\").filter(r, ...)".to_owned(),
    )
}

fn check_step_name(source: &Source, at: Span, name: &str, target: &IdedExpr) -> Checked<()> {
    if STEPS.contains(&name) || name == "order_by" {
        return Ok(());
    }
    if !begins_with_dataset(target) {
        return Err(no_dataset(source, at));
    }
    let other = match name {
        "where" => Some("filter"),
        "group_by" | "groupby" | "group" | "summarize" | "summarise" => Some("aggregate"),
        "orderby" | "orderBy" | "arrange" => Some("sort"),
        "head" | "take" | "first" => Some("limit"),
        "skip" => Some("offset"),
        "unique" => Some("distinct"),
        "project" | "mutate" => Some("map"),
        _ => None,
    };
    let suggestion = match other {
        Some(step) => Some(format!("did you mean {step}?")),
        None => did_you_mean(&nearest(name, STEPS)),
    };
    let suggestion = suggestion.unwrap_or_else(|| format!("the steps are {}", STEPS.join(", ")));
    Err(source.invalid_with(at, format!("{name:?} is not a step of a query"), suggestion))
}

fn begins_with_dataset(expr: &IdedExpr) -> bool {
    let mut expr = expr;
    loop {
        match &expr.expr {
            Expr::Call(call) => match &call.target {
                Some(target) => expr = target,
                None => return call.func_name == "dataset",
            },
            Expr::Select(select) => expr = &select.operand,
            _ => return false,
        }
    }
}

fn source_of(source: Source, at: Span, args: &[IdedExpr], steps: Vec<RawStep>) -> Checked<RawQuery> {
    let usage =
        "write dataset(\"topic/name\"), dataset(\"topic/name@VERSION\") or dataset(\"topic/name\", \"file.csv\")";
    let (name, file) = match args {
        [name] => (name, None),
        [name, file] => (name, Some(file)),
        _ => {
            let message = format!("dataset() takes one or two texts, not {} values", args.len());
            return Err(source.invalid_with(at, message, usage.to_owned()));
        }
    };
    let name_at = source.span(name);
    let Some(text) = text_literal(name) else {
        return Err(source.invalid_with(name_at, "the dataset is named by a text", usage.to_owned()));
    };
    let (path, version) = match text.split_once('@') {
        Some((path, version)) => (path, Some(version.to_owned())),
        None => (text, None),
    };
    if version.as_deref() == Some("") {
        let suggestion = "write a number or the first digits of a version's id after @, or leave @ out";
        return Err(source.invalid_with(name_at, "the version after @ is empty", suggestion.to_owned()));
    }
    let dataset: DatasetRef = match path.parse() {
        Ok(dataset) => dataset,
        Err(why) => return Err(source.invalid(name_at, why.to_string())),
    };
    let (file, file_at) = match file {
        None => (None, at),
        Some(file) => match text_literal(file) {
            Some(text) => (Some(text.to_owned()), source.span(file)),
            None => {
                return Err(source.invalid_with(source.span(file), "the file is named by a text", usage.to_owned()));
            }
        },
    };
    Ok(RawQuery { source, dataset, version, file, at, file_at, steps })
}

/// The text of a literal.
pub(super) fn text_literal(expr: &IdedExpr) -> Option<&str> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
