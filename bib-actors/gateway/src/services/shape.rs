//! The shape of an expression for the audit log: what was asked, without the values that were asked for.

use bib_query::end_of_text;

/// Longest shape, in bytes, but for its end.
const MAX: usize = 400;
/// Longest name of a dataset that is kept, in characters.
const NAME_MAX: usize = 200;

/// Replaces the literals of an expression with `?`, but for the names of datasets, leaves its comments out, and cuts it to a
/// bounded length. Where it cannot be told what is a value, nothing more is said.
pub(super) fn shape(expression: &str) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(c) = expression[at..].chars().next() {
        if out.len() >= MAX {
            out.push('…');
            break;
        }
        let rest = &expression[at..];
        let Some((said, length)) = word(expression, at, c) else {
            out.push('?');
            break;
        };
        match said {
            Said::Value(text) if names_a_dataset(&out) => {
                let name: String = text.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
                out.push_str(&format!("\"{name}\""));
            }
            Said::Value(_) => out.push('?'),
            Said::Words => {
                let (word, room) = (&rest[..length], MAX - out.len());
                out.extend(word.chars().take(room));
                if word.len() > room {
                    out.push('…');
                    break;
                }
            }
            Said::Nothing => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
        }
        at += length;
    }
    out
}

/// What a part of an expression says.
enum Said<'e> {
    /// Names and signs.
    Words,
    /// A value; of a text, what is in it.
    Value(&'e str),
    /// Space, or a comment.
    Nothing,
}

/// The part that begins at `at`, of which `c` is the first character, and its length; `None` if none of the language does.
fn word(expression: &str, at: usize, c: char) -> Option<(Said<'_>, usize)> {
    let rest = &expression[at..];
    let while_of = |fits: &dyn Fn(char) -> bool| rest.find(|c| !fits(c)).unwrap_or(rest.len());
    match c {
        '"' | '\'' => text(expression, at, 0),
        '0'..='9' => Some((Said::Value(""), while_of(&|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_')))),
        '_' | 'a'..='z' | 'A'..='Z' => {
            let length = while_of(&|c| c.is_ascii_alphanumeric() || c == '_');
            let prefix = matches!(rest[..length].to_ascii_lowercase().as_str(), "r" | "b" | "br");
            if prefix && rest[length..].starts_with(['"', '\'']) {
                text(expression, at, length)
            } else {
                Some((Said::Words, length))
            }
        }
        '`' => {
            let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ' ');
            let end = 1 + rest[1..].find(|c| !inside(c))?;
            rest[end..].starts_with('`').then_some((Said::Words, end + 1))
        }
        '/' if rest.starts_with("//") => Some((Said::Nothing, while_of(&|c| c != '\n'))),
        ' ' | '\t' | '\r' | '\n' | '\x0c' => Some((Said::Nothing, 1)),
        '(' | ')' | '[' | ']' | '{' | '}' | '.' | ',' | ':' | '?' | '!' | '=' | '<' | '>' | '&' | '|' | '+' | '-'
        | '*' | '/' | '%' => Some((Said::Words, 1)),
        _ => None,
    }
}

/// The text at `at`, which has so many letters before its quotation marks.
fn text(expression: &str, at: usize, prefix: usize) -> Option<(Said<'_>, usize)> {
    let start = at + prefix;
    let end = end_of_text(expression, start)?;
    let whole = &expression[start..end];
    let marks = if whole.len() >= 6 && whole[..3].bytes().all(|mark| mark == whole.as_bytes()[0]) { 3 } else { 1 };
    Some((Said::Value(&whole[marks..whole.len() - marks]), end - at))
}

/// Whether a text that follows is the name of a dataset.
fn names_a_dataset(before: &str) -> bool {
    before
        .strip_suffix("dataset(")
        .is_some_and(|before| !before.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '`')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_left_out_and_names_stay() {
        let shape =
            shape(r#"dataset("flights/2013").filter(r, r.col_2 > 60.5 && r.name == "Ann \"x\" Lee").limit(10)"#);
        assert_eq!(shape, r#"dataset("flights/2013").filter(r, r.col_2 > ? && r.name == ?).limit(?)"#);
        assert!(super::shape(&"x + ".repeat(1000)).len() < 500);
        assert_eq!(super::shape("\"never closed"), "?");
        assert_eq!(super::shape("dataset('''a/b''', r\"f.csv\")\n  .count()"), "dataset(\"a/b\", ?) .count()");
    }

    #[test]
    fn a_long_word_is_cut() {
        let long = "x".repeat(5_000);
        for expression in [long.clone(), format!("`{long}`"), format!("{long}.{long}"), format!("dataset({long})")] {
            assert_eq!(shape(&expression), format!("{}…", &expression[..MAX]));
        }
        assert_eq!(shape(&long[..MAX]), long[..MAX], "it fits");
        assert_eq!(shape(&format!("{} + 1", &long[..MAX - 3])), format!("{} + …", &long[..MAX - 3]));
    }

    #[test]
    fn a_value_is_one_however_it_is_written() {
        let known = [
            (r#"r.a == r"\" && r.b == "canary""#, "r.a == ? && r.b == ?"),
            (r#"r.a == bR'\' && r.b == 'canary'"#, "r.a == ? && r.b == ?"),
            ("r.a == \"\"\"it is \"the\" canary\"\"\" || r.b", "r.a == ? || r.b"),
            ("r.a == r'''canary ' canary\n''' || r.b", "r.a == ? || r.b"),
            ("r.a // it's canary\n && r.b == 'canary'", "r.a && r.b == ?"),
            ("r.`a//b` == \"\"\"\ncanary\"\"\"", "r.`a//b` == ?"),
            ("r.a in\"canary\"", "r.a in?"),
            ("mydataset(\"canary\")", "mydataset(?)"),
        ];
        for (expression, said) in known {
            assert_eq!(shape(expression), said, "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_told() {
        for expression in [
            "r.a == \"x\ncanary\"",
            "r.a == “canary”",
            "r.a == \"\\q\" + canary",
            "r.a == 1r\"\\\" canary\"",
            "r.a == `canary\"",
            "r.a == \\\"canary\\\"",
        ] {
            let said = shape(expression);
            assert!(said.starts_with("r.a == ?") && !said.contains("canary"), "{expression}: {said}");
        }
    }
}
