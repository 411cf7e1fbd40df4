//! Why a file is not the table that it seems to be. Owns the wording.

use super::text::NulByte;
use crate::table::ReadFault;

/// A file that cannot be kept as a table. It can still be kept as a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DetectError {
    /// Bytes that are no UTF-8.
    #[error(
        "line {line} of {path} is not UTF-8 text (byte 0x{byte:02x}), so it cannot be queried; it was probably saved as \
         {guess}: convert it with `iconv -f {guess} -t UTF-8`"
    )]
    Encoding {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u64,
        /// The first byte that is wrong.
        byte: u8,
        /// The encoding that it probably has, as iconv names it.
        guess: &'static str,
    },
    /// A record with more or fewer fields than the first.
    #[error(
        "line {line} of {path} has {found} fields, the first line has {expected}, so it cannot be queried as a table; \
         correct the line, or put texts that hold the delimiter in quotation marks"
    )]
    Ragged {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u64,
        /// Fields of this line.
        found: usize,
        /// Fields of the first line.
        expected: usize,
    },
    /// A line that is wrong otherwise.
    #[error("line {line} of {path} {detail}")]
    Line {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong and what to do.
        detail: String,
    },
    /// A file whose structure is damaged.
    #[error("{path} cannot be queried as a table: {detail}")]
    Broken {
        /// The file.
        path: String,
        /// What is wrong and what to do.
        detail: String,
    },
    /// The chunks could not be read.
    #[error("{path} could not be read from the chunk store: {detail}")]
    Read {
        /// The file.
        path: String,
        /// What the store said.
        detail: String,
    },
}

impl DetectError {
    pub(super) fn from_fault(fault: ReadFault) -> Self {
        Self::Read { path: fault.file, detail: fault.detail }
    }

    /// What a reader of text met.
    pub(super) fn from_io(path: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        if let Some(fault) = ReadFault::find(error) {
            return Self::from_fault(fault);
        }
        let carried = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        match carried.and_then(|carried| carried.downcast_ref::<NulByte>()) {
            Some(&NulByte { line, encoding: Some(guess) }) => {
                Self::Encoding { path: path.to_owned(), line, byte: 0, guess }
            }
            Some(&NulByte { line, encoding: None }) => Self::line(
                path,
                line,
                "has a NUL byte, so it is not text; the file was probably not written to its end, or is not what its \
                 name says: write it again, or take such bytes out with `tr -d '\\0'`",
            ),
            None => Self::broken(path, error.to_string()),
        }
    }

    pub(super) fn broken(path: &str, detail: impl Into<String>) -> Self {
        Self::Broken { path: path.to_owned(), detail: detail.into() }
    }

    pub(super) fn line(path: &str, line: u64, detail: impl Into<String>) -> Self {
        Self::Line { path: path.to_owned(), line, detail: detail.into() }
    }
}
