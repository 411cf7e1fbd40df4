//! Rows of a table or a query as a page shows them: cells, heads of columns with what is in them, and mistakes of an
//! expression with their place.

mod head;
mod histogram;
mod mistake;
mod rows;

pub(crate) use head::{Head, Links, heads};
pub(crate) use mistake::Mistake;
pub(crate) use rows::{Cell, Rows};

/// Rows of one page.
pub(crate) const PAGE_ROWS: u32 = 100;

/// The pages of a result: where one is, and which ones there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paging {
    /// Counted from 1.
    pub(crate) page: u64,
    /// At least one.
    pub(crate) pages: u64,
}

impl Paging {
    /// Page `page` of so many rows; 0 is the first one.
    pub(crate) fn new(page: u64, rows: u64) -> Self {
        Self { page: page.max(1), pages: rows.div_ceil(u64::from(PAGE_ROWS)).max(1) }
    }

    /// Rows before the page.
    pub(crate) fn offset(page: u64) -> u64 {
        page.saturating_sub(1).saturating_mul(u64::from(PAGE_ROWS))
    }

    /// The number of the last page, for people.
    pub(crate) fn last(&self) -> String {
        crate::format::count(self.pages)
    }

    /// The page before, if there is one.
    pub(crate) fn before(self) -> Option<u64> {
        (self.page > 1).then(|| (self.page - 1).min(self.pages))
    }

    /// The page after, if there is one.
    pub(crate) fn after(self) -> Option<u64> {
        (self.page < self.pages).then_some(self.page + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_page_and_none_beyond_the_last() {
        let paging = |page, rows| {
            let paging = Paging::new(page, rows);
            (paging.page, paging.pages, paging.before(), paging.after())
        };
        assert_eq!(paging(0, 0), (1, 1, None, None));
        assert_eq!(paging(1, 101), (1, 2, None, Some(2)));
        assert_eq!(paging(2, 200), (2, 2, Some(1), None));
        assert_eq!(paging(9, 200), (9, 2, Some(2), None));
        assert_eq!((Paging::offset(0), Paging::offset(1), Paging::offset(3)), (0, 0, 200));
    }
}
