//! Pages of lists: sizes within bounds, and tokens that say where to go on.

use crate::options::CallOptions;
use crate::problem::Problem;
use data_encoding::BASE64URL_NOPAD;
use std::str::FromStr;

/// How many entries a page has: what the client asks for, within bounds.
pub(super) fn size(options: &CallOptions, asked: u32) -> u32 {
    if asked == 0 { options.page_default } else { asked.min(options.page_max) }
}

/// A token that goes on after `last`. `list` keeps tokens of different lists apart.
pub(super) fn token(list: &str, last: &str) -> String {
    BASE64URL_NOPAD.encode(format!("{list}:{last}").as_bytes())
}

/// Where to go on; `None` for the first page.
pub(super) fn after<T: FromStr>(list: &str, token: &str) -> Result<Option<T>, Problem> {
    if token.is_empty() {
        return Ok(None);
    }
    let bad = || {
        Problem::invalid("page_token", "BAD_PAGE_TOKEN", "the page token is not one that this list gave")
            .hint("ask for the first page again, without a token")
    };
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| bad())?;
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    let (kind, last) = text.split_once(':').ok_or_else(bad)?;
    if kind == list { last.parse().map(Some).map_err(|_| bad()) } else { Err(bad()) }
}

/// Cuts a list that was asked for with one entry more than the page, and makes the token of the next page.
pub(super) fn cut<T>(list: &str, mut rows: Vec<T>, size: u32, name: impl Fn(&T) -> String) -> (Vec<T>, String) {
    let size = size as usize;
    if rows.len() <= size {
        return (rows, String::new());
    }
    rows.truncate(size);
    let next = rows.last().map_or_else(String::new, |last| token(list, &name(last)));
    (rows, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_domain::TopicName;

    #[test]
    fn tokens_lead_on_and_strange_ones_are_refused() {
        let token = token("topics", "weather");
        assert_eq!(after::<TopicName>("topics", &token).unwrap().unwrap().as_str(), "weather");
        assert_eq!(after::<TopicName>("topics", "").unwrap(), None);
        for bad in ["!", "AAAA", &super::token("datasets", "weather"), &super::token("topics", "NOT A NAME")] {
            assert!(after::<TopicName>("topics", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_has_its_size_and_a_token_only_when_more_follows() {
        let options = CallOptions::default();
        assert_eq!((size(&options, 0), size(&options, 7), size(&options, u32::MAX)), (100, 7, 500));
        let (rows, next) = cut("n", vec![1, 2, 3], 2, ToString::to_string);
        assert_eq!((rows, next.is_empty()), (vec![1, 2], false));
        let (rows, next) = cut("n", vec![1, 2], 2, ToString::to_string);
        assert_eq!((rows, next.is_empty()), (vec![1, 2], true));
    }
}
