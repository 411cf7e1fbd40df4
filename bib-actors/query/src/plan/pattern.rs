//! Texts that are searched with a constant pattern. Owns the regular expression, compiled once for the query, and what
//! stands beside a search so that scans can skip by it: they cannot see through the function. DataFusion's own operator
//! is not used, because it is made to `LIKE`, which reads a backslash as an escape, and to a test for null.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use regex::Regex;

use crate::row::made::repeated;

/// What means something in a regular expression.
const SIGNS: &str = r"\.+*?()|[]{}^$";

/// `text.matches(pattern)`
pub(super) fn matches(text: Expr, pattern: &str) -> Result<Expr> {
    let regex = Regex::new(pattern).map_err(|error| DataFusionError::Internal(error.to_string()))?;
    let signature = Signature::any(2, Volatility::Immutable);
    // the pattern is there for people who read the plan
    let found = ScalarUDF::from(Matches { regex, signature }).call(vec![text.clone(), lit(pattern)]);
    Ok(match beginning(pattern).and_then(bounds_of) {
        Some((from, to)) => text.clone().gt_eq(lit(from)).and(text.lt(lit(to))).and(found),
        None => found,
    })
}

#[derive(Debug)]
struct Matches {
    regex: Regex,
    signature: Signature,
}

impl PartialEq for Matches {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

impl Eq for Matches {}

impl Hash for Matches {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.regex.as_str().hash(state);
    }
}

impl ScalarUDFImpl for Matches {
    fn name(&self) -> &str {
        "matches"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let Some(texts) = args.args.into_iter().next() else {
            return Err(DataFusionError::Internal("a pattern has no text".to_owned()));
        };
        let texts = repeated(texts, rows)?;
        let found = |text: Option<&str>| text.map(|text| self.regex.is_match(text));
        let found: BooleanArray = match texts.data_type() {
            DataType::Utf8View => texts.as_string_view().iter().map(found).collect(),
            _ => cast(&texts, &DataType::Utf8)?.as_string::<i32>().iter().map(found).collect(),
        };
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

/// What every text begins with that a pattern fits; none when the pattern does not say.
fn beginning(pattern: &str) -> Option<&str> {
    let rest = pattern.strip_prefix('^').filter(|rest| !rest.contains('|'))?;
    let plain = rest.find(|c| SIGNS.contains(c)).unwrap_or(rest.len());
    let repeats_last = rest[plain..].starts_with(['*', '?', '+', '{']);
    let end = if repeats_last { rest[..plain].char_indices().last()?.0 } else { plain };
    Some(&rest[..end]).filter(|plain| !plain.is_empty())
}

/// The least text that begins with a prefix, and the least beyond all that do.
pub(super) fn bounds_of(prefix: &str) -> Option<(String, String)> {
    let mut beyond: Vec<char> = prefix.chars().collect();
    while let Some(last) = beyond.pop() {
        // characters are ordered as their bytes are; between the two planes of surrogates there is none
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            beyond.push(next);
            return Some((prefix.to_owned(), beyond.into_iter().collect()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn beginnings_of_patterns() {
        for (pattern, expected) in [
            ("^N1", Some("N1")),
            ("^N1$", Some("N1")),
            ("^N1[0-9]{2}UW$", Some("N1")),
            ("^ab*", Some("a")),
            ("^ab?c", Some("a")),
            ("^a{2}", None),
            ("^äö+", Some("ä")),
            ("^a|b", None),
            ("^(a)", None),
            (r"^C:\\", Some("C:")),
            ("abc", None),
            ("^", None),
            ("(?i)^abc", None),
            ("^50%_", Some("50%_")),
        ] {
            assert_eq!(beginning(pattern), expected, "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn what_a_pattern_fits_lies_within_its_bounds(
            pattern in prop::collection::vec(
                prop::sample::select(vec!["a", "b", ".", "*", "?", "+", "{2}", "[ab]", "(a", ")", "|", "^", "$", "\\b", "(?i)"]),
                0..6,
            ),
            text in "[abA]{0,5}",
        ) {
            let pattern = format!("^{}", pattern.concat());
            if let (Ok(regex), Some((from, to))) = (Regex::new(&pattern), beginning(&pattern).and_then(bounds_of)) {
                prop_assert!(!regex.is_match(&text) || (from <= text && text < to), "{pattern} fits {text:?}");
            }
        }
    }
}
