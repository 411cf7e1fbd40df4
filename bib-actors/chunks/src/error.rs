//! What can go wrong in the chunk store and in manifests, and what to do about it.

use bib_domain::{ChunkHash, PathError};
use std::io;
use std::path::PathBuf;

/// A failure of the chunk store, of an ingest or of a read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The operating system refused.
    #[error("could not {what} {}: {source}; {}", path.display(), advice(source))]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The bytes to keep could not be read from their source.
    #[error("could not read the bytes of the file to keep: {source}; nothing of this version was kept, try again")]
    Source {
        /// The reader's reason.
        source: io::Error,
    },
    /// The chunk is not here.
    #[error("chunk {hash} {}; fetch it again from a peer", absence(*.damaged))]
    Missing {
        /// Which chunk.
        hash: ChunkHash,
        /// Whether a read found that it was damaged and that its file is in quarantine. What only looks for a chunk does not
        /// ask.
        damaged: bool,
    },
    /// The bytes on the disk are not those that the name promises.
    #[error("chunk {hash} is damaged on the disk ({detail}); it is not served, fetch it again from a peer")]
    Corrupt {
        /// Which chunk.
        hash: ChunkHash,
        /// What was found.
        detail: String,
        /// Where the damaged file was put, if it could be moved.
        quarantine: Option<PathBuf>,
    },
    /// Bytes were offered under a name that is not theirs.
    #[error("the bytes hash to {found}, not to {expected}: they are not kept; ask another peer for this chunk")]
    WrongHash {
        /// The name under which they were offered.
        expected: ChunkHash,
        /// Their true name.
        found: ChunkHash,
    },
    /// A chunk that is empty or larger than the store takes.
    #[error("a chunk of {len} bytes is not kept: chunks have 1 to {max} bytes; cut the data first")]
    ChunkSize {
        /// How many bytes were offered.
        len: u64,
        /// How many the store takes.
        max: u64,
    },
    /// A read past the end of a chunk.
    #[error("chunk {hash} has {size} bytes: {len} bytes from offset {offset} are not in it; check the manifest")]
    Range {
        /// Which chunk.
        hash: ChunkHash,
        /// Where the read began.
        offset: u64,
        /// How much was wanted.
        len: u64,
        /// How much there is.
        size: u64,
    },
    /// The batch holds as much as it may.
    #[error("the batch is full at {chunks} chunks and {bytes} bytes; commit it and go on with a new one")]
    BatchFull {
        /// Chunks in the batch.
        chunks: usize,
        /// Bytes in the batch.
        bytes: u64,
    },
    /// A path or a link that cannot be kept.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A version that is larger than the limits allow.
    #[error("the version has more than {limit} {what}; split it into several datasets")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// The calls of a writer came in an order that makes no sense.
    #[error("{problem}; this is a mistake of the caller, the version is not kept")]
    Order {
        /// What was wrong.
        problem: &'static str,
    },
    /// An earlier call failed, so the version is lost.
    #[error("an earlier write of this version failed, so it is not kept; start the version again")]
    WriterFailed,
    /// Another process has the store open.
    #[error("the chunk store {} is in use by another process; stop the other bibd or choose another data directory", root.display())]
    InUse {
        /// The store's folder.
        root: PathBuf,
    },
    /// Options that contradict each other.
    #[error("the chunk options do not fit together: {problem}; correct the configuration")]
    Options {
        /// Which ones and why.
        problem: String,
    },
    /// The version has no such path.
    #[error("there is no file {path:?} in this version; list the version to see its files")]
    NoSuchFile {
        /// What was asked for.
        path: String,
    },
    /// The path is a directory or a symbolic link.
    #[error("{path:?} is not a file of this version but a folder or a link; name a file")]
    NotAFile {
        /// What was asked for.
        path: String,
    },
    /// The entries do not form a version.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl ChunkError {
    /// For `map_err`: adds what was tried and where to an error of the operating system.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }

    /// Whether the disk, not the data, is the trouble.
    #[must_use]
    pub fn is_storage_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

/// Why a chunk is not there.
const fn absence(damaged: bool) -> &'static str {
    if damaged {
        "is damaged on the disk (its file is in quarantine since that was found); it is not served"
    } else {
        "is not in the store: it never arrived or was removed"
    }
}

impl From<ChunkError> for io::Error {
    fn from(error: ChunkError) -> Self {
        match error {
            ChunkError::Io { source, .. } | ChunkError::Source { source } => source,
            ChunkError::Missing { .. } | ChunkError::NoSuchFile { .. } => Self::new(io::ErrorKind::NotFound, error),
            _ => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull => "the disk is full: free some space and try again",
        io::ErrorKind::QuotaExceeded => "the disk quota is used up: free some space and try again",
        io::ErrorKind::PermissionDenied => "give bibd's user the right to read and write there",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only: look for disk errors in the system log",
        io::ErrorKind::NotFound => {
            "something removed it while bibd runs: keep other programs out of the data directory"
        }
        _ => "nothing was acknowledged; check the disk and the system log, then try again",
    }
}

/// A manifest that is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The bytes are not the expected structure.
    #[error(
        "this is not a manifest that bib can read: {detail}; fetch it again, or update bib if it is from a newer version"
    )]
    Format {
        /// What was found where.
        detail: String,
    },
    /// The bytes say the same as a manifest, but are not its canonical form.
    #[error("the manifest is not in canonical form, so its hash names nothing; refuse it and tell its publisher")]
    NotCanonical,
    /// The entries are not in the order of their paths.
    #[error("the manifest's entries are not sorted by path; refuse it and tell its publisher")]
    Unsorted,
    /// An entry's path or link target cannot be kept.
    #[error(transparent)]
    Path(#[from] PathError),
    /// More of something than is allowed.
    #[error("the manifest has more than {limit} {what}; refuse it, or split the dataset")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// Entries and chunks do not fit together.
    #[error("the manifest contradicts itself at {path:?}: {detail}; refuse it and tell its publisher")]
    Contents {
        /// Which entry, or which part of the manifest.
        path: String,
        /// What does not fit.
        detail: String,
    },
    /// The signature is not the publisher's.
    #[error(
        "the manifest's signature does not match its publisher's key: someone changed it; refuse it and ask another peer"
    )]
    Signature,
}
