//! A mistake in an expression, as a page shows it: the line with its place marked, what is wrong, what to write instead.

use bib_proto::client::ClientError;
use bib_proto::v1;

/// A mistake and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// expression, filter or column
    pub(crate) part: String,
    /// What is wrong.
    pub(crate) what: String,
    /// Where: `line 1, column 37`; empty for a column.
    pub(crate) place: String,
    /// The line up to the place, the place, the rest.
    pub(crate) before: String,
    pub(crate) marked: String,
    pub(crate) after: String,
    /// What to write instead; empty without a guess.
    pub(crate) suggestion: String,
}

impl Mistake {
    /// The mistake that the node found in one of these texts, if that is why it refused.
    pub(crate) fn of(error: &ClientError, expression: &str, filter: &str) -> Option<Self> {
        let ClientError::Status { details, .. } = error else { return None };
        let suggestion = details.hints.first().cloned().unwrap_or_default();
        let fact = |name: &str| details.metadata.get(name).cloned().unwrap_or_default();
        let number = |name: &str| fact(name).parse().unwrap_or(0);
        match details.reason.as_str() {
            "INVALID_EXPRESSION" => {
                let part = fact("part");
                let text = if part == "filter" { filter } else { expression };
                Some(Self::at(
                    part,
                    fact("what"),
                    text,
                    [number("line"), number("column"), number("width")],
                    suggestion,
                ))
            }
            "COLUMN_UNUSABLE" => Some(Self::at("column".to_owned(), error.to_string(), "", [0; 3], suggestion)),
            _ => None,
        }
    }

    /// The mistake that a check has found.
    pub(crate) fn checked(mistake: v1::Mistake, expression: &str, filter: &str) -> Self {
        let text = if mistake.part == "filter" { filter } else { expression };
        let place = [mistake.line, mistake.column, mistake.width].map(|n| n as usize);
        Self::at(mistake.part, mistake.message, text, place, mistake.suggestion)
    }

    fn at(part: String, what: String, text: &str, [line, column, width]: [usize; 3], suggestion: String) -> Self {
        let found = text.split('\n').nth(line.saturating_sub(1)).filter(|_| line > 0).unwrap_or_default();
        let found: Vec<char> = found.trim_end_matches('\r').chars().collect();
        let from = column.saturating_sub(1).min(found.len());
        let to = (from + width.max(1)).min(found.len());
        let piece = |range: std::ops::Range<usize>| found[range].iter().collect::<String>();
        let marked = piece(from..to);
        Self {
            part,
            what,
            place: if line == 0 { String::new() } else { format!("line {line}, column {column}") },
            before: piece(0..from),
            // behind the end there is nothing to mark
            marked: if marked.is_empty() && line > 0 { "\u{a0}".to_owned() } else { marked },
            after: piece(to..found.len()),
            suggestion,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_marked_in_its_line() {
        let text = "dataset(\"a/b\")\n  .filter(r, r.dély > 1)";
        let mistake = Mistake::at("expression".into(), "no column".into(), text, [2, 16, 4], "did you".into());
        assert_eq!((mistake.before.as_str(), mistake.marked.as_str()), ("  .filter(r, r.", "dély"));
        assert_eq!((mistake.after.as_str(), mistake.place.as_str()), (" > 1)", "line 2, column 16"));
        let end = Mistake::at("filter".into(), "ends".into(), "r.a >", [1, 6, 1], String::new());
        assert_eq!((end.before.as_str(), end.marked.as_str(), end.after.as_str()), ("r.a >", "\u{a0}", ""));
        let odd = Mistake::at("filter".into(), "x".into(), "r.a", [9, 900, 900], String::new());
        assert_eq!((odd.before.as_str(), odd.after.as_str()), ("", ""));
        let column = Mistake::at("column".into(), "x".into(), "", [0; 3], String::new());
        assert!(column.place.is_empty() && column.marked.is_empty());
    }
}
