//! Text to syntax tree, within bounds. Owns the parser's set-up and the rewording of its messages.
//!
//! CEL's own macros are not expanded: `filter` and `map` on a dataset are steps of a pipeline, and inside an
//! expression the checker reads them itself.

use std::sync::OnceLock;

use cel::Env;
use cel::common::ast::{EntryExpr, Expr, IdedExpr};

use super::measure::{measure, unclosed};
use super::source::{Checked, Source, Span, place};
use crate::error::{LimitKind, QueryError};
use crate::options::QueryOptions;

/// The environment without macros: parsing needs nothing else.
fn env() -> &'static Env {
    static ENV: OnceLock<Env> = OnceLock::new();
    ENV.get_or_init(Env::default)
}

/// Parses `text`.
pub(super) fn parse_tree(text: &str, options: &QueryOptions) -> Result<(Source, IdedExpr), QueryError> {
    let limit = |which, limit: usize| QueryError::Limit { which, limit: limit as u64 };
    if text.len() > options.max_expression_bytes {
        return Err(limit(LimitKind::ExpressionBytes, options.max_expression_bytes));
    }
    let size = measure(text);
    // before the parser runs, because its stack grows with both
    if size.tokens > options.max_expression_nodes {
        return Err(limit(LimitKind::ExpressionNodes, options.max_expression_nodes));
    }
    if size.depth > options.max_expression_depth {
        return Err(limit(LimitKind::ExpressionDepth, options.max_expression_depth));
    }
    if let Some(stray) = size.stray {
        return Err(reword(text, stray, "").into());
    }
    let parsed = on_a_deep_stack(|| env().parser().max_recursion_depth(u16::MAX - 1).parse_with_source_info(text))?;
    let (tree, info) = match parsed {
        Ok(parsed) => parsed,
        Err(errors) => {
            let first = errors.errors.first();
            let (line, column) = first.map_or((1, 1), |e| e.pos);
            let message = first.map_or("", |e| e.msg.as_str());
            return Err(reword(text, offset_of(text, line, column), message).into());
        }
    };
    let source = Source::new(text, info);
    if depth(&tree, options.max_expression_depth) > options.max_expression_depth {
        return Err(limit(LimitKind::ExpressionDepth, options.max_expression_depth));
    }
    refuse_foreign(&source, &tree)?;
    Ok((source, tree))
}

/// Runs the parser on a thread of its own: what it needs to recover from a malformed text of a few hundred words is
/// more than the stack of a usual thread, and an overflow would end the process. Only what is touched is taken.
fn on_a_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, QueryError> {
    const STACK_BYTES: usize = 256 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("bib-parse".to_owned()).stack_size(STACK_BYTES);
        let running = thread
            .spawn_scoped(scope, work)
            .map_err(|error| QueryError::Internal(format!("the system gives no thread for the parser: {error}")))?;
        running.join().map_err(|_| QueryError::Internal("the parser failed on this expression".to_owned()))
    })
}

/// Levels of the tree; stops counting beyond `most`, so that it never recurses far.
fn depth(expr: &IdedExpr, most: usize) -> usize {
    if most == 0 {
        return 1;
    }
    let below = |e: &IdedExpr| depth(e, most - 1);
    let deepest = match &expr.expr {
        Expr::Call(call) => call.target.iter().map(|t| below(t)).chain(call.args.iter().map(below)).max(),
        Expr::Select(select) => Some(below(&select.operand)),
        Expr::List(list) => list.elements.iter().map(below).max(),
        Expr::Map(map) => map.entries.iter().filter_map(|entry| map_entry(&entry.expr)).map(|(_, v)| below(v)).max(),
        _ => None,
    };
    1 + deepest.unwrap_or(0)
}

/// Key and value of a map entry.
pub(super) fn map_entry(entry: &EntryExpr) -> Option<(&IdedExpr, &IdedExpr)> {
    match entry {
        EntryExpr::MapEntry(entry) => Some((&entry.key, &entry.value)),
        EntryExpr::StructField(_) => None,
    }
}

