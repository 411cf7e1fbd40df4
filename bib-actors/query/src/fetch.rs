//! How the engine gets chunks that are not in its store. Owns the interface and the reasons for a failure; whoever puts
//! the node together implements it over the node's peers, tests over a map.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bib_chunks::ChunkRef;
use bib_domain::VersionId;

/// Chunks of one version that a query is about to read.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The dataset, as its manifest names it.
    pub dataset: String,
    /// The version whose signed manifest lists the chunks.
    pub version: VersionId,
    /// The chunks, as that manifest lists them: none twice, none that was here a moment ago.
    pub chunks: Vec<ChunkRef>,
    /// The time that is left for it.
    pub within: Duration,
}

/// Brings chunks into the engine's store.
#[async_trait]
pub trait Fetch: Send + Sync + fmt::Debug {
    /// Comes back when every chunk can be read from the store, with the bytes that peers sent for that.
    ///
    /// Cancel-safe: dropping the future ends the work; chunks that were checked and kept stay.
    ///
    /// # Errors
    /// [`FetchError`]; some of the chunks may be there all the same.
    async fn fetch(&self, wanted: Wanted) -> Result<u64, FetchError>;
}

/// Why chunks did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No paired node is connected.
    #[error("no paired node is connected")]
    Alone,
    /// Those that are connected did not give all of them.
    #[error("no connected node gave them ({0})")]
    Nobody(String),
    /// The time was over.
    #[error("the time of the query was over")]
    Late,
    /// This node could not take them.
    #[error("this node could not take them: {0}")]
    Failed(String),
}
