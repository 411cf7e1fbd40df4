//! Reads a record, and refuses every sequence of bytes that the encoder would not have written.
//!
//! Borrows from the bytes and allocates nothing: a full verification runs at the speed of the hash.

use super::{CLOCK_FLAGS_KNOWN, Hash, RECORD_FIELDS, RECORD_MAX_BYTES, RECORD_VERSION};
use crate::outcome::Outcome;
use minicbor::Decoder;
use minicbor::data::Type;
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
        let mut r = Reader { d: Decoder::new(bytes) };
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
        if r.d.position() != bytes.len() {
            return Err(FormatError { field: "(all)", problem: "is followed by further bytes" });
        }
        Ok(view)
    }

    /// The parameters: each name with the HMAC of its value.
    #[must_use]
    pub fn params(&self) -> Vec<(String, Hash)> {
        let mut r = Reader { d: Decoder::new(self.params) };
        let count = r.array("params").unwrap_or(0);
        (0..count).map_while(|_| r.param().ok()).map(|(name, mac)| (name.to_owned(), *mac)).collect()
    }

    /// The metadata: names and values.
    #[must_use]
    pub fn metadata(&self) -> Vec<(String, String)> {
        let mut r = Reader { d: Decoder::new(self.metadata) };
        let count = r.array("metadata").unwrap_or(0);
        (0..count).map_while(|_| r.pair().ok()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// How many bytes the head of an item with this number takes in its shortest form.
const fn head_len(number: u64) -> usize {
    match number {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

struct Reader<'b> {
    d: Decoder<'b>,
}

impl<'b> Reader<'b> {
    /// Refuses an item that took more bytes than its shortest form.
    fn shortest(&self, field: &'static str, from: usize, number: u64, body: usize) -> Result<(), FormatError> {
        if self.d.position() - from == head_len(number) + body {
            Ok(())
        } else {
            Err(FormatError { field, problem: "is not in its shortest form" })
        }
    }

    fn uint(&mut self, field: &'static str) -> Result<u64, FormatError> {
        let from = self.d.position();
        let number = self.d.u64().map_err(|_| FormatError { field, problem: "is not an unsigned integer" })?;
        self.shortest(field, from, number, 0)?;
        Ok(number)
    }

    fn array(&mut self, field: &'static str) -> Result<u64, FormatError> {
        let from = self.d.position();
        match self.d.array() {
            Ok(Some(count)) => {
                self.shortest(field, from, count, 0)?;
                Ok(count)
            }
            _ => Err(FormatError { field, problem: "is not an array of known length" }),
        }
    }

    fn bytes(&mut self, field: &'static str) -> Result<&'b [u8], FormatError> {
        let from = self.d.position();
        let bytes = self.d.bytes().map_err(|_| FormatError { field, problem: "is not a byte string" })?;
        self.shortest(field, from, bytes.len() as u64, bytes.len())?;
        Ok(bytes)
    }

    fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<&'b [u8; N], FormatError> {
        self.bytes(field)?.try_into().map_err(|_| FormatError { field, problem: "has another length than this format" })
    }

    fn text(&mut self, field: &'static str) -> Result<&'b str, FormatError> {
        let from = self.d.position();
        let text = self.d.str().map_err(|_| FormatError { field, problem: "is not a text" })?;
        self.shortest(field, from, text.len() as u64, text.len())?;
        if !text.is_ascii() && !is_nfc(text) {
            return Err(FormatError { field, problem: "is not in Unicode normal form C" });
        }
        Ok(text)
    }

    fn boolean(&mut self, field: &'static str) -> Result<bool, FormatError> {
        self.d.bool().map_err(|_| FormatError { field, problem: "is neither true nor false" })
    }

    fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, FormatError>,
    ) -> Result<Option<T>, FormatError> {
        if matches!(self.d.datatype(), Ok(Type::Null)) {
            self.d.set_position(self.d.position() + 1);
            Ok(None)
        } else {
            read(self).map(Some)
        }
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
        let from = self.d.position();
        let count = self.array("params")?;
        for _ in 0..count {
            self.param()?;
        }
        Ok(&self.d.input()[from..self.d.position()])
    }

    fn metadata(&mut self) -> Result<&'b [u8], FormatError> {
        let bytes = self.bytes("metadata")?;
        let mut inner = Reader { d: Decoder::new(bytes) };
        let count = inner.array("metadata")?;
        for _ in 0..count {
            inner.pair()?;
        }
        if inner.d.position() != bytes.len() {
            return Err(FormatError { field: "metadata", problem: "is followed by further bytes" });
        }
        Ok(bytes)
    }
}