/// Refuses what CEL has and the language has not.
fn refuse_foreign(source: &Source, expr: &IdedExpr) -> Checked<()> {
    match &expr.expr {
        Expr::Struct(_) => Err(source.invalid_with(
            source.span(expr),
            "struct values cannot be written in a query",
            "write a map: {\"name\": value}".to_owned(),
        )),
        Expr::Call(call) => {
            call.target.iter().try_for_each(|t| refuse_foreign(source, t))?;
            call.args.iter().try_for_each(|arg| refuse_foreign(source, arg))
        }
        Expr::Select(select) => refuse_foreign(source, &select.operand),
        Expr::List(list) => list.elements.iter().try_for_each(|item| refuse_foreign(source, item)),
        Expr::Map(map) => map
            .entries
            .iter()
            .filter_map(|entry| map_entry(&entry.expr))
            .try_for_each(|(key, value)| refuse_foreign(source, key).and_then(|()| refuse_foreign(source, value))),
        _ => Ok(()),
    }
}

/// Byte offset of a line and column, both from 1.
fn offset_of(text: &str, line: isize, column: isize) -> usize {
    let line = usize::try_from(line).unwrap_or(1).max(1);
    let column = usize::try_from(column).unwrap_or(1).max(1);
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = &text[start.min(text.len())..];
    start + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at)
}

/// Says in our words what the parser stumbled over, with the usual cause.
fn reword(text: &str, at: usize, message: &str) -> Box<crate::error::InvalidExpression> {
    let rest = &text[at..];
    let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let width = word.len().max(rest.chars().next().map_or(0, char::len_utf8));
    let refuse = |at: Span, message: &str, suggestion: Option<&str>| {
        Box::new(place(text, at, message.to_owned(), suggestion.map(str::to_owned)))
    };
    let here = Span { start: at, end: at + width };
    if text.trim().is_empty() {
        return refuse(here, "the expression is empty", Some("begin with dataset(\"topic/name\")"));
    }
    if let Some(open) = unclosed(text) {
        let what = match text.as_bytes()[open] {
            b'"' | b'\'' => "this text is not closed",
            _ => "this bracket is not closed",
        };
        return refuse(Span { start: open, end: open + 1 }, what, None);
    }
    let before = text[..at].trim_end();
    match word.to_ascii_lowercase().as_str() {
        "and" => return refuse(here, "\"and\" is not an operator", Some("write && for and")),
        "or" => return refuse(here, "\"or\" is not an operator", Some("write || for or")),
        "is" | "like" | "between" => {
            let message = format!("{word:?} is not an operator");
            return refuse(here, &message, Some("compare with ==, !=, <, <=, > and >=; match text with .matches()"));
        }
        _ => {}
    }
    if before.ends_with("not") || word == "not" {
        return refuse(here, "\"not\" is not an operator", Some("write ! for not"));
    }
    if before.ends_with('<') && rest.starts_with('>') {
        let both = Span { start: before.len() - 1, end: at + 1 };
        return refuse(both, "\"<>\" is not an operator", Some("write != for not equal"));
    }
    if rest.starts_with('=') {
        return refuse(here, "a single = is not an operator", Some("write == to compare"));
    }
    if (rest.starts_with('&') && !rest.starts_with("&&")) || (rest.starts_with('|') && !rest.starts_with("||")) {
        return refuse(here, "a single & or | is not an operator", Some("write && for and, || for or"));
    }
    if rest.starts_with(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) {
        return refuse(here, "a typographic quotation mark cannot begin a text", Some("write \" or '"));
    }
    if rest.starts_with('\\') {
        return refuse(
            here,
            "this is not part of an expression",
            Some("quote the whole expression once for the shell"),
        );
    }
    if rest.trim().is_empty() {
        return refuse(here, "the expression ends too early: something is missing here", None);
    }
    if message.contains("reserved identifier") {
        let message = format!("{word:?} is a reserved word");
        let suggestion = format!("write r[\"{word}\"] for a column of this name");
        return refuse(here, &message, Some(&suggestion));
    }
    let what = if word.is_empty() { rest.chars().take(1).collect() } else { word };
    refuse(here, &format!("{what:?} does not fit here"), None)
}
