//! Chunks that a query needs and that are not here: the replicator fetches them. Translates only.

use bib_domain::DatasetRef;
use bib_query::{Fetch, FetchError, Wanted};
use bib_replicator::{ReplicatorError, ReplicatorHandle};
use std::fmt;

/// The replicator as the query engine sees it.
#[derive(Clone)]
pub(crate) struct PeerFetch(pub(crate) ReplicatorHandle);

impl fmt::Debug for PeerFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerFetch(..)")
    }
}

#[async_trait::async_trait]
impl Fetch for PeerFetch {
    async fn fetch(&self, wanted: Wanted) -> Result<u64, FetchError> {
        let Wanted { dataset, version, chunks, within } = wanted;
        let dataset: DatasetRef = dataset.parse().map_err(|error| FetchError::Failed(format!("{error}")))?;
        self.0.fetch(&dataset, version, chunks, within).await.map_err(|error| match error {
            ReplicatorError::Alone => FetchError::Alone,
            ReplicatorError::Unfetched { detail } => FetchError::Nobody(detail),
            ReplicatorError::Late => FetchError::Late,
            error => FetchError::Failed(error.to_string()),
        })
    }
}
