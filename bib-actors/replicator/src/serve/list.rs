//! Serving lists of topics, datasets and versions to peers that keep no copies: what this node has whole.

use super::sync::{WRAPPING, busy};
use crate::shared::Shared;
use crate::wire::{self, NOT_FOUND};
use bib_domain::{DatasetRef, NodeId, TopicName};
use bib_proto::v1::{
    DatasetsRequest, DatasetsResponse, PeerDataset, SyncResponse, TopicsRequest, TopicsResponse, VersionsRequest,
    VersionsResponse, sync_response::Response,
};
use prost::Message;
use std::str::FromStr;

/// A page of topics. Long descriptions make it shorter.
pub(super) async fn topics(shared: &Shared, peer: &NodeId, request: TopicsRequest) -> SyncResponse {
    let (Ok(name), Ok(after)) = (named::<TopicName>(&request.name), named::<TopicName>(&request.after)) else {
        return wire::sync_error(NOT_FOUND, "that is not the name of a topic");
    };
    if let Some(name) = name {
        return match shared.guardian.get_topic(&name).await {
            Ok(found) => {
                let topics = found.iter().map(wire::peer_topic_row).collect();
                wire::respond(Response::Topics(TopicsResponse { topics, next: String::new() }))
            }
            Err(error) => busy(peer, &error.into()),
        };
    }
    let mut limit = request.page_size.clamp(1, shared.options.catalog_page);
    loop {
        let rows = match shared.guardian.list_topics(after.clone(), limit).await {
            Ok(rows) => rows,
            Err(error) => return busy(peer, &error.into()),
        };
        let goes_on = rows.len() >= limit as usize;
        let next = rows.last().filter(|_| goes_on).map(|row| row.name.to_string()).unwrap_or_default();
        let response = TopicsResponse { topics: rows.iter().map(wire::peer_topic_row).collect(), next };
        if limit == 1 || response.encoded_len() + WRAPPING <= shared.options.frame_bytes {
            return wire::respond(Response::Topics(response));
        }
        limit /= 2;
    }
}

/// A name in a request, where an empty text says that there is none.
fn named<T: FromStr>(text: &str) -> Result<Option<T>, T::Err> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

/// A page of datasets. Long messages of versions make it shorter.
pub(super) async fn datasets(shared: &Shared, peer: &NodeId, request: DatasetsRequest) -> SyncResponse {
    let (Ok(topic), Ok(after)) = (named::<TopicName>(&request.topic), named::<DatasetRef>(&request.after)) else {
        return wire::sync_error(NOT_FOUND, "those are not the names of a topic and of a dataset");
    };
    let mut limit = request.page_size.clamp(1, shared.options.catalog_page);
    loop {
        let rows = match shared.guardian.list_datasets(topic.clone(), after.clone(), limit).await {
            Ok(rows) => rows,
            Err(error) => return busy(peer, &error.into()),
        };
        let goes_on = rows.len() >= limit as usize;
        let next = rows.last().filter(|_| goes_on).map(|row| row.name.to_string()).unwrap_or_default();
        let whole = rows.iter().filter_map(|row| {
            let latest = row.latest.as_ref().filter(|latest| latest.complete)?;
            Some(PeerDataset {
                name: row.name.to_string(),
                versions: row.versions,
                created_ms: row.created_ms,
                updated_ms: row.updated_ms,
                latest: Some(wire::peer_row(latest)),
            })
        });
        let response = DatasetsResponse { datasets: whole.collect(), next };
        if limit == 1 || response.encoded_len() + WRAPPING <= shared.options.frame_bytes {
            return wire::respond(Response::Datasets(response));
        }
        limit /= 2;
    }
}

/// The versions of a dataset, as many of the latest as a frame takes.
pub(super) async fn versions(shared: &Shared, peer: &NodeId, request: VersionsRequest) -> SyncResponse {
    let Ok(dataset) = request.dataset.parse::<DatasetRef>() else {
        return wire::sync_error(NOT_FOUND, "that is not the name of a dataset");
    };
    match shared.guardian.versions(&dataset).await {
        Ok(rows) => {
            let versions = rows.iter().filter(|row| row.complete).map(wire::peer_row).collect();
            let mut response = VersionsResponse { versions };
            while response.encoded_len() + WRAPPING > shared.options.frame_bytes {
                response.versions.truncate(response.versions.len() / 2);
            }
            wire::respond(Response::Versions(response))
        }
        Err(error) if error.is_refusal() => wire::sync_error(NOT_FOUND, error.to_string()),
        Err(error) => busy(peer, &error.into()),
    }
}
