//! How a query finds the manifest behind a dataset's name. Owns the interface only: the gateway implements it
//! over the guardian's catalogue, tests over a map.

use std::sync::Arc;

use async_trait::async_trait;
use bib_chunks::SignedManifest;
use bib_domain::DatasetRef;

/// Finds the version of a dataset that a query shall read.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// The manifest of `version` (a number or the first digits of an id), or of the newest complete version.
    ///
    /// Cancel-safe: it only reads.
    ///
    /// # Errors
    /// [`CatalogError`] when there is no such version, when its chunks are not all here, or when the catalogue
    /// does not answer.
    async fn resolve(&self, dataset: &DatasetRef, version: Option<&str>) -> Result<Arc<SignedManifest>, CatalogError>;
}

/// Why a dataset was not resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// No such dataset or version.
    #[error("the dataset or version is not in the catalogue; `bib dataset list` shows what is here")]
    NotFound {
        /// Names that exist and look alike, best first.
        suggestions: Vec<String>,
    },
    /// The version is known, but its chunks are not all here.
    #[error("the version is not complete on this node yet; wait until its copy is finished")]
    Incomplete,
    /// The catalogue did not answer, in its own words.
    #[error("{0}")]
    Other(String),
}
