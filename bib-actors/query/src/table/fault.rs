//! A read that failed, in a shape that survives the way through DataFusion's, Arrow's and the object store's errors.

use std::error::Error;

use crate::fetch::FetchError;

/// What is wrong with which file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {detail}")]
pub(crate) struct ReadFault {
    pub(crate) file: String,
    pub(crate) detail: String,
    pub(crate) cause: Cause,
}

/// What lies behind a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The bytes, or a disk.
    Data,
    /// A chunk is not in the store.
    Missing,
    /// Chunks are not in the store, and could not be brought there.
    Lacking(Box<Lacking>),
}

/// Chunks that are on other nodes, and stayed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lacking {
    pub(crate) dataset: String,
    pub(crate) chunks: usize,
    pub(crate) bytes: u64,
    /// Bytes that came for the query before.
    pub(crate) came: u64,
    pub(crate) why: FetchError,
}

impl ReadFault {
    pub(crate) fn new(file: &str, detail: impl ToString) -> Self {
        Self { file: file.to_owned(), detail: detail.to_string(), cause: Cause::Data }
    }

    /// A chunk of the file is not in the store.
    pub(crate) fn missing(file: &str, detail: impl ToString) -> Self {
        Self { cause: Cause::Missing, ..Self::new(file, detail) }
    }

    /// Chunks of the file could not be brought here.
    pub(crate) fn lacking(file: &str, what: Lacking) -> Self {
        Self { cause: Cause::Lacking(Box::new(what.clone())), ..Self::new(file, &what.why) }
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.cause == Cause::Missing
    }

    /// The fault at the root of some other error.
    pub(crate) fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut at = Some(error);
        while let Some(error) = at {
            if let Some(fault) = error.downcast_ref::<Self>() {
                return Some(fault.clone());
            }
            // an io::Error hides what it carries from `source`
            if let Some(carried) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref)
                && let Some(fault) = Self::find(carried)
            {
                return Some(fault);
            }
            at = error.source();
        }
        None
    }
}

impl From<ReadFault> for std::io::Error {
    fn from(fault: ReadFault) -> Self {
        Self::other(fault)
    }
}

impl From<ReadFault> for object_store::Error {
    fn from(fault: ReadFault) -> Self {
        Self::Generic { store: "chunks", source: Box::new(fault) }
    }
}

impl From<ReadFault> for datafusion::error::DataFusionError {
    fn from(fault: ReadFault) -> Self {
        Self::External(Box::new(fault))
    }
}
