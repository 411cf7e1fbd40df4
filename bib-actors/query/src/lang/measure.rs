//! The size of an expression before it is parsed: the parser's stack grows with it, so it is bounded first. Pure;
//! reads characters, knows brackets, texts and signs, no grammar.
//!
//! It is the size of what the parser makes of the text only as long as both find the same words in it. Where the parser would
//! drop characters and go on, the text is an expression no more.

use super::quoted::scan;

/// How large an expression is.
pub(super) struct Size {
    /// Words, numbers, texts and signs.
    pub(super) tokens: usize,
    /// At least the levels of the syntax tree, and of the parser's calls.
    pub(super) depth: usize,
    /// The first character with which no word of the language begins. What stands behind it was not measured, and must not
    /// be parsed.
    pub(super) stray: Option<usize>,
}

/// What stands on one level of brackets since the last comma.
#[derive(Default, Clone, Copy)]
struct Level {
    conditions: usize,
    logic: usize,
    /// Arithmetic and comparisons since the last `&&` or `||`.
    operators: usize,
    /// Dots, calls, indexes and signs in front since the last operator.
    chain: usize,
    /// The longest chain beside the present one.
    longest: usize,
}

impl Level {
    fn depth(self) -> usize {
        // the parser makes a balanced tree of && and ||
        let logic = (usize::BITS - self.logic.leading_zeros()) as usize;
        1 + self.conditions + logic + self.operators + self.chain.max(self.longest)
    }

    fn operator(&mut self) {
        self.operators += 1;
        self.longest = self.longest.max(self.chain);
        self.chain = 0;
    }
}

/// Counts without a parser.
pub(super) fn measure(text: &str) -> Size {
    let bytes = text.as_bytes();
    let (mut tokens, mut deepest) = (0, 0);
    let mut levels = vec![Level::default()];
    let (mut above, mut at) = (0, 0);
    // where the = of a sign of two characters is
    let mut second = usize::MAX;
    let mut stray = None;
    while at < bytes.len() {
        let level = levels.last_mut().expect("the outermost level is never left");
        let next = bytes.get(at + 1).copied();
        let mut length = 1;
        tokens += 1;
        if at != second && next == Some(b'=') && matches!(bytes[at], b'=' | b'!' | b'<' | b'>') {
            second = at + 1;
        }
        match bytes[at] {
            b'"' | b'\'' => match scan(bytes, at) {
                Ok(end) => length = end - at,
                Err(_) => stray = Some(at),
            },
            b'`' => match quoted_name(&bytes[at..]) {
                Some(whole) => length = whole,
                None => stray = Some(at),
            },
            b'/' if next == Some(b'/') => {
                tokens -= 1;
                length = bytes[at..].iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - at);
            }
            b'(' | b'[' | b'{' => {
                tokens -= 1;
                level.chain += 1;
                above += level.depth();
                levels.push(Level::default());
            }
            b')' | b']' | b'}' => {
                tokens -= 1;
                if levels.len() > 1 {
                    levels.pop();
                    above -= levels.last().map_or(0, |level| level.depth());
                }
            }
            b',' => {
                tokens -= 1;
                *level = Level::default();
            }
            b' ' | b'\t' | b'\r' | b'\n' | b'\x0c' | b':' => tokens -= 1,
            b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                let rest = &bytes[at..];
                length = rest.iter().position(|b| *b != b'_' && !b.is_ascii_alphanumeric()).unwrap_or(rest.len());
            }
            b'&' | b'|' if next == Some(bytes[at]) => {
                length = 2;
                *level = Level { conditions: level.conditions, logic: level.logic + 1, ..Level::default() };
            }
            b'?' => level.conditions += 1,
            b'.' | b'!' => level.chain += 1,
            // a minus in front and one between look the same here
            b'-' => {
                level.chain += 1;
                level.operators += 1;
            }
            b'=' if second != at && second != at + 1 => stray = Some(at),
            b'+' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' => level.operator(),
            _ => stray = Some(at),
        }
        if stray.is_some() {
            break;
        }
        let level = levels.last().map_or(0, |level| level.depth());
        deepest = deepest.max(above + level);
        at += length;
    }
    Size { tokens, depth: deepest, stray }
}

