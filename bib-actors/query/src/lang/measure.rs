//! The size of an expression before it is parsed: the parser's stack grows with it, so it is bounded first. Pure;
//! reads characters, knows brackets, texts and signs, no grammar.

/// How large an expression is.
pub(super) struct Size {
    /// Words, numbers, texts and signs.
    pub(super) tokens: usize,
    /// At least the levels of the syntax tree, and of the parser's calls.
    pub(super) depth: usize,
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
    while at < bytes.len() {
        let level = levels.last_mut().expect("the outermost level is never left");
        let next = bytes.get(at + 1).copied();
        let mut length = 1;
        tokens += 1;
        match bytes[at] {
            b'"' | b'\'' => length = end_of_text(bytes, at) - at,
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
            b' ' | b'\t' | b'\r' | b'\n' | b':' => tokens -= 1,
            b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                let rest = &bytes[at..];
                length = rest.iter().position(|b| *b != b'_' && !b.is_ascii_alphanumeric()).unwrap_or(rest.len());
            }
            b'&' | b'|' => {
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
            b'+' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' => level.operator(),
            _ => {}
        }
        let level = levels.last().map_or(0, |level| level.depth());
        deepest = deepest.max(above + level);
        at += length;
    }
    Size { tokens, depth: deepest }
}

/// The position behind the text literal that begins at `start`.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let raw = start > 0 && matches!(bytes[start - 1], b'r' | b'R');
    let triple = bytes[start..].starts_with(&[quote; 3]);
    let mut at = start + if triple { 3 } else { 1 };
    while at < bytes.len() {
        if bytes[at] == b'\\' && !raw {
            at += 2;
        } else if triple && bytes[at..].starts_with(&[quote; 3]) {
            return at + 3;
        } else if !triple && bytes[at] == quote {
            return at + 1;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// The first bracket or quotation mark that is never closed.
pub(super) fn unclosed(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' => {
                let end = end_of_text(bytes, at);
                let closed = end <= bytes.len() && end > at + 1 && bytes[end - 1] == bytes[at];
                if !closed {
                    return Some(at);
                }
                at = end;
                continue;
            }
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
    }
}
