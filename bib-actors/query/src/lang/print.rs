//! A checked expression as text: for people, or for the row interpreter. Pure.

use super::functions::Op;
use super::ir::{BinaryOp, Kind, Lit, Node};
use super::types::Ty;

/// For whom an expression is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As a user would write it, with `r` for the row.
    People,
    /// For the interpreter: columns are variables `c0`, `c1` and so on by position, variables of macros have a prefix
    /// that keeps them from being one of these, comparisons are the functions of `row/library.rs`, conversions are
    /// written out.
    Interpreter,
}

/// Prints `node`.
pub(crate) fn print(node: &Node, style: Style) -> String {
    let mut out = String::new();
    write(node, style, &mut out);
    out
}

fn write(node: &Node, style: Style, out: &mut String) {
    match &node.kind {
        Kind::Literal(lit) => literal(lit, style, out),
        Kind::Column(index, name) => match style {
            Style::People if is_identifier(name) => out.push_str(&format!("r.{name}")),
            Style::People => out.push_str(&format!("r[{}]", quote(name))),
            Style::Interpreter => out.push_str(&format!("c{index}")),
        },
        Kind::Local(name) => local(name, style, out),
        Kind::Field(of, name) => {
            write(of, style, out);
            if is_identifier(name) {
                out.push_str(&format!(".{name}"));
            } else {
                out.push_str(&format!("[{}]", quote(name)));
            }
        }
        Kind::Not(inner) => {
            // `x != null` is kept as Not(IsNull(x))
            if let (Style::People, Kind::IsNull(of)) = (style, &inner.kind) {
                operand(of, style, out);
                out.push_str(" != null");
            } else {
                out.push('!');
                operand(inner, style, out);
            }
        }
        Kind::Negate(inner) => {
            out.push('-');
            operand(inner, style, out);
        }
        Kind::Binary(op, a, b) => binary(*op, a, b, style, out),
        Kind::Conditional(condition, yes, no) => {
            operand(condition, style, out);
            out.push_str(" ? ");
            operand(yes, style, out);
            out.push_str(" : ");
            operand(no, style, out);
        }
        Kind::IsNull(inner) => {
            operand(inner, style, out);
            out.push_str(" == null");
        }
        Kind::InList(needle, items) if style == Style::Interpreter && !items.iter().all(is_settled) => {
            // an item that has no answer must not hide one that is equal
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "(" } else { " || " });
                binary(BinaryOp::Eq, needle, item, style, out);
            }
            out.push(')');
        }
        Kind::InList(needle, items) if style == Style::Interpreter => {
            out.push_str("bib_in(");
            write(needle, style, out);
            out.push_str(", ");
            list(items, style, out);
            out.push(')');
        }
        Kind::InList(needle, items) => {
            operand(needle, style, out);
            out.push_str(" in ");
            list(items, style, out);
        }
        Kind::Contains(needle, within) if style == Style::Interpreter => {
            out.push_str("bib_in(");
            write(needle, style, out);
            out.push_str(", ");
            write(within, style, out);
            out.push(')');
        }
        Kind::Contains(needle, within) => {
            operand(needle, style, out);
            out.push_str(" in ");
            operand(within, style, out);
        }
        Kind::Call(op, args) => call(*op, args, style, out),
        Kind::Convert(inner) => convert(inner, &node.ty, style, out),
        Kind::List(items) => list(items, style, out),
        Kind::Index(of, at) => {
            operand(of, style, out);
            out.push('[');
            write(at, style, out);
            out.push(']');
        }
        Kind::Macro(call) => {
            operand(&call.range, style, out);
            out.push_str(&format!(".{}(", call.kind.name()));
            local(&call.variable, style, out);
            out.push_str(", ");
            if let Some(condition) = &call.condition {
                write(condition, style, out);
                out.push_str(", ");
            }
            write(&call.body, style, out);
            out.push(')');
        }
        Kind::Aggregate(index) => out.push_str(&format!("a{index}")),
    }
}

/// The variable of a macro.
fn local(name: &str, style: Style, out: &mut String) {
    if style == Style::Interpreter {
        out.push_str("v_");
    }
    out.push_str(name);
}

/// Whether a node always has an answer, if only null.
fn is_settled(node: &Node) -> bool {
    matches!(node.kind, Kind::Literal(_) | Kind::Column(..) | Kind::Local(_))
}

fn binary(op: BinaryOp, a: &Node, b: &Node, style: Style, out: &mut String) {
    let function = match (style, op) {
        (Style::Interpreter, BinaryOp::Eq) => "bib_eq",
        (Style::Interpreter, BinaryOp::Ne) => "bib_ne",
        (Style::Interpreter, BinaryOp::Lt) => "bib_lt",
        (Style::Interpreter, BinaryOp::Le) => "bib_le",
        (Style::Interpreter, BinaryOp::Gt) => "bib_gt",
        (Style::Interpreter, BinaryOp::Ge) => "bib_ge",
        _ => {
            operand(a, style, out);
            out.push_str(&format!(" {} ", op.symbol()));
            operand(b, style, out);
            return;
        }
    };
    out.push_str(function);
    out.push('(');
    write(a, style, out);
    out.push_str(", ");
    write(b, style, out);
    out.push(')');
}

