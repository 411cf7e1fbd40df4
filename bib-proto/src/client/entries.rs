//! Versions of any number of files.

use super::Client;
use crate::v1::{GetDatasetRequest, GetDatasetResponse};
use tonic::Status;

impl Client {
    /// A version (number, id, or unique beginning of the id; empty for the latest) with all its entries, which come in
    /// several answers where they are more than a message takes.
    ///
    /// # Errors
    /// What the node answers to any of the calls.
    pub async fn whole_version(
        &self,
        name: impl Into<String>,
        version: impl Into<String>,
    ) -> Result<GetDatasetResponse, Status> {
        let mut request = GetDatasetRequest { name: name.into(), version: version.into(), ..Default::default() };
        let mut datasets = self.datasets();
        let mut whole = Box::pin(datasets.get_dataset(request.clone())).await?.into_inner();
        while !whole.next_page_token.is_empty() {
            request.page_token = std::mem::take(&mut whole.next_page_token);
            let more = Box::pin(datasets.get_dataset(request.clone())).await?.into_inner();
            if more.entries.is_empty() {
                break;
            }
            whole.entries.extend(more.entries);
            whole.next_page_token = more.next_page_token;
        }
        Ok(whole)
    }
}
