//! Rows of fields where they lie in bytes. Owns nothing: a view of what a reader holds.

use std::str;

/// Some rows, each with the same number of fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    text: &'a [u8],
    /// Where each field lies.
    bounds: &'a [(u32, u32)],
    width: usize,
}

impl<'a> Fields<'a> {
    /// `bounds` tell where in `text` the fields lie, in order, `width` of them for a row.
    pub(super) fn new(text: &'a [u8], bounds: &'a [(u32, u32)], width: usize) -> Self {
        Self { text, bounds, width }
    }

    /// How many rows.
    pub(super) fn rows(&self) -> usize {
        self.bounds.len() / self.width.max(1)
    }

    /// Bytes from the first field to the last one.
    pub(super) fn bytes(&self) -> u64 {
        self.span().len() as u64
    }

    /// One column of the rows.
    pub(super) fn column(&self, at: usize) -> impl Iterator<Item = &'a [u8]> {
        let text = self.text;
        self.bounds_of(at).map(move |(from, to)| &text[from..to])
    }

    /// The same as texts, none where a field is no UTF-8.
    pub(super) fn texts(&self, at: usize) -> impl Iterator<Item = Option<&'a str>> {
        let (span, text) = (self.span(), self.text);
        // what ends a field is a character of its own, so that all of them are UTF-8 when the whole is
        let whole = str::from_utf8(&text[span.clone()]).ok();
        self.bounds_of(at).map(move |(from, to)| match whole {
            Some(whole) => whole.get(from - span.start..to - span.start),
            None => str::from_utf8(&text[from..to]).ok(),
        })
    }

    fn bounds_of(&self, at: usize) -> impl Iterator<Item = (usize, usize)> + use<'a> {
        self.bounds.iter().skip(at).step_by(self.width.max(1)).map(|bound| (bound.0 as usize, bound.1 as usize))
    }

    fn span(&self) -> std::ops::Range<usize> {
        let from = self.bounds.first().map_or(0, |first| first.0 as usize);
        from..self.bounds.last().map_or(from, |last| last.1 as usize)
    }
}
