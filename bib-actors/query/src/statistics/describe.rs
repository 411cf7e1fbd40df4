//! From what the scans found to words: values as text, and conditions that choose the rows behind a bar. Pure.

use super::aggregates::{Found, What, name};
use super::bins::{DAY, Edges, dates, doubles, times, whole};
use super::histogram::counts;
use super::tally::Told;
use super::{Bar, ColumnStatistics};
use crate::lang::{Column, Kind, Lit, Node, Style, Ty, print};
use crate::plan::column_node;
use crate::row::scalar::{format_date, format_timestamp, time_of};

/// Longest text of a least or greatest value, in characters.
const SHOWN: usize = 80;

/// The ranges of a column's histogram; none for a type without them or a column without values.
pub(super) fn edges(column: &Column, found: &Found, index: usize, most: usize) -> Option<Edges> {
    if column.ty == Ty::Double {
        return Some(doubles(found.double(index, What::Min)?, found.double(index, What::Max)?, most));
    }
    let (min, max) = (found.whole(index, What::Min)?, found.whole(index, What::Max)?);
    match column.ty {
        Ty::Int => Some(whole(min, max, most)),
        // what the language cannot write cannot be filtered by
        Ty::Timestamp => (time_of(min).is_some() && time_of(max).is_some()).then(|| times(min, max, most)),
        Ty::Date => (time_of(min.checked_mul(DAY)?).is_some() && time_of(max.checked_mul(DAY)?).is_some())
            .then(|| dates(min, max, most)),
        _ => None,
    }
}

/// Everything about one column.
pub(super) fn column(
    column: &Column,
    edges: Option<&Edges>,
    found: &Found,
    bins: &Found,
    index: usize,
    rows: u64,
) -> ColumnStatistics {
    let values = found.count(&name(index, What::Values));
    let told = found.text(index, What::Tally).and_then(Told::read);
    let estimate = found.whole(index, What::Distinct).and_then(|count| u64::try_from(count).ok());
    let node = column_node(index, column);
    let (min, max) = (bound(&column.ty, found, index, What::Min), bound(&column.ty, found, index, What::Max));
    let not_finite = match column.ty {
        Ty::Double => values.saturating_sub(found.count(&name(index, What::Finite))),
        _ => 0,
    };
    let counted = bins.get(index, What::Bins).map(counts).unwrap_or_default();
    ColumnStatistics {
        name: column.name.clone(),
        kind: column.ty.to_string(),
        nulls: rows.saturating_sub(values),
        nulls_filter: format!("{} == null", print(&node, Style::People)),
        not_finite,
        min,
        max,
        // an estimate can exceed what it estimates
        distinct: told.as_ref().map(|told| told.distinct).or(estimate).map(|distinct| distinct.min(values)),
        distinct_exact: told.is_some(),
        bins: edges.map(|edges| bars(&node, edges, &counted)).unwrap_or_default(),
        top_values: told
            .map(|told| told.top.into_iter().map(|(text, n)| frequent(&node, text, n)).collect())
            .unwrap_or_default(),
    }
}

/// The least or greatest value as text.
fn bound(ty: &Ty, found: &Found, index: usize, what: What) -> Option<String> {
    match ty {
        Ty::Double => found.double(index, what).map(|value| value.to_string()),
        Ty::String => found.text(index, what).map(shortened),
        _ => found.whole(index, what).map(|value| text(&literal(ty, value))),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// A number of an axis as a value of its type.
fn literal(ty: &Ty, value: i64) -> Lit {
    match ty {
        Ty::Timestamp => Lit::Timestamp(value),
        Ty::Date => Lit::Date(i32::try_from(value).unwrap_or(i32::MAX)),
        _ => Lit::Int(value),
    }
}

/// A value as people read it.
fn text(value: &Lit) -> String {
    match value {
        Lit::Timestamp(us) => format_timestamp(*us),
        Lit::Date(days) => format_date(*days),
        Lit::Double(value) => value.to_string(),
        Lit::Int(value) => value.to_string(),
        other => format!("{other:?}"),
    }
}

fn bars(node: &Node, edges: &Edges, counted: &[u64]) -> Vec<Bar> {
    let lits: Vec<Lit> = match edges {
        Edges::Whole { lows, end } => lows.iter().chain(end).map(|value| literal(&node.ty, *value)).collect(),
        Edges::Double { lows, end } => lows.iter().chain(end).map(|value| Lit::Double(*value)).collect(),
    };
    let bar = |(at, count): (usize, &u64)| {
        let (low, high) = (&lits[at], lits.get(at + 1));
        let mut filter = format!("{} >= {}", print(node, Style::People), written(low));
        if let Some(high) = high {
            filter.push_str(&format!(" && {} < {}", print(node, Style::People), written(high)));
        }
        Bar { from: text(low), to: high.map(text).unwrap_or_default(), count: *count, filter }
    };
    counted.iter().enumerate().map(bar).collect()
}

fn frequent(node: &Node, value: String, count: u64) -> Bar {
    let column = print(node, Style::People);
    let filter = match node.ty {
        Ty::Bool => format!("{column} == {value}"),
        _ => format!("{column} == {}", written(&Lit::String(value.clone()))),
    };
    Bar { from: value, to: String::new(), count, filter }
}

/// A value as the language writes it.
fn written(value: &Lit) -> String {
    print(&Node { kind: Kind::Literal(value.clone()), ty: value.ty(), at: Default::default() }, Style::People)
}
