//! Datasets: lists and look-ups here; streams of bytes in modules of their own.

use super::entries::{self, Place};
use super::stream::Out;
use super::{answer, convert, download, elsewhere, pages, upload, verify, versions};
use crate::access::Caller;
use crate::mapping::dataset_not_found;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_chunks::SignedManifest;
use bib_domain::{DatasetRef, OpContext, TopicName};
use bib_guardian::{DatasetRow, VersionRow};
use bib_proto::v1::dataset_service_server::DatasetService;
use bib_proto::v1::{
    DownloadRequest, DownloadResponse, GetDatasetRequest, GetDatasetResponse, ListDatasetsRequest,
    ListDatasetsResponse, ListVersionsRequest, ListVersionsResponse, UploadRequest, UploadResponse, VerifyRequest,
    VerifyResponse,
};
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// How many of the largest pages one search reads: what it does not reach, its token leads to.
const SEARCH_STEPS: usize = 20;

/// The dataset service.
pub(crate) struct Datasets(pub(crate) Arc<Shared>);

#[tonic::async_trait]
impl DatasetService for Datasets {
    type DownloadStream = Out<DownloadResponse>;
    type VerifyStream = Out<VerifyResponse>;

    async fn upload(&self, request: Request<Streaming<UploadRequest>>) -> Result<Response<UploadResponse>, Status> {
        answer(request, |caller, parts| async move { Box::pin(upload::upload(&self.0, &caller, parts)).await }).await
    }

    async fn download(&self, request: Request<DownloadRequest>) -> Result<Response<Self::DownloadStream>, Status> {
        answer(request, |caller, asked| async move { download::download(&self.0, &caller, asked).await }).await
    }

    async fn list_datasets(
        &self,
        request: Request<ListDatasetsRequest>,
    ) -> Result<Response<ListDatasetsResponse>, Status> {
        answer(request, |caller, asked| async move { self.list(&caller, &asked).await }).await
    }

    async fn get_dataset(&self, request: Request<GetDatasetRequest>) -> Result<Response<GetDatasetResponse>, Status> {
        answer(request, |caller, asked| async move { self.get(&caller, &asked).await }).await
    }

    async fn list_versions(
        &self,
        request: Request<ListVersionsRequest>,
    ) -> Result<Response<ListVersionsResponse>, Status> {
        answer(request, |caller, asked| async move { versions::list(&self.0, &caller, &asked).await }).await
    }

    async fn verify(&self, request: Request<VerifyRequest>) -> Result<Response<Self::VerifyStream>, Status> {
        answer(request, |caller, asked| async move { verify::verify(&self.0, &caller, &asked).await }).await
    }
}

impl Datasets {
    async fn list(&self, caller: &Caller, asked: &ListDatasetsRequest) -> Result<ListDatasetsResponse, Problem> {
        let topic = if asked.topic.is_empty() { None } else { Some(asked.topic.parse::<TopicName>()?) };
        let size = pages::size(&self.0.options.calls, asked.page_size);
        let after = pages::after::<DatasetRef>("datasets", &asked.page_token)?;
        let op = caller.op();
        let (rows, next_page_token) = if asked.text.is_empty() {
            let rows = elsewhere::datasets(&self.0, &op, topic, after, size + 1).await?;
            pages::cut("datasets", rows, size, |row| row.name.to_string())
        } else {
            self.find_text(&op, topic, after, size, &asked.text.to_lowercase()).await?
        };
        let proxy = elsewhere::is_proxy(&self.0);
        let datasets = rows.into_iter().map(|row| convert::dataset(row, proxy)).collect();
        Ok(ListDatasetsResponse { datasets, next_page_token })
    }

    /// Reads the list on until a page is full of what contains `text`. A call reads a bounded part of it: the token
    /// leads on from there, also when nothing was found.
    async fn find_text(
        &self,
        op: &OpContext,
        topic: Option<TopicName>,
        mut after: Option<DatasetRef>,
        size: u32,
        text: &str,
    ) -> Result<(Vec<DatasetRow>, String), Problem> {
        let step = self.0.options.calls.page_max;
        let fits = |row: &DatasetRow| {
            let message = row.latest.as_ref().map(|latest| latest.message.to_lowercase()).unwrap_or_default();
            row.name.to_string().contains(text) || message.contains(text)
        };
        let mut found = Vec::new();
        for _ in 0..SEARCH_STEPS {
            let rows = elsewhere::datasets(&self.0, op, topic.clone(), after, step).await?;
            let whole = rows.len() < step as usize;
            after = rows.last().map(|row| row.name.clone());
            for row in rows.into_iter().filter(|row| fits(row)) {
                if found.len() == size as usize {
                    let next = found.last().map(|row: &DatasetRow| pages::token("datasets", &row.name.to_string()));
                    return Ok((found, next.unwrap_or_default()));
                }
                found.push(row);
            }
            if whole {
                return Ok((found, String::new()));
            }
        }
        Ok((found, after.map(|name| pages::token("datasets", &name.to_string())).unwrap_or_default()))
    }

    async fn get(&self, caller: &Caller, asked: &GetDatasetRequest) -> Result<GetDatasetResponse, Problem> {
        let op = caller.op();
        let name: DatasetRef = asked.name.parse()?;
        let proxy = elsewhere::is_proxy(&self.0);
        let place = pages::after::<Place>("entries", &asked.page_token)?;
        let (wanted, from) =
            place.map_or_else(|| (asked.version.clone(), 0), |place| (place.version.to_hex(), place.from));
        // a proxy knows the dataset after this only, or has a reason why not
        let found = if proxy { Some(find(&self.0, &op, &name, &wanted).await?) } else { None };
        let row = self
            .0
            .deps
            .guardian
            .on_behalf_of(&op)
            .get_dataset(&name)
            .await?
            .ok_or_else(|| dataset_not_found(&asked.name))?;
        let (version, signed) = match found {
            Some(found) => found,
            None => find(&self.0, &op, &name, &wanted).await?,
        };
        let (entries, next) = entries::page(&signed, from, asked.page_size, self.0.options.calls.entries_bytes);
        let next = next.map(|from| pages::token("entries", &Place { version: version.id, from }.to_string()));
        Ok(GetDatasetResponse {
            dataset: Some(convert::dataset(row, proxy)),
            version: Some(convert::version(version, proxy)),
            entries,
            signature: hex::encode(signed.signature()),
            next_page_token: next.unwrap_or_default(),
        })
    }
}

/// A version by id, beginning of an id, number, or the latest, with its manifest.
pub(super) async fn find(
    shared: &Shared,
    op: &OpContext,
    dataset: &DatasetRef,
    selector: &str,
) -> Result<(VersionRow, Arc<SignedManifest>), Problem> {
    let version = elsewhere::find_version(shared, op, dataset, selector).await?;
    let signed = shared.deps.guardian.on_behalf_of(op).manifest(version.id).await?;
    let signed = signed.ok_or_else(|| Problem::internal(format_args!("version {} has no manifest", version.id)))?;
    Ok((version, signed))
}
