//! How a query finds the manifest behind a dataset's name. Owns the interface only: the gateway implements it
//! over the guardian's catalogue, tests over a map.

use std::sync::Arc;

use async_trait::async_trait;
use bib_chunks::SignedManifest;
use bib_domain::DatasetRef;

/// The version that a query reads.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Its manifest.
    pub manifest: Arc<SignedManifest>,
    /// Whether all its chunks are in the store. The others are fetched as they are needed, if the engine can.
    pub whole: bool,
}

/// Finds the version of a dataset that a query shall read.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// `version` (a number or the first digits of an id), or the newest one.
    ///
    /// Cancel-safe: it only reads.
    ///
    /// # Errors
    /// [`CatalogError`] when there is no such version, or when the catalogue does not answer.
    async fn resolve(&self, dataset: &DatasetRef, version: Option<&str>) -> Result<Resolved, CatalogError>;
}

/// Whether a dataset was looked for on other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    /// There is no other node to ask.
    Nowhere,
    /// None of the nodes with which this one is paired is connected.
    Unconnected {
        /// How many there are.
        paired: usize,
    },
    /// A node that could have it did not answer.
    Silent,
    /// None of those that were asked has it.
    Nobody {
        /// How many were asked.
        asked: usize,
    },
}

/// Why a dataset was not resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// No such dataset or version.
    #[error("the dataset or version is not in the catalogue; `bib dataset list` shows what is here")]
    NotFound {
        /// Names that exist and look alike, best first.
        suggestions: Vec<String>,
        /// What other nodes were asked.
        elsewhere: Elsewhere,
    },
    /// The catalogue did not answer, in its own words.
    #[error("{0}")]
    Other(String),
}