/// The length of a name in backquotes, of which the first byte is one.
fn quoted_name(bytes: &[u8]) -> Option<usize> {
    let inside = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/' | b' ');
    let end = 1 + bytes[1..].iter().position(|b| !inside(b))?;
    (end > 1 && bytes[end] == b'`').then_some(end + 1)
}

/// The first bracket or quotation mark that is never closed.
pub(super) fn unclosed(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' => match scan(bytes, at) {
                Ok(end) => {
                    at = end;
                    continue;
                }
                // it could have been closed up to here
                Err(end) => return bytes.get(end).is_none_or(|b| matches!(b, b'\n' | b'\r')).then_some(at),
            },
            b'(' | b'[' | b'{' => open.push(at),
            b')' | b']' | b'}' => {
                open.pop();
            }
            _ => {}
        }
        at += 1;
    }
    open.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(text: &str) -> usize {
        measure(text).depth
    }

    #[test]
    fn chains_and_brackets_are_deep_and_lists_are_not() {
        assert!(depth(&"(".repeat(50)) > 50);
        assert!(depth(&format!("a{}", " + 1".repeat(50))) > 50);
        assert!(depth(&format!("a{}", ".b".repeat(50))) > 50);
        assert!(depth(&format!("{}a", "!".repeat(50))) > 50);
        assert!(depth(&format!("{}a", "c ? d : ".repeat(50))) > 50);
        assert!(depth(&format!("[{}]", vec!["f(r.a) + 1"; 300].join(", "))) < 10);
        assert!(depth(&vec!["r.a == 1"; 300].join(" || ")) < 16);
        assert!(depth("dataset(\"a/b\").filter(r, r.x > 1 && r.y < 2).map(r, {\"z\": r.x + r.y}).limit(10)") < 16);
    }

    #[test]
    fn texts_and_comments_are_no_expression() {
        assert_eq!(measure("'((((' + \"a\\\"((\" // ((((").tokens, 3);
        assert!(depth("'(((((((((('") < 3);
        assert_eq!(unclosed("f(\"a)\")"), None);
        assert_eq!(unclosed("f(\"a)"), Some(2));
        assert_eq!(unclosed("f([1)"), Some(1));
        assert_eq!(unclosed("f(\"a\n\")"), Some(2), "the text ends with its line");
        assert_eq!(unclosed("f(\"\\q\""), None, "it is not known what belongs to the text");
    }

    #[test]
    fn what_begins_no_word_is_found() {
        for fine in [
            "a <= b && c != d || !(e == f) >= g",
            "`a//b`.c",
            "r'\\' in\"x\" // #",
            "-1.5e3 % {\"a\": [.5, 0xffu]}\t\x0c",
        ] {
            assert_eq!(measure(fine).stray, None, "{fine}");
        }
        for marked in [
            "a «=» b",
            "a ==«=» b",
            "a <=«=» b",
            "a «&» b",
            "a «|»\"b\"",
            "a «“»b”",
            "«`»a\"`",
            "«`»`",
            "«#»",
            "x«\\»",
            "a + «ü»",
            "a == «\"»b",
        ] {
            let text = marked.replace(['«', '»'], "");
            assert_eq!(measure(&text).stray, marked.find('«'), "{text}");
        }
    }

    /// The parser drops what it cannot read and goes on behind it, and a stack that overflows ends the process.
    #[test]
    fn nothing_deep_hides_behind_what_cannot_be_read() {
        let options = crate::options::QueryOptions::default();
        let hides = [
            "\"\n",
            "'\\q",
            "\"\"\"a\" ",
            "xr\"a\\\"b\" ",
            "1r\"a\\\" ",
            "=\"a",
            "&\"a\"",
            "`a//b` ",
            "`a//",
            "\u{201c}",
        ];
        for hidden in hides {
            for closed in ["", "\"", "'"] {
                let text = format!("{hidden}{}{closed}", "(".repeat(60_000));
                assert!(super::super::parse(&text, &options).is_err(), "{hidden}");
                let size = measure(&text);
                assert!(size.stray.is_some() || size.depth > options.max_expression_depth, "{hidden}");
            }
        }
    }
}
