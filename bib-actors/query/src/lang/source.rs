//! The text of an expression and places in it. Owns positions; every message about an expression is made here.

use cel::common::ast::{CallExpr, Expr, IdedExpr, SourceInfo};

use crate::error::InvalidExpression;

/// A range of bytes in the expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The text, and where each node of its syntax tree stands.
pub(crate) struct Source {
    text: String,
    info: SourceInfo,
}

/// What a checker returns when it refuses.
pub(crate) type Checked<T> = Result<T, Box<InvalidExpression>>;

impl Source {
    pub(crate) fn new(text: &str, info: SourceInfo) -> Self {
        Self { text: text.to_owned(), info }
    }

    /// The token that stands for a node: a name for a field or a call, the sign for an operator.
    pub(crate) fn span(&self, expr: &IdedExpr) -> Span {
        let token = self.token(expr.id);
        match &expr.expr {
            Expr::Select(select) if !select.test => self.after(token, &select.field),
            Expr::Call(CallExpr { func_name, .. }) if is_name(func_name) => self.before(token, func_name),
            _ => token,
        }
    }

    fn token(&self, id: u64) -> Span {
        let Some((start, stop)) = self.info.offset_for(id) else { return Span::default() };
        let start = self.boundary(start as usize);
        // `stop` is where the last character begins
        let last = self.boundary(stop as usize).max(start);
        let end = last + self.text[last..].chars().next().map_or(0, char::len_utf8);
        Span { start, end }
    }

    fn boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// `name`, when nothing but blanks stands between it and the token before it.
    fn after(&self, token: Span, name: &str) -> Span {
        let rest = &self.text[token.end..];
        let start = token.end + (rest.len() - rest.trim_start().len());
        if self.text[start..].starts_with(name) { Span { start, end: start + name.len() } } else { token }
    }

    /// `name`, when nothing but blanks stands between it and the token after it.
    fn before(&self, token: Span, name: &str) -> Span {
        let rest = self.text[..token.start].trim_end();
        if rest.ends_with(name) { Span { start: rest.len() - name.len(), end: rest.len() } } else { token }
    }

    /// A refusal at a place.
    pub(crate) fn invalid(&self, at: Span, message: impl Into<String>) -> Box<InvalidExpression> {
        Box::new(place(&self.text, at, message.into(), None))
    }

    /// A refusal at a place, with a way out.
    pub(crate) fn invalid_with(
        &self,
        at: Span,
        message: impl Into<String>,
        suggestion: impl Into<Option<String>>,
    ) -> Box<InvalidExpression> {
        Box::new(place(&self.text, at, message.into(), suggestion.into()))
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !name.contains(['[', '?', '+', '*', '%', '&'])
        && !matches!(name, "_-_" | "_/_" | "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_" | "_||_")
}

/// Turns a range of bytes into line, column and source line.
pub(crate) fn place(text: &str, at: Span, message: String, suggestion: Option<String>) -> InvalidExpression {
    let start = at.start.min(text.len());
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    let end = at.end.clamp(start, line_end);
    InvalidExpression {
        message,
        line: text[..line_start].matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        width: text[start..end].chars().count().max(1),
        source_line: text[line_start..line_end].trim_end_matches('\r').to_owned(),
        suggestion,
    }
}
