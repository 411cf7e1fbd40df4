//! Values that are written as text: `timestamp("...")`, `date("...")`, `duration("...")`. Read while checking, so
//! that a typing error is found before anything runs, and so that scans can skip by them.

use super::functions::Op;
use super::ir::{Kind, Lit, Node};
use super::source::{Checked, Source};
use crate::row::scalar;

/// Replaces a conversion of a literal text by its value.
pub(super) fn fold(source: &Source, node: Node) -> Checked<Node> {
    let Kind::Call(op, args) = &node.kind else { return Ok(node) };
    let [Node { kind: Kind::Literal(Lit::String(text)), at, .. }] = args.as_slice() else { return Ok(node) };
    let (lit, wanted) = match op {
        Op::ToTimestamp => (
            scalar::parse_timestamp(text).map(Lit::Timestamp),
            "a timestamp is written timestamp(\"2013-01-31T12:00:00Z\"), with +01:00 for Z where the zone is another",
        ),
        Op::ToDate => (scalar::parse_date(text).map(Lit::Date), "a date is written date(\"2013-01-31\")"),
        Op::ToDuration => (
            scalar::parse_duration(text).map(Lit::Duration),
            "a duration is written duration(\"1h30m\"), with the units h, m, s, ms and us",
        ),
        Op::ToInt => (scalar::parse_int(text).map(Lit::Int), "an int is written 5, a text with digits int(\"5\")"),
        Op::ToDouble => (scalar::parse_double(text).map(Lit::Double), "a double is written 2.5 or 1e6"),
        _ => return Ok(node),
    };
    match lit {
        Some(lit) => Ok(Node::literal(lit, node.at)),
        None => {
            let message = format!("{text:?} is not {}", super::check::a(&node.ty));
            Err(source.invalid_with(*at, message, wanted.to_owned()))
        }
    }
}
