//! Names for answers that a client may still have, so that they are not sent once more.
//!
//! A version never changes: what a view of it shows follows from the version, the view and the window. The name is a keyed
//! hash of these, so that whether a client has the answer is known without reading a row. It holds for one incarnation,
//! whose key nobody else knows, and gives no rights: who asks with it is authorized and recorded as without it.

use bib_domain::VersionId;
use bib_query::View;
use sha2::{Digest, Sha256};
use std::io;

/// Bytes of the hash that stand in a name.
const MAC_BYTES: usize = 16;

/// What an answer is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'s> {
    /// Which method answers.
    pub(super) method: &'static str,
    pub(super) view: &'s View,
    /// The first row and how many, as they were asked for.
    pub(super) window: (u64, u64),
}

/// What an answer tells beside its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// Rows that were given out.
    pub(super) rows: u64,
    /// Rows of the view.
    pub(super) matches: u64,
    /// Rows without its filter.
    pub(super) total: u64,
}

/// Makes and knows the names of one incarnation.
pub(crate) struct Etags {
    key: [u8; 32],
}

impl Etags {
    /// With a key of its own.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn new() -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok(Self { key })
    }

    /// The name of an answer.
    pub(super) fn name(&self, version: &VersionId, subject: Subject<'_>, told: Told) -> String {
        let Told { rows, matches, total } = told;
        format!("{rows:x}-{matches:x}-{total:x}-{}", hex::encode(self.mac(version, subject, told)))
    }

    /// What the answer with this name told, if it is this very one.
    pub(super) fn known(&self, name: &str, version: &VersionId, subject: Subject<'_>) -> Option<Told> {
        let mut parts = name.splitn(4, '-');
        let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
        let told = Told { rows: number()?, matches: number()?, total: number()? };
        (self.name(version, subject, told) == name).then_some(told)
    }

    fn mac(&self, version: &VersionId, subject: Subject<'_>, told: Told) -> [u8; MAC_BYTES] {
        let Subject { method, view, window } = subject;
        let mut hash = Sha256::new();
        hash.update(self.key);
        let sort = view.sort.as_ref();
        let texts = [method, &view.expression, &view.filter, sort.map_or("", |sort| &sort.column)];
        for text in texts.into_iter().chain(view.columns.iter().map(String::as_str)) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let order = sort.map_or(0, |sort| 1 + u64::from(sort.descending));
        for number in [order, window.0, window.1, told.rows, told.matches, told.total, view.columns.len() as u64] {
            hash.update(number.to_be_bytes());
        }
        hash.update(version.as_bytes());
        // the key stands on both sides, so that nobody goes on where a hash ended
        hash.update(self.key);
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&hash.finalize()[..MAC_BYTES]);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_query::SortBy;

    fn view() -> View {
        let sort = Some(SortBy { column: "n".to_owned(), descending: false });
        View {
            filter: "r.n > 1".to_owned(),
            columns: vec!["n".to_owned(), "s".to_owned()],
            sort,
            ..View::of("dataset")
        }
    }

    #[test]
    fn a_name_is_known_for_the_same_answer_only() {
        let (etags, version) = (Etags::new().unwrap(), VersionId::from_bytes([7; 32]));
        let (view, told) = (view(), Told { rows: 100, matches: 5000, total: 70_000 });
        let subject = Subject { method: "page", view: &view, window: (0, 100) };
        let name = etags.name(&version, subject, told);
        assert_eq!(etags.known(&name, &version, subject), Some(told));
        assert_eq!(etags.known(&name, &VersionId::from_bytes([8; 32]), subject), None);
        assert_eq!(Etags::new().unwrap().known(&name, &version, subject), None, "another incarnation");
        assert_eq!(etags.known(&name, &version, Subject { method: "statistics", ..subject }), None);
        assert_eq!(etags.known(&name, &version, Subject { window: (100, 100), ..subject }), None);
        let others: [fn(&mut View); 6] = [
            |view| view.expression.push(' '),
            |view| view.filter.clear(),
            |view| view.columns.reverse(),
            |view| view.columns = vec!["ns".to_owned()],
            |view| view.sort = None,
            |view| view.sort.iter_mut().for_each(|sort| sort.descending = true),
        ];
        for change in others {
            let mut other = view.clone();
            change(&mut other);
            assert_eq!(etags.known(&name, &version, Subject { view: &other, ..subject }), None, "{other:?}");
        }
    }

    #[test]
    fn numbers_cannot_be_changed_and_strange_names_are_not_known() {
        let (etags, version, view) = (Etags::new().unwrap(), VersionId::from_bytes([7; 32]), view());
        let subject = Subject { method: "page", view: &view, window: (0, 100) };
        let name = etags.name(&version, subject, Told { rows: 1, matches: 2, total: 3 });
        let forged = format!("ff{}", &name[1..]);
        for strange in ["", "-", "---", "1-2-3", "1-2-3-", &forged, &format!("{name} "), &name.to_uppercase()] {
            assert_eq!(etags.known(strange, &version, subject), None, "{strange}");
        }
    }
}
