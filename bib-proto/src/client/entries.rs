//! Versions of any number of files.

use super::Client;
use crate::v1::{Entry, GetDatasetRequest, GetDatasetResponse};
use tonic::Status;

impl Client {
    /// A version (number, id, or unique beginning of the id; empty for the latest) with all its entries, which come in
    /// several answers where they are more than a message takes. A version may have a million: who serves others takes
    /// them with [`Self::each_answer`], and keeps what it needs.
    ///
    /// # Errors
    /// What the node answers to any of the calls.
    pub async fn whole_version(
        &self,
        name: impl Into<String>,
        version: impl Into<String>,
    ) -> Result<GetDatasetResponse, Status> {
        let mut entries = Vec::new();
        let found = self.each_answer(name, version, |more| entries.extend(more)).await?;
        Ok(GetDatasetResponse { entries, ..found })
    }

    /// The same, with the entries of each answer given to `take` as they come, in the order of their paths. What is
    /// returned has none.
    ///
    /// # Errors
    /// What the node answers to any of the calls.
    pub async fn each_answer(
        &self,
        name: impl Into<String>,
        version: impl Into<String>,
        mut take: impl FnMut(Vec<Entry>),
    ) -> Result<GetDatasetResponse, Status> {
        let mut request = GetDatasetRequest { name: name.into(), version: version.into(), ..Default::default() };
        let mut datasets = self.datasets();
        let mut found = Box::pin(datasets.get_dataset(request.clone())).await?.into_inner();
        take(std::mem::take(&mut found.entries));
        while !found.next_page_token.is_empty() {
            request.page_token = std::mem::take(&mut found.next_page_token);
            let more = Box::pin(datasets.get_dataset(request.clone())).await?.into_inner();
            if more.entries.is_empty() {
                break;
            }
            take(more.entries);
            found.next_page_token = more.next_page_token;
        }
        Ok(found)
    }
}
