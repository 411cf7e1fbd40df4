//! Where a text literal ends: what stands in it is no expression, whoever reads one without the parser. Pure.

/// The position behind the text literal whose first quotation mark is at `start`. `None` where there is none: it is not closed,
/// or has an escape that the language has not, or follows on something in which nobody can tell whether it is raw.
#[must_use]
pub fn end_of_text(text: &str, start: usize) -> Option<usize> {
    scan(text.as_bytes(), start).ok()
}

/// The same; otherwise the position up to which it is a text.
pub(super) fn scan(bytes: &[u8], start: usize) -> Result<usize, usize> {
    let quote = bytes[start];
    let raw = is_raw(&bytes[..start]).ok_or(start)?;
    let triple = bytes[start..].starts_with(&[quote; 3]);
    let mut at = start + if triple { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if !raw => at += escape(&bytes[at..]).ok_or(at)?,
            mark if mark == quote && !triple => return Ok(at + 1),
            mark if mark == quote && bytes[at..].starts_with(&[quote; 3]) => return Ok(at + 3),
            b'\n' | b'\r' if !triple => return Err(at),
            _ => at += 1,
        }
    }
    Err(bytes.len())
}

/// Whether the text that follows is raw: `r`, after a `b` if it is one of bytes. Nobody knows after a number that ends so.
fn is_raw(before: &[u8]) -> Option<bool> {
    let begin = before.iter().rposition(|b| *b != b'_' && !b.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
    match &before[begin..] {
        [b'r' | b'R'] | [b'b' | b'B', b'r' | b'R'] => Some(true),
        [b'0'..=b'9', .., b'r' | b'R'] => None,
        _ => Some(false),
    }
}

/// The length of an escape, of which the backslash is the first byte.
fn escape(bytes: &[u8]) -> Option<usize> {
    let (first, digits) = (*bytes.get(1)?, &bytes[2..]);
    let hex = |count: usize| {
        let all = digits.get(..count).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        all.then_some(2 + count)
    };
    match first {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`' => Some(2),
        b'x' | b'X' => hex(2),
        b'u' => hex(4),
        b'U' => hex(8),
        b'0'..=b'3' => matches!(digits, [b'0'..=b'7', b'0'..=b'7', ..]).then_some(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left behind the first text.
    fn rest(text: &str) -> Option<&str> {
        let start = text.find(['"', '\''])?;
        end_of_text(text, start).map(|end| &text[end..])
    }

    #[test]
    fn a_text_ends_where_the_language_says() {
        for text in [
            r#""a" + 1"#,
            r#"'it\'s "it"' + 1"#,
            r#""\\" + 1"#,
            r#""\x41\u00e9\U0001f30d\101\?\`" + 1"#,
            r#"r"\" + 1"#,
            r#"bR'\' + 1"#,
            r#"b"\xff" + 1"#,
            "\"\"\"a \" \n '' \\\"\"\" b\"\"\" + 1",
            "r'''a\\\n''' + 1",
            "\"\" + 1",
            r#"bar"a\"b" + 1"#,
            r#"r.x == r"\" + 1"#,
        ] {
            assert_eq!(rest(text), Some(" + 1"), "{text}");
        }
    }

    #[test]
    fn what_is_no_text_has_no_end() {
        for text in
            [r#""a"#, "\"a\nb\"", "r\"a\r\"", r#""\q""#, r#""\x4""#, r#""\u12g4""#, r#""\400""#, r#""\08""#, r#""\"#]
        {
            assert_eq!(rest(text), None, "{text}");
        }
        for text in ["\"\"\"a\"\"", "'''a\\'''", "0xr\"a\"", "1r'a'"] {
            assert_eq!(rest(text), None, "{text}");
        }
    }
}
