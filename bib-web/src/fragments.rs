//! Parts of pages that are kept as they were rendered. A part is a function of what it is made from, and kept under all of
//! that: it is never old, and nobody sees in it what the API did not just give him.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// What the map takes for each part, roughly.
const ENTRY_BYTES: usize = 128;

struct Part {
    html: Arc<str>,
    used: u64,
}

#[derive(Default)]
struct Kept {
    parts: HashMap<Box<[u8]>, Part>,
    bytes: usize,
    clock: u64,
}

/// The parts that were used last, in so many bytes.
pub(crate) struct Fragments {
    limit: usize,
    kept: Mutex<Kept>,
}

impl Fragments {
    /// Keeps at most `limit` bytes; 0 keeps nothing.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    /// The part that is made from `key`, rendered by `render` if it is not kept.
    pub(crate) fn get<E>(&self, key: Vec<u8>, render: impl FnOnce() -> Result<String, E>) -> Result<Arc<str>, E> {
        if let Some(html) = self.find(&key) {
            return Ok(html);
        }
        let html: Arc<str> = render()?.into();
        self.keep(key.into_boxed_slice(), &html);
        Ok(html)
    }

    fn find(&self, key: &[u8]) -> Option<Arc<str>> {
        let mut kept = self.kept.lock();
        kept.clock += 1;
        let now = kept.clock;
        let part = kept.parts.get_mut(key)?;
        part.used = now;
        Some(Arc::clone(&part.html))
    }

    fn keep(&self, key: Box<[u8]>, html: &Arc<str>) {
        let bytes = cost(&key, html);
        // one part may not push out all the others
        if bytes > self.limit / 4 {
            return;
        }
        let mut kept = self.kept.lock();
        while kept.bytes + bytes > self.limit {
            let oldest = kept.parts.iter().min_by_key(|(_, part)| part.used).map(|(key, _)| key.clone());
            let Some((key, part)) = oldest.and_then(|key| kept.parts.remove_entry(&key)) else { break };
            kept.bytes -= cost(&key, &part.html);
        }
        let part = Part { html: Arc::clone(html), used: kept.clock };
        if kept.parts.insert(key, part).is_none() {
            kept.bytes += bytes;
        }
    }
}

fn cost(key: &[u8], html: &str) -> usize {
    ENTRY_BYTES + key.len() + html.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn get(fragments: &Fragments, key: u8, html: &str) -> (String, bool) {
        let mut made = false;
        let part = fragments.get::<Infallible>(vec![key], || {
            made = true;
            Ok(html.to_owned())
        });
        let Ok(part) = part;
        (part.to_string(), made)
    }

    #[test]
    fn a_part_is_made_once_and_those_used_last_stay() {
        let fragments = Fragments::new(4 * (ENTRY_BYTES + 2));
        assert_eq!(get(&fragments, 1, "a"), ("a".to_owned(), true));
        assert_eq!(get(&fragments, 1, "b"), ("a".to_owned(), false));
        for key in 2..=4 {
            assert!(get(&fragments, key, "x").1);
        }
        assert!(!get(&fragments, 1, "y").1);
        assert!(get(&fragments, 5, "x").1, "there is room for four");
        assert!(!get(&fragments, 1, "y").1, "it was used since");
        assert!(get(&fragments, 2, "z").1, "it was not");
        assert_eq!(fragments.kept.lock().bytes, 4 * (ENTRY_BYTES + 2));
    }

    #[test]
    fn what_is_too_large_or_fails_is_not_kept() {
        let fragments = Fragments::new(4 * (ENTRY_BYTES + 2));
        for _ in 0..2 {
            assert!(get(&fragments, 1, "too large").1);
        }
        assert_eq!(fragments.get(vec![2], || Err("broken")), Err("broken"));
        assert!(get(&fragments, 2, "a").1);
        assert!(get(&Fragments::new(0), 1, "").1);
    }
}
