//! Texts that are made of others, and may become longer than these. Owns that none is made beyond its bound; the
//! vectorized functions and the interpreter both use these.

use arrow::array::ArrayRef;
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;

use crate::breach::{BATCH_BYTES, Breach};

/// Whether `a + b` has at most `most` bytes.
pub(crate) fn fits(a: &str, b: &str, most: usize) -> Result<(), Breach> {
    if a.len().saturating_add(b.len()) > most { Err(Breach::Text { most }) } else { Ok(()) }
}

/// `text` with `to` for each `from`, of at most `most` bytes unless it was longer before.
pub(crate) fn replaced(text: &str, from: &str, to: &str, most: usize) -> Result<String, Breach> {
    let most = most.max(text.len());
    let longest = (text.len() / from.len().max(1) + 1).saturating_mul(to.len()).saturating_add(text.len());
    // counted only where it may matter
    if longest > most {
        let found = text.matches(from).count();
        let length = (text.len() - found * from.len()).saturating_add(found.saturating_mul(to.len()));
        if length > most {
            return Err(Breach::Text { most });
        }
    }
    Ok(text.replace(from, to))
}

/// The texts with `between` between them, of at most `most` bytes.
pub(super) fn joined(texts: &[&str], between: &str, most: usize) -> Result<String, Breach> {
    let own: usize = texts.iter().map(|text| text.len()).sum();
    let length = own.saturating_add(between.len().saturating_mul(texts.len().saturating_sub(1)));
    if length > most { Err(Breach::Text { most }) } else { Ok(texts.join(between)) }
}

/// An argument with one value for each of `rows`. A constant is repeated, which a long one is not.
pub(crate) fn repeated(arg: ColumnarValue, rows: usize) -> Result<ArrayRef> {
    if let ColumnarValue::Scalar(constant) = &arg
        && constant.size().saturating_mul(rows) > BATCH_BYTES
    {
        return Err(Breach::Values { most: BATCH_BYTES }.into());
    }
    arg.into_array(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_replaced_is_as_long_as_was_reckoned(text in "[aü]{0,12}", from in "[aü]{0,2}", to in "[bß]{0,3}") {
            let whole = text.replace(&from, &to);
            let most = whole.len().max(text.len());
            prop_assert_eq!(replaced(&text, &from, &to, most), Ok(whole.clone()));
            if whole.len() > text.len() {
                let most = whole.len() - 1;
                prop_assert_eq!(replaced(&text, &from, &to, most), Err(Breach::Text { most }));
            }
        }
    }

    #[test]
    fn texts_that_are_joined_are_bounded() {
        assert_eq!(joined(&["a", "b"], ", ", 4), Ok("a, b".to_owned()));
        assert_eq!(joined(&["a", "b"], ", ", 3), Err(Breach::Text { most: 3 }));
        assert_eq!(joined(&[], ", ", 0), Ok(String::new()));
        assert_eq!((fits("a", "b", 2), fits("a", "b", 1)), (Ok(()), Err(Breach::Text { most: 1 })));
    }
}
