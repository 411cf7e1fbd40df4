//! What can go wrong with the audit log, and what to do then.

use bib_domain::NodeId;
use bib_kit::AskError;
use bib_kit::blocking::BlockingError;
use std::path::{Path, PathBuf};

/// An error of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The record could not be made durable. It may or may not be in the log.
    #[error(
        "the audit log cannot be written: {reason}; the record may be missing, so the operation must be refused: check the \
         disk under the node's data directory, the node tries again by itself"
    )]
    NotWritable {
        /// What failed.
        reason: String,
    },
    /// There is no room for the record. It is not in the log, and the log is as it was.
    #[error(
        "the audit log has no room for a record: {reason}; nothing was written, so the operation must be refused: free space on \
         the disk of the node's data directory, and it is written again by itself"
    )]
    NoRoom {
        /// What failed.
        reason: String,
    },
    /// The files are not what was written to them.
    #[error(
        "the audit log is damaged at record {seq} in {}: {problem}; it is kept as it is: restore the audit directory from a \
         backup, or move it away as evidence to begin a new log", file.display()
    )]
    Damaged {
        /// Position of the first record that is wrong or missing; 0 if it is not known.
        seq: u64,
        /// In which file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The log belongs to another node.
    #[error(
        "{} belongs to the audit log of node {found}, and this is node {expected}: one of the two was copied here; put the \
         right identity or the right audit directory back", file.display()
    )]
    WrongNode {
        /// The segment.
        file: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Whose it should be.
        expected: NodeId,
    },
    /// Another writer has the log open.
    #[error(
        "the audit log in {} is in use by another process: stop the other bibd on this data directory", dir.display()
    )]
    InUse {
        /// The log's directory.
        dir: PathBuf,
    },
    /// A file could not be read or made.
    #[error("{what} {} failed: {reason}; check the disk and the permissions of the node's data directory", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A filtered page looked at as many records as it may and found none.
    #[error(
        "none of the {scanned} records before {before} matches, and one request looks at no more: ask again with \
         before_seq {next}, or with fewer conditions"
    )]
    NothingFound {
        /// How many records were looked at.
        scanned: u64,
        /// Before which position the search began.
        before: u64,
        /// Where it goes on.
        next: u64,
    },
    /// A reader broke off.
    #[error("reading the audit log broke off: {reason}; ask again")]
    Reader {
        /// What happened.
        reason: String,
    },
    /// The actor did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
}

impl AuditError {
    pub(crate) fn io(what: &'static str, path: &Path, error: &std::io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), reason: error.to_string() }
    }

    /// A failure before anything of a record was written: without room, nothing is lost.
    pub(crate) fn before_writing(what: &'static str, path: &Path, error: &std::io::Error) -> Self {
        match Self::not_writable(what, path, error) {
            Self::NotWritable { reason } if is_full(error) => Self::NoRoom { reason },
            other => other,
        }
    }

    pub(crate) fn not_writable(what: &'static str, path: &Path, error: &std::io::Error) -> Self {
        Self::NotWritable { reason: format!("{what} {} failed: {error}", path.display()) }
    }

    /// What failed, without advice.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::NotWritable { reason } | Self::NoRoom { reason } => reason.clone(),
            other => other.to_string(),
        }
    }

    /// Whether the record is certainly not in the log, so that the same operation may simply be tried again.
    #[must_use]
    pub const fn nothing_was_written(&self) -> bool {
        match self {
            Self::Ask(ask) => ask.nothing_was_done(),
            Self::NoRoom { .. } => true,
            _ => false,
        }
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

impl From<BlockingError> for AuditError {
    fn from(error: BlockingError) -> Self {
        Self::Reader { reason: error.to_string() }
    }
}
