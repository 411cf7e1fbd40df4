//! The shape of an expression for the audit log: what was asked, without the values that were asked for.

/// Replaces the literals of an expression with `?`, but for the names of datasets, and cuts it to a bounded length.
pub(super) fn shape(expression: &str) -> String {
    const MAX: usize = 400;
    let mut out = String::new();
    let mut chars = expression.chars().peekable();
    let mut word = false;
    while let Some(c) = chars.next() {
        if out.len() >= MAX {
            out.push('…');
            break;
        }
        match c {
            '"' | '\'' => {
                let mut text = String::new();
                let mut escaped = false;
                for inner in chars.by_ref() {
                    if inner == c && !escaped {
                        break;
                    }
                    escaped = inner == '\\' && !escaped;
                    text.push(inner);
                }
                if out.ends_with("dataset(") {
                    out.push_str(&format!(
                        "\"{}\"",
                        text.chars().filter(|c| !c.is_control()).take(200).collect::<String>()
                    ));
                } else {
                    out.push('?');
                }
                word = false;
            }
            '0'..='9' if !word => {
                while chars.peek().is_some_and(|next| next.is_ascii_alphanumeric() || matches!(next, '.' | '_')) {
                    chars.next();
                }
                out.push('?');
            }
            c if c.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
                word = false;
            }
            c => {
                word = c.is_alphanumeric() || c == '_';
                out.push(c);
            }
        }
    }
    out
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
    }
}