fn call(op: Op, args: &[Node], style: Style, out: &mut String) {
    let name = match (style, op) {
        (Style::Interpreter, Op::ToDate) => "bib_date",
        (Style::Interpreter, Op::ToTimestamp) => "bib_timestamp",
        (Style::Interpreter, Op::ToText) if args.first().is_some_and(|arg| arg.ty == Ty::Date) => "bib_day",
        (Style::Interpreter, Op::ToText) => "bib_string",
        (Style::Interpreter, Op::ToBool) => "bib_bool",
        (Style::Interpreter, Op::ToDuration) => "bib_duration",
        (Style::Interpreter, Op::Pow) => "bib_pow",
        (Style::Interpreter, Op::Exp) => "bib_exp",
        (Style::Interpreter, Op::Ln) => "bib_ln",
        (Style::Interpreter, Op::Log10) => "bib_log10",
        (Style::Interpreter, Op::Greatest) => "bib_greatest",
        (Style::Interpreter, Op::Least) => "bib_least",
        _ => op.name(),
    };
    let mut rest = args;
    if let (true, [first, others @ ..]) = (op.is_member(), args) {
        operand(first, style, out);
        out.push('.');
        rest = others;
    }
    out.push_str(name);
    out.push('(');
    for (i, arg) in rest.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write(arg, style, out);
    }
    out.push(')');
}

fn convert(inner: &Node, ty: &Ty, style: Style, out: &mut String) {
    let wrap = match (style, &inner.ty, ty) {
        (Style::Interpreter, Ty::Int, Ty::Double) => Some("double("),
        // dates are timestamps at midnight for the interpreter already
        _ => None,
    };
    match wrap {
        Some(open) => {
            out.push_str(open);
            write(inner, style, out);
            out.push(')');
        }
        None => write(inner, style, out),
    }
}

/// A part of a larger expression: in brackets unless it is one word or call.
fn operand(node: &Node, style: Style, out: &mut String) {
    let mut inner = node;
    while let (Kind::Convert(of), Style::People) = (&inner.kind, style) {
        inner = of;
    }
    let open = matches!(
        inner.kind,
        Kind::Binary(..)
            | Kind::Conditional(..)
            | Kind::IsNull(_)
            | Kind::InList(..)
            | Kind::Contains(..)
            | Kind::Not(_)
            | Kind::Negate(_)
            | Kind::Convert(_)
    ) || matches!(&inner.kind, Kind::Literal(Lit::Int(i)) if *i < 0)
        || matches!(&inner.kind, Kind::Literal(Lit::Double(d)) if d.is_sign_negative());
    if open {
        out.push('(');
        write(node, style, out);
        out.push(')');
    } else {
        write(node, style, out);
    }
}

fn list(items: &[Node], style: Style, out: &mut String) {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write(item, style, out);
    }
    out.push(']');
}

fn literal(lit: &Lit, style: Style, out: &mut String) {
    let text = match lit {
        Lit::Null => "null".to_owned(),
        Lit::Bool(b) => b.to_string(),
        Lit::Int(i) => i.to_string(),
        Lit::Double(d) if d.is_finite() => format!("{d:?}"),
        Lit::Double(d) if d.is_nan() => "double(\"NaN\")".to_owned(),
        Lit::Double(d) => format!("double(\"{}inf\")", if *d < 0.0 { "-" } else { "" }),
        Lit::String(s) => quote(s),
        Lit::Bytes(bytes) => {
            let hex: String = bytes.iter().map(|b| format!("\\x{b:02x}")).collect();
            format!("b\"{hex}\"")
        }
        Lit::Timestamp(us) if style == Style::Interpreter => format!("bib_micros({us})"),
        Lit::Timestamp(us) => format!("timestamp({})", quote(&crate::row::scalar::format_timestamp(*us))),
        Lit::Date(days) if style == Style::Interpreter => format!("bib_micros({})", i64::from(*days) * 86_400_000_000),
        Lit::Date(days) => format!("date({})", quote(&crate::row::scalar::format_date(*days))),
        Lit::Duration(us) if style == Style::Interpreter => format!("bib_span({us})"),
        Lit::Duration(us) => format!("duration(\"{}s\")", *us as f64 / 1e6),
    };
    out.push_str(&text);
}

/// Whether a name can stand behind a dot.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !matches!(name, "in" | "true" | "false" | "null")
}

/// A text literal that CEL reads back as `text`.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\U{:08x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
