//! A checked expression as text: for people, or for the row interpreter. Pure.

use super::functions::Op;
use super::ir::{BinaryOp, Kind, Lit, MacroCall, MacroKind, Node};
use super::types::Ty;
use crate::row::METER;

/// For whom an expression is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As a user would write it, with `r` for the row.
    People,
    /// For the interpreter: columns are variables `c0`, `c1` and so on by position, variables of macros have a prefix
    /// that keeps them from being one of these, comparisons are the functions of `row/library.rs`, what grows or takes
    /// long is one of `row/bounded.rs`, conversions are written out.
    Interpreter,
}

/// Prints `node`.
pub(crate) fn print(node: &Node, style: Style) -> String {
    let mut printer = Printer { style, out: String::new(), level: 0 };
    printer.node(node);
    printer.out
}

struct Printer {
    style: Style,
    out: String,
    /// Macros around the place.
    level: usize,
}

impl Printer {
    fn is_for_interpreter(&self) -> bool {
        self.style == Style::Interpreter
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn node(&mut self, node: &Node) {
        match &node.kind {
            Kind::Literal(lit) => self.literal(lit),
            Kind::Column(index, name) => match self.style {
                Style::People if is_identifier(name) => self.push(&format!("r.{name}")),
                Style::People => self.push(&format!("r[{}]", quote(name))),
                Style::Interpreter => self.push(&format!("c{index}")),
            },
            Kind::Local(name) => self.local(name),
            // a select would fail on a struct that is missing
            Kind::Field(of, name) if self.is_for_interpreter() => {
                self.push("bib_field(");
                self.node(of);
                self.push(&format!(", {})", quote(name)));
            }
            Kind::Field(of, name) => {
                self.node(of);
                if is_identifier(name) {
                    self.push(&format!(".{name}"));
                } else {
                    self.push(&format!("[{}]", quote(name)));
                }
            }
            Kind::Not(inner) => {
                // `x != null` is kept as Not(IsNull(x))
                if let (Style::People, Kind::IsNull(of)) = (self.style, &inner.kind) {
                    self.operand(of);
                    self.push(" != null");
                } else {
                    self.push("!");
                    self.operand(inner);
                }
            }
            Kind::Negate(inner) => {
                self.push("-");
                self.operand(inner);
            }
            Kind::Binary(op, a, b) => self.binary(*op, a, b),
            Kind::Conditional(condition, yes, no) => {
                self.operand(condition);
                self.push(" ? ");
                self.operand(yes);
                self.push(" : ");
                self.operand(no);
            }
            Kind::IsNull(inner) => {
                self.operand(inner);
                self.push(" == null");
            }
            Kind::InList(needle, items) if self.is_for_interpreter() && !items.iter().all(is_settled) => {
                // an item that has no answer must not hide one that is equal
                for (i, item) in items.iter().enumerate() {
                    self.push(if i == 0 { "(" } else { " || " });
                    self.binary(BinaryOp::Eq, needle, item);
                }
                self.push(")");
            }
            Kind::InList(needle, items) if self.is_for_interpreter() => {
                self.push("bib_in(");
                self.node(needle);
                self.push(", ");
                self.list(items);
                self.push(")");
            }
            Kind::InList(needle, items) => {
                self.operand(needle);
                self.push(" in ");
                self.list(items);
            }
            Kind::Contains(needle, within) if self.is_for_interpreter() => self.call("bib_in", &[needle, within]),
            Kind::Contains(needle, within) => {
                self.operand(needle);
                self.push(" in ");
                self.operand(within);
            }
            Kind::Call(op, args) => self.function(*op, args),
            Kind::Convert(inner) => self.convert(inner, &node.ty),
            Kind::List(items) => self.list(items),
            Kind::Index(of, at) => {
                self.operand(of);
                self.push("[");
                self.node(at);
                self.push("]");
            }
            Kind::Macro(call) => self.macro_call(call),
            Kind::Aggregate(index) => self.push(&format!("a{index}")),
        }
    }

    /// `name(args)`
    fn call(&mut self, name: &str, args: &[&Node]) {
        self.push(name);
        self.push("(");
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                self.push(", ");
            }
            self.node(arg);
        }
        self.push(")");
    }

    /// `name(m, args)`: a function that asks the meter of the row.
    fn metered(&mut self, name: &str, args: &[&Node]) {
        self.push(&format!("{name}({METER}"));
        for arg in args {
            self.push(", ");
            self.node(arg);
        }
        self.push(")");
    }

    /// A value that becomes part of a list, and so stays as long as that does.
    fn kept(&mut self, node: &Node) {
        let copied = node.ty.is_nested() || matches!(node.ty, Ty::String | Ty::Bytes);
        // the parts of what is written there are looked at themselves
        if copied && !matches!(node.kind, Kind::Literal(_) | Kind::List(_)) {
            self.metered("bib_keep", &[node]);
        } else {
            self.operand(node);
        }
    }

    fn macro_call(&mut self, call: &MacroCall) {
        let metered = self.is_for_interpreter();
        // what a test makes is gone behind it
        let tests = call.kind != MacroKind::Map;
        if metered && tests {
            self.push(&format!("bib_enter({METER}, {}, ", self.level));
            self.node(&call.range);
            self.push(")");
        } else {
            self.operand(&call.range);
        }
        self.push(&format!(".{}(", call.kind.name()));
        self.local(&call.variable);
        self.push(", ");
        if metered && tests {
            self.push(&format!("bib_turn_of({METER}, {}) ? ", self.level));
        } else if metered {
            self.push(&format!("bib_turn({METER}) ? "));
        }
        self.level += 1;
        match (&call.condition, metered) {
            (Some(condition), true) => {
                self.operand(condition);
                self.push(" : null, ");
                self.kept(&call.body);
            }
            (None, true) => {
                if tests {
                    self.operand(&call.body);
                } else {
                    self.kept(&call.body);
                }
                self.push(" : null");
            }
            (condition, false) => {
                if let Some(condition) = condition {
                    self.node(condition);
                    self.push(", ");
                }
                self.node(&call.body);
            }
        }
        self.level -= 1;
        self.push(")");
    }

    /// The variable of a macro.
    fn local(&mut self, name: &str) {
        if self.is_for_interpreter() {
            self.push("v_");
        }
        self.push(name);
    }

    fn binary(&mut self, op: BinaryOp, a: &Node, b: &Node) {
        match (self.style, op) {
            (Style::Interpreter, BinaryOp::Eq) => self.call("bib_eq", &[a, b]),
            (Style::Interpreter, BinaryOp::Ne) => self.call("bib_ne", &[a, b]),
            (Style::Interpreter, BinaryOp::Lt) => self.call("bib_lt", &[a, b]),
            (Style::Interpreter, BinaryOp::Le) => self.call("bib_le", &[a, b]),
            (Style::Interpreter, BinaryOp::Gt) => self.call("bib_gt", &[a, b]),
            (Style::Interpreter, BinaryOp::Ge) => self.call("bib_ge", &[a, b]),
            (Style::Interpreter, BinaryOp::Add) if matches!(a.ty, Ty::String | Ty::List(_)) => {
                self.metered("bib_add", &[a, b]);
            }
            _ => {
                self.operand(a);
                self.push(&format!(" {} ", op.symbol()));
                self.operand(b);
            }
        }
    }

    fn function(&mut self, op: Op, args: &[Node]) {
        let all: Vec<&Node> = args.iter().collect();
        let metered = match op {
            Op::Replace => Some("bib_replace"),
            Op::Join => Some("bib_join"),
            Op::Split => Some("bib_split"),
            _ => None,
        };
        if let (Style::Interpreter, Some(name)) = (self.style, metered) {
            self.metered(name, &all);
            return;
        }
        let name = match (self.style, op) {
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
        let mut rest = all.as_slice();
        if let (true, [first, others @ ..]) = (op.is_member(), rest) {
            self.operand(first);
            self.push(".");
            rest = others;
        }
        self.call(name, rest);
    }

    fn convert(&mut self, inner: &Node, ty: &Ty) {
        match (self.style, &inner.ty, ty) {
            (Style::Interpreter, Ty::Int, Ty::Double) => self.call("double", &[inner]),
            (Style::Interpreter, from, to) if makes_doubles(from, to) => self.call("bib_doubles", &[inner]),
            // dates are timestamps at midnight for the interpreter already
            _ => self.node(inner),
        }
    }

    /// A part of a larger expression: in brackets unless it is one word or call.
    fn operand(&mut self, node: &Node) {
        let mut inner = node;
        while let (Kind::Convert(of), Style::People) = (&inner.kind, self.style) {
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
            self.push("(");
            self.node(node);
            self.push(")");
        } else {
            self.node(node);
        }
    }

    fn list(&mut self, items: &[Node]) {
        self.push("[");
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.push(", ");
            }
            if self.is_for_interpreter() {
                self.kept(item);
            } else {
                self.node(item);
            }
        }
        self.push("]");
    }

    fn literal(&mut self, lit: &Lit) {
        let interpreter = self.is_for_interpreter();
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
            Lit::Timestamp(us) if interpreter => format!("bib_micros({us})"),
            Lit::Timestamp(us) => format!("timestamp({})", quote(&crate::row::scalar::format_timestamp(*us))),
            Lit::Date(days) if interpreter => format!("bib_micros({})", i64::from(*days) * 86_400_000_000),
            Lit::Date(days) => format!("date({})", quote(&crate::row::scalar::format_date(*days))),
            Lit::Duration(us) if interpreter => format!("bib_span({us})"),
            Lit::Duration(us) => format!("duration(\"{}s\")", *us as f64 / 1e6),
        };
        self.push(&text);
    }
}

/// Whether a node always has an answer, if only null.
fn is_settled(node: &Node) -> bool {
    matches!(node.kind, Kind::Literal(_) | Kind::Column(..) | Kind::Local(_))
}

/// Whether a list becomes one of doubles, however deep.
fn makes_doubles(from: &Ty, to: &Ty) -> bool {
    match (from, to) {
        (Ty::List(from), Ty::List(to)) => matches!((&**from, &**to), (Ty::Int, Ty::Double)) || makes_doubles(from, to),
        _ => false,
    }
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
