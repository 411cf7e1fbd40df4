//! Tables as they were rendered, kept with the names that the API gave to what they are made from. One is shown only when
//! the API has just said of each part, to the person who asks, that it is still the same: it is never old, and nobody sees
//! in it what he may not.

use bib_proto::v1::Column;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// What the map takes for each table, roughly.
const ENTRY_BYTES: usize = 256;
/// What a column takes beside its name, roughly.
const COLUMN_BYTES: usize = 80;

/// A table with its rows, as a page shows it.
pub(crate) struct Drawn {
    pub(crate) html: Arc<str>,
    pub(crate) columns: Vec<Column>,
    /// Whether it has no row.
    pub(crate) empty: bool,
    /// What the API calls the rows; empty when it does not.
    pub(crate) rows: String,
    /// What it calls the statistics.
    pub(crate) statistics: String,
}

impl Drawn {
    fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(|column| COLUMN_BYTES + column.name.len()).sum();
        self.html.len() + columns + self.rows.len() + self.statistics.len()
    }
}

struct Part {
    drawn: Arc<Drawn>,
    used: u64,
}

#[derive(Default)]
struct Kept {
    parts: HashMap<Box<str>, Part>,
    bytes: usize,
    clock: u64,
}

/// The tables that were used last, in so many bytes.
pub(crate) struct Fragments {
    limit: usize,
    kept: Mutex<Kept>,
}

impl Fragments {
    /// Keeps at most `limit` bytes; 0 keeps nothing.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    /// What was drawn for this address last.
    pub(crate) fn find(&self, key: &str) -> Option<Arc<Drawn>> {
        let mut kept = self.kept.lock();
        kept.clock += 1;
        let now = kept.clock;
        let part = kept.parts.get_mut(key)?;
        part.used = now;
        Some(Arc::clone(&part.drawn))
    }

    /// Keeps a table in place of what was drawn for this address before. One that nobody could be asked about is not kept.
    pub(crate) fn keep(&self, key: String, drawn: &Arc<Drawn>) {
        let bytes = cost(&key, drawn);
        // one table may not push out all the others
        if bytes > self.limit / 4 || drawn.rows.is_empty() || drawn.statistics.is_empty() {
            return;
        }
        let key = key.into_boxed_str();
        let mut kept = self.kept.lock();
        if let Some((key, part)) = kept.parts.remove_entry(&key) {
            kept.bytes -= cost(&key, &part.drawn);
        }
        while kept.bytes + bytes > self.limit {
            let oldest = kept.parts.iter().min_by_key(|(_, part)| part.used).map(|(key, _)| key.clone());
            let Some((key, part)) = oldest.and_then(|key| kept.parts.remove_entry(&key)) else { break };
            kept.bytes -= cost(&key, &part.drawn);
        }
        kept.clock += 1;
        let part = Part { drawn: Arc::clone(drawn), used: kept.clock };
        kept.parts.insert(key, part);
        kept.bytes += bytes;
    }
}

fn cost(key: &str, drawn: &Drawn) -> usize {
    ENTRY_BYTES + key.len() + drawn.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(html: &str, rows: &str) -> Arc<Drawn> {
        let (rows, statistics) = (rows.to_owned(), "s".to_owned());
        Arc::new(Drawn { html: html.into(), columns: Vec::new(), empty: false, rows, statistics })
    }

    fn keep(fragments: &Fragments, key: &str, html: &str) {
        fragments.keep(key.to_owned(), &drawn(html, "r"));
    }

    fn found(fragments: &Fragments, key: &str) -> Option<String> {
        fragments.find(key).map(|drawn| drawn.html.to_string())
    }

    const EACH: usize = ENTRY_BYTES + 4;

    #[test]
    fn those_used_last_stay() {
        let fragments = Fragments::new(4 * EACH);
        for key in ["1", "2", "3", "4"] {
            keep(&fragments, key, "a");
        }
        assert_eq!(found(&fragments, "1"), Some("a".to_owned()));
        keep(&fragments, "5", "x");
        assert_eq!(found(&fragments, "1"), Some("a".to_owned()), "it was used since");
        assert_eq!(found(&fragments, "2"), None, "it was not");
        keep(&fragments, "1", "b");
        assert_eq!(found(&fragments, "1"), Some("b".to_owned()), "the newer one");
        assert_eq!(fragments.kept.lock().bytes, 4 * EACH);
        assert_eq!(fragments.kept.lock().parts.len(), 4);
    }

    #[test]
    fn what_is_too_large_or_has_no_name_is_not_kept() {
        let fragments = Fragments::new(4 * EACH);
        keep(&fragments, "1", "too large");
        fragments.keep("2".to_owned(), &drawn("a", ""));
        assert_eq!((found(&fragments, "1"), found(&fragments, "2")), (None, None));
        let none = Fragments::new(0);
        keep(&none, "1", "");
        assert_eq!(found(&none, "1"), None);
        assert_eq!(fragments.kept.lock().bytes, 0);
    }
}
