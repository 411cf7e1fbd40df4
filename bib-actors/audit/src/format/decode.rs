//! Reads a record, and refuses every sequence of bytes that the encoder would not have written.
//!
//! Borrows from the bytes and allocates nothing: a full verification reads every record this way.

use super::items::{Items, Odd};
use super::{CLOCK_FLAGS_KNOWN, Hash, RECORD_FIELDS, RECORD_MAX_BYTES, RECORD_VERSION};
use crate::outcome::Outcome;
use unicode_normalization::is_nfc;

/// Bytes that are not a record of this format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field} of the record {problem}")]
pub struct FormatError {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// A record as it lies in its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of AuditRecord, borrowed")]
pub struct RecordView<'b> {
    pub epoch: u64,
    pub seq: u64,
    pub prev_hash: &'b Hash,
    pub unix_ns: u64,
    pub monotonic_ns: u64,
    pub clock_flags: u64,
    pub node_id: &'b str,
    pub actor: &'b str,
    pub session_hash: Option<&'b [u8; 32]>,
    pub job_id: Option<&'b str>,
    pub op_id: &'b [u8; 16],
    pub role: &'b str,
    pub action: &'b str,
    pub object: &'b str,
    pub fingerprint: Option<&'b str>,
    pub rows: Option<u64>,
    pub duration_us: u64,
    pub component: &'b str,
    pub outcome: Outcome,
    /// The encoded `params` array, checked.
    pub params: &'b [u8],
    pub break_glass: bool,
    /// The encoded `metadata` array, checked.
    pub metadata: &'b [u8],
    pub salt: &'b [u8; 32],
}

impl<'b> RecordView<'b> {
    /// Reads the one record that `bytes` are.
    ///
    /// # Errors
    /// [`FormatError`] naming the first field that is wrong or not canonical.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, FormatError> {
        if bytes.len() > RECORD_MAX_BYTES {
            return Err(FormatError { field: "(all)", problem: "is longer than a record can be" });
        }
        let mut r = Reader { items: Items::new(bytes) };
        if r.array("(all)")? != RECORD_FIELDS {
            return Err(FormatError { field: "(all)", problem: "has another number of fields than this format" });
        }
        if r.uint("version")? != RECORD_VERSION {
            return Err(FormatError { field: "version", problem: "is not one that this program knows" });
        }
        let view = Self {
            epoch: r.uint("epoch")?,
            seq: r.uint("seq")?,
            prev_hash: r.fixed("prev_hash")?,
            unix_ns: r.uint("unix_ns")?,
            monotonic_ns: r.uint("monotonic_ns")?,
            clock_flags: r.uint("clock_flags")?,
            node_id: r.text("node_id")?,
            actor: r.text("actor")?,
            session_hash: r.optional(|r| r.fixed("session_hash"))?,
            job_id: r.optional(|r| r.text("job_id"))?,
            op_id: r.fixed("op_id")?,
            role: r.text("role")?,
            action: r.text("action")?,
            object: r.text("object")?,
            fingerprint: r.optional(|r| r.text("fingerprint"))?,
            rows: r.optional(|r| r.uint("rows"))?,
            duration_us: r.uint("duration_us")?,
            component: r.text("component")?,
            outcome: Outcome::from_code(r.uint("outcome")?)
                .ok_or(FormatError { field: "outcome", problem: "is not an outcome" })?,
            params: r.params()?,
            break_glass: r.boolean("break_glass")?,
            metadata: r.metadata()?,
            salt: r.fixed("salt")?,
        };
        if view.clock_flags & !CLOCK_FLAGS_KNOWN != 0 {
            return Err(FormatError { field: "clock_flags", problem: "has a bit that means nothing" });
        }
        if !r.items.rest().is_empty() {
            return Err(FormatError { field: "(all)", problem: "is followed by further bytes" });
        }
        Ok(view)
    }

    /// The parameters: each name with the HMAC of its value.
    #[must_use]
    pub fn params(&self) -> Vec<(String, Hash)> {
        let mut r = Reader { items: Items::new(self.params) };
        let count = r.array("params").unwrap_or(0);
        (0..count).map_while(|_| r.param().ok()).map(|(name, mac)| (name.to_owned(), *mac)).collect()
    }

    /// The metadata: names and values.
    #[must_use]
    pub fn metadata(&self) -> Vec<(String, String)> {
        let mut r = Reader { items: Items::new(self.metadata) };
        let count = r.array("metadata").unwrap_or(0);
        (0..count).map_while(|_| r.pair().ok()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

#[cold]
fn refused(field: &'static str, odd: Odd, other: &'static str) -> FormatError {
    let problem = if odd == Odd::Longer { "is not in its shortest form" } else { other };
    FormatError { field, problem }
}

struct Reader<'b> {
    items: Items<'b>,
}

impl<'b> Reader<'b> {
    #[inline]
    fn uint(&mut self, field: &'static str) -> Result<u64, FormatError> {
        self.items.uint().map_err(|odd| refused(field, odd, "is not an unsigned integer"))
    }

    #[inline]
    fn array(&mut self, field: &'static str) -> Result<u64, FormatError> {
        self.items.array().map_err(|odd| refused(field, odd, "is not an array of known length"))
    }

    #[inline]
    fn bytes(&mut self, field: &'static str) -> Result<&'b [u8], FormatError> {
        self.items.bytes().map_err(|odd| refused(field, odd, "is not a byte string"))
    }

    #[inline]
    fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<&'b [u8; N], FormatError> {
        self.bytes(field)?.try_into().map_err(|_| FormatError { field, problem: "has another length than this format" })
    }

    #[inline]
    fn text(&mut self, field: &'static str) -> Result<&'b str, FormatError> {
        let text = self.items.text().map_err(|odd| refused(field, odd, "is not a text"))?;
        if !text.is_ascii() && !is_nfc(text) {
            return Err(FormatError { field, problem: "is not in Unicode normal form C" });
        }
        Ok(text)
    }

    fn boolean(&mut self, field: &'static str) -> Result<bool, FormatError> {
        self.items.boolean().map_err(|odd| refused(field, odd, "is neither true nor false"))
    }

    #[inline]
    fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, FormatError>,
    ) -> Result<Option<T>, FormatError> {
        if self.items.null() { Ok(None) } else { read(self).map(Some) }
    }

    fn param(&mut self) -> Result<(&'b str, &'b Hash), FormatError> {
        if self.array("params")? != 2 {
            return Err(FormatError { field: "params", problem: "has an element that is not a pair" });
        }
        Ok((self.text("params")?, self.fixed("params")?))
    }

    fn pair(&mut self) -> Result<(&'b str, &'b str), FormatError> {
        if self.array("metadata")? != 2 {
            return Err(FormatError { field: "metadata", problem: "has an element that is not a pair" });
        }
        Ok((self.text("metadata")?, self.text("metadata")?))
    }

    fn params(&mut self) -> Result<&'b [u8], FormatError> {
        let before = self.items.rest();
        let count = self.array("params")?;
        for _ in 0..count {
            self.param()?;
        }
        Ok(&before[..before.len() - self.items.rest().len()])
    }

    fn metadata(&mut self) -> Result<&'b [u8], FormatError> {
        let bytes = self.bytes("metadata")?;
        let mut inner = Reader { items: Items::new(bytes) };
        let count = inner.array("metadata")?;
        for _ in 0..count {
            inner.pair()?;
        }
        if !inner.items.rest().is_empty() {
            return Err(FormatError { field: "metadata", problem: "is followed by further bytes" });
        }
        Ok(bytes)
    }
}
