//! Takes what steers a terminal out of a stream of text: values come from files that strangers wrote.

/// Replaces control characters other than tab and line feed, whole or cut between two writes.
#[derive(Debug, Default)]
pub(crate) struct Tame {
    /// Whether the first byte of a character came whose second says what it is.
    pending: bool,
}

/// The first byte of the control characters U+0080 to U+009F, among others.
const LEAD: u8 = 0xc2;

impl Tame {
    /// The text without control characters. What is cut off at the end comes with the next call.
    #[must_use]
    pub(crate) fn clean(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            if std::mem::take(&mut self.pending) {
                if (0x80..=0x9f).contains(&byte) {
                    text.extend_from_slice("\u{fffd}".as_bytes());
                    continue;
                }
                text.push(LEAD);
            }
            match byte {
                LEAD => self.pending = true,
                b'\n' | b'\t' => text.push(byte),
                0..=0x1f | 0x7f => text.extend_from_slice("\u{fffd}".as_bytes()),
                _ => text.push(byte),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_taken_out_and_letters_kept() {
        let mut tame = Tame::default();
        let text = tame.clean("a\tb\n\u{1b}[31mred\u{9b}2J\r\u{7f}\u{a9}ünïcödé".as_bytes());
        assert_eq!(String::from_utf8(text).unwrap(), "a\tb\n\u{fffd}[31mred\u{fffd}2J\u{fffd}\u{fffd}\u{a9}ünïcödé");
    }

    proptest! {
        #[test]
        fn where_the_text_is_cut_does_not_matter(text in any::<String>(), step in 1_usize..7) {
            let mut tame = Tame::default();
            let parts: Vec<u8> = text.as_bytes().chunks(step).flat_map(|part| tame.clean(part)).collect();
            let cleaned = String::from_utf8(parts).unwrap();
            let expected: String = text
                .chars()
                .map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c })
                .collect();
            prop_assert_eq!(cleaned, expected);
        }
    }
}
