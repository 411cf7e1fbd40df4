//! Makes text fit for a record: Unicode NFC, and cut with a marker where it is too long.
//!
//! Never an error: an operation is not refused because its description is long.

use std::borrow::Cow;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Room that the marker needs at most: its words and a length of up to twenty digits.
const MARKER_ROOM: usize = 40;

/// `text` in NFC and at most `max` bytes long; what was cut is said in a marker at its end.
pub(crate) fn tidy(text: String, max: usize) -> String {
    if text.len() <= max && text.is_ascii() {
        return text;
    }
    let whole = text.len();
    // Composition can only shorten below a third, so this keeps all that can matter and bounds the work.
    let head = prefix(&text, max.saturating_mul(4));
    let normal: Cow<'_, str> = match is_nfc_quick(head.chars()) {
        IsNormalized::Yes => Cow::Borrowed(head),
        _ => Cow::Owned(head.nfc().collect()),
    };
    if head.len() == whole && normal.len() <= max {
        return normal.into_owned();
    }
    let kept = prefix(&normal, max.saturating_sub(MARKER_ROOM));
    format!("{kept}[cut: {whole} bytes in all]")
}

/// At most `max` pairs, names and values tidy; further ones are counted in one last pair.
pub(crate) fn tidy_pairs(
    pairs: Vec<(String, String)>,
    max: usize,
    name_max: usize,
    value_max: usize,
) -> Vec<(String, String)> {
    let whole = pairs.len();
    let keep = if whole > max { max - 1 } else { whole };
    let mut out: Vec<_> =
        pairs.into_iter().take(keep).map(|(name, value)| (tidy(name, name_max), tidy(value, value_max))).collect();
    if keep < whole {
        out.push(("[cut]".to_owned(), format!("{whole} pairs in all")));
    }
    out
}

/// The longest prefix of at most `max` bytes that ends between two characters.
fn prefix(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_normalization::is_nfc;

    #[test]
    fn short_text_stays_as_it_is() {
        assert_eq!(tidy("flights/2013".to_owned(), 64), "flights/2013");
        assert_eq!(tidy("e\u{301}".to_owned(), 64), "\u{e9}");
    }

    #[test]
    fn long_text_says_that_it_was_cut() {
        let cut = tidy("x".repeat(1_000), 100);
        assert!(cut.len() <= 100 && cut.ends_with("[cut: 1000 bytes in all]"), "{cut}");
    }

    #[test]
    fn further_pairs_are_counted() {
        let pairs = (0..10).map(|i| (format!("k{i}"), "v".to_owned())).collect();
        let kept = tidy_pairs(pairs, 4, 32, 64);
        assert_eq!(kept.len(), 4);
        assert_eq!(kept[3], ("[cut]".to_owned(), "10 pairs in all".to_owned()));
    }

    proptest! {
        #[test]
        fn the_result_is_normal_and_fits(text in any::<String>(), max in 64_usize..200) {
            let out = tidy(text, max);
            prop_assert!(out.len() <= max);
            prop_assert!(is_nfc(&out), "{out:?}");
            prop_assert_eq!(tidy(out.clone(), max), out);
        }
    }
}
